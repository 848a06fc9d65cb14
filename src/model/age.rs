//! How long something lasted or is ago, for people.

use std::fmt;
use std::time::Duration;

/// Shown in the largest unit that fits: `40 s`, `5 min`, `3 h`, `12 d`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) struct Age(pub(crate) Duration);

impl fmt::Display for Age {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.as_secs();
        let (count, unit) = match seconds {
            0..120 => (seconds, "s"),
            120..7_200 => (seconds / 60, "min"),
            7_200..172_800 => (seconds / 3_600, "h"),
            _ => (seconds / 86_400, "d"),
        };
        f.pad(&format!("{count} {unit}"))
    }
}

/// The age of something whose time may not be known.
pub(crate) fn since(age: Option<Duration>) -> String {
    age.map_or_else(|| "an unknown time".to_owned(), |age| Age(age).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_unit_that_fits() {
        for (seconds, expected) in [
            (0, "0 s"),
            (119, "119 s"),
            (120, "2 min"),
            (7_199, "119 min"),
            (7_200, "2 h"),
            (172_800, "2 d"),
            (86_400_000, "1000 d"),
        ] {
            assert_eq!(Age(Duration::from_secs(seconds)).to_string(), expected);
        }
    }
}
