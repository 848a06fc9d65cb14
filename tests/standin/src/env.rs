//! Environment: the merged bucket and spec, the env file, and `env_from`.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use serde_json::Value;

use crate::files;
use crate::manifest::ResourceId;
use crate::store::Vars;

/// Another resource's name in `env_from`: `scope/name`, or `name` in the own scope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct EnvFrom(String);

impl EnvFrom {
    /// The resource meant by a reference in that scope.
    pub(crate) fn within(&self, scope: &str) -> ResourceId {
        match self.0.split_once('/') {
            Some((scope, name)) => ResourceId::new(scope, name),
            None => ResourceId::new(scope, self.0.as_str()),
        }
    }
}

/// The `env_from` of any spec.
pub(crate) fn references(spec: &Value) -> Vec<EnvFrom> {
    let entries = spec["env_from"]
        .as_array()
        .or(spec["job"]["env_from"].as_array());
    let texts = entries.into_iter().flatten().filter_map(Value::as_str);
    texts.map(|text| EnvFrom(text.trim().to_owned())).collect()
}

/// The env file of a resource; shared by every kind with the same scope and name.
pub(crate) fn path(root: &Path, id: &ResourceId) -> PathBuf {
    root.join("apps").join(id.app_id()).join("shared/.env")
}

/// Spec over bucket.
pub(crate) fn merge(bucket: Vars, spec: &Vars) -> Vars {
    let mut merged = bucket;
    merged.extend(spec.clone());
    merged
}

/// Writes an env file; says whether what a reader sees is different from before.
pub(crate) fn write(path: &Path, vars: &Vars) -> Result<bool> {
    let trimmed =
        |(key, value): (&String, &String)| (key.trim().to_owned(), value.trim().to_owned());
    let wanted: Vars = vars.iter().map(trimmed).collect();
    let lines: Vec<String> = wanted
        .iter()
        .map(|(key, value)| format!("{key}={value}\n"))
        .collect();
    let before = read(path);
    files::write(path, lines.concat().as_bytes(), 0o600)?;
    Ok(before != wanted)
}

/// Reads an env file line by line; a missing one is empty.
pub(crate) fn read(path: &Path) -> Vars {
    let text = fs::read_to_string(path).unwrap_or_default();
    text.lines()
        .map(str::trim)
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split_once('='))
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect()
}

/// The existing env files of the named resources; none at all is an error.
pub(crate) fn files_from(root: &Path, scope: &str, names: &[String]) -> Result<Vec<String>> {
    if names.is_empty() {
        return Ok(Vec::new());
    }
    let found: Vec<String> = names
        .iter()
        .map(|name| path(root, &EnvFrom(name.trim().to_owned()).within(scope)))
        .filter(|path| path.exists())
        .map(|path| path.to_string_lossy().into_owned())
        .collect();
    if found.is_empty() {
        bail!("resolve env_from: env_from {names:?}: no env files resolved");
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vars(pairs: &[(&str, &str)]) -> Vars {
        pairs
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect()
    }

    #[test]
    fn the_spec_wins_over_the_bucket() {
        assert_eq!(
            merge(
                vars(&[("A", "bucket"), ("B", "bucket")]),
                &vars(&[("A", "spec")])
            ),
            vars(&[("A", "spec"), ("B", "bucket")])
        );
    }

    #[test]
    fn a_change_is_what_a_reader_would_see() {
        let root = tempfile::tempdir().unwrap();
        let path = path(root.path(), &ResourceId::new("s", "db"));
        assert!(path.ends_with("apps/s-db/shared/.env"));
        assert!(write(&path, &vars(&[("B", " 2 "), ("A", "1")])).unwrap());
        assert_eq!(fs::read_to_string(&path).unwrap(), "A=1\nB=2\n");
        assert!(!write(&path, &vars(&[("A", "1"), ("B", "2")])).unwrap());
        assert!(write(&path, &vars(&[("A", "1")])).unwrap());
    }

    #[test]
    fn a_value_with_a_newline_never_compares_equal() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join(".env");
        let broken = vars(&[("A", "1\n2")]);
        assert!(write(&path, &broken).unwrap());
        assert!(write(&path, &broken).unwrap());
    }

    #[test]
    fn env_from_skips_missing_files_but_not_all_of_them() {
        let root = tempfile::tempdir().unwrap();
        let names = ["db".to_owned(), "other/db".to_owned()];
        assert!(files_from(root.path(), "s", &names).is_err());
        let path = path(root.path(), &ResourceId::new("other", "db"));
        write(&path, &vars(&[("A", "1")])).unwrap();
        assert_eq!(
            files_from(root.path(), "s", &names).unwrap(),
            [path.to_string_lossy()]
        );
    }
}
