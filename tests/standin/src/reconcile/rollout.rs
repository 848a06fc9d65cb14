//! Whether running pods are replaced, and why.

use std::fmt;

/// What reconcile knows before it decides.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Facts<'a> {
    /// The spec hash of the last finished reconcile; none on the first apply.
    pub(crate) previous_hash: Option<&'a str>,
    /// Today's spec hash.
    pub(crate) hash: &'a str,
    /// Whether the image's tag means another image than the pods run.
    pub(crate) image_changed: bool,
    /// Whether the merged environment differs from the last one written.
    pub(crate) env_changed: bool,
}

/// Why every existing pod is replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reason {
    Spec,
    Image,
    Environment,
    Asked,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Spec => "spec changed",
            Self::Image => "image changed",
            Self::Environment => "environment changed",
            Self::Asked => "restart requested",
        })
    }
}

/// The reason to roll, if there is one; the first apply never rolls.
pub(crate) fn decide(facts: Facts<'_>) -> Option<Reason> {
    let previous = facts.previous_hash?;
    if previous != facts.hash {
        Some(Reason::Spec)
    } else if facts.image_changed {
        Some(Reason::Image)
    } else if facts.env_changed {
        Some(Reason::Environment)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_decision_table() {
        for (previous, image_changed, env_changed, expected) in [
            (None, true, true, None),
            (Some("h"), false, false, None),
            (Some("h"), false, true, Some(Reason::Environment)),
            (Some("h"), true, true, Some(Reason::Image)),
            (Some("old"), true, true, Some(Reason::Spec)),
        ] {
            let facts = Facts {
                previous_hash: previous,
                hash: "h",
                image_changed,
                env_changed,
            };
            assert_eq!(decide(facts), expected, "{facts:?}");
        }
    }
}
