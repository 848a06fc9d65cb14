//! The `scope/name` of a cluster, and every name that derives from it.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use crate::model::excerpt::excerpt;
use crate::model::ordinal::Ordinal;
use crate::model::refusal::{Refusal, Result};

/// A checked scope and name. Both match `[A-Za-z0-9][A-Za-z0-9_-]*`: they become container and
/// DNS names, asset references and host paths, and the platform checks neither.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ResourceRef {
    scope: String,
    name: String,
}

/// A name longer than this cannot become a DNS label with an ordinal behind it.
const LONGEST: usize = 58;

impl ResourceRef {
    /// Checks both labels of a block.
    pub(crate) fn new(scope: &str, name: &str) -> Result<Self> {
        if scope.is_empty() {
            return Err(Refusal::new(
                "scope: missing, and voodu stores no statefulset without one",
                "write two labels: postgres \"scope\" \"name\" { … }",
            ));
        }
        check("scope", scope)?;
        check("name", name)?;
        Ok(Self {
            scope: scope.to_owned(),
            name: name.to_owned(),
        })
    }

    /// The block's first label.
    pub(crate) fn scope(&self) -> &str {
        &self.scope
    }

    /// The block's second label.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The tag that voodu gives an image it builds for this resource.
    pub(crate) fn built_image(&self) -> String {
        format!("{}-{}:latest", self.scope, self.name)
    }

    /// The container of a pod.
    pub(crate) fn container(&self, pod: Ordinal) -> String {
        format!("{}-{}.{pod}", self.scope, self.name)
    }

    /// The volume that the platform keeps a pod's data in.
    pub(crate) fn data_volume(&self, pod: Ordinal) -> String {
        format!("voodu-{}-{}-data-{pod}", self.scope, self.name)
    }

    /// A pod's DNS name, which voodu lower-cases.
    pub(crate) fn host(&self, pod: Ordinal) -> String {
        format!("{}-{pod}{}", self.name, self.dns_suffix()).to_lowercase()
    }

    /// What follows a pod's name in its DNS name: `db-0` + `.clowk-lp.voodu`.
    pub(crate) fn dns_suffix(&self) -> String {
        format!(".{}.voodu", self.scope)
    }

    /// The reference to one file of this resource's asset, resolved by voodu at apply.
    pub(crate) fn asset(&self, key: &str) -> String {
        format!("${{asset.{}.{}.{key}}}", self.scope, self.name)
    }

    /// The host directory that all pods mount at `/backups`.
    pub(crate) fn backups_dir(&self, root: &Path) -> PathBuf {
        root.join(&self.scope).join(&self.name)
    }
}

impl fmt::Display for ResourceRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.scope, self.name)
    }
}

impl FromStr for ResourceRef {
    type Err = Refusal;

    fn from_str(text: &str) -> Result<Self> {
        let next = "write both, as in clowk-lp/db";
        match text.split_once('/') {
            Some((scope, name)) if !scope.is_empty() => Self::new(scope, name),
            _ => Err(Refusal::new(
                format!("expected <scope>/<name>, got {}", excerpt(text)),
                next,
            )),
        }
    }
}

fn check(field: &str, label: &str) -> Result<()> {
    let inner = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    let starts_well = label.starts_with(|c: char| c.is_ascii_alphanumeric());
    if starts_well && label.chars().all(inner) && label.len() <= LONGEST {
        return Ok(());
    }
    Err(Refusal::new(
        format!(
            "{field}: {} cannot become a path, a container name and a DNS name",
            excerpt(label)
        ),
        format!(
            "use 1 to {LONGEST} letters, digits, dashes and underscores, a letter or digit first"
        ),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn derived_names() {
        let cluster = ResourceRef::new("clowk-lp", "db").unwrap();
        assert_eq!(cluster.to_string(), "clowk-lp/db");
        assert_eq!(cluster.dns_suffix(), ".clowk-lp.voodu");
        assert_eq!(cluster.built_image(), "clowk-lp-db:latest");
        assert_eq!(
            cluster.asset("entrypoint"),
            "${asset.clowk-lp.db.entrypoint}"
        );
        assert_eq!(
            cluster.backups_dir(Path::new("/opt/voodu/backups")),
            Path::new("/opt/voodu/backups/clowk-lp/db")
        );
    }

    #[test]
    fn labels_that_the_platform_would_turn_into_a_path_are_refused() {
        for label in [
            "../evil", "..", "a/b", "", "_x", "-x", "a.b", "a b", "a\n", "a\0", "é", "$(x)",
        ] {
            assert!(ResourceRef::new(label, "db").is_err(), "{label:?} as scope");
            assert!(ResourceRef::new("app", label).is_err(), "{label:?} as name");
        }
        assert!(ResourceRef::new(&"a".repeat(LONGEST + 1), "db").is_err());
    }

    proptest! {
        #[test]
        fn what_is_accepted_stays_inside_the_backups_root(scope in "\\PC{0,20}", name in "\\PC{0,20}") {
            if let Ok(cluster) = ResourceRef::new(&scope, &name) {
                let root = Path::new("/opt/voodu/backups");
                let directory = cluster.backups_dir(root);
                let below: Vec<_> = directory.strip_prefix(root).unwrap().components().collect();
                prop_assert_eq!(below.len(), 2);
                prop_assert!(below.iter().all(|part| matches!(part, std::path::Component::Normal(_))));
            }
        }
    }
}
