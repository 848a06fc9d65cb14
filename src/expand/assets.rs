//! The four files that the pods mount.

use serde_json::{Value, json};

use crate::expand::templates;
use crate::model::cluster_spec::ClusterSpec;

/// Where the pods find the script that they run.
pub(crate) const ENTRYPOINT: &str = "/usr/local/bin/voodu-postgres-entrypoint";

/// Key and mount path of each file, in the order of the statefulset's volumes.
pub(super) const FILES: [(&str, &str); 4] = [
    ("entrypoint", ENTRYPOINT),
    (
        "pg_overrides_conf",
        "/etc/postgresql/voodu-99-overrides.conf",
    ),
    ("streaming_conf", "/etc/postgresql/voodu-50-streaming.conf"),
    (
        "init_replication_sh",
        "/docker-entrypoint-initdb.d/00_create_replication.sh",
    ),
];

/// What the pods run. The file has no execute bit.
pub(super) fn command() -> Value {
    json!(["bash", ENTRYPOINT])
}

/// The asset's spec. Only the overrides depend on the block: an upgrade of the plugin or a new
/// password restarts no pod unless a file really changed.
pub(super) fn spec(spec: &ClusterSpec) -> tera::Result<Value> {
    Ok(json!({"files": {
        "entrypoint": templates::entrypoint()?,
        "pg_overrides_conf": templates::overrides(&spec.settings)?,
        "streaming_conf": templates::streaming()?,
        "init_replication_sh": templates::CREATE_REPLICATION,
    }}))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    fn files(block: &Value) -> Value {
        let spec = ClusterSpec::parse(block.as_object().unwrap()).unwrap();
        super::spec(&spec).unwrap()["files"].clone()
    }

    #[test]
    fn the_keys_are_the_mounted_ones() {
        let files = files(&json!({}));
        let mut keys: Vec<_> = FILES.iter().map(|(key, _)| *key).collect();
        keys.sort_unstable();
        assert_eq!(files.as_object().unwrap().keys().collect::<Vec<_>>(), keys);
    }

    #[test]
    fn only_the_overrides_depend_on_the_block() {
        let mut plain = files(&json!({}));
        let mut tuned = files(&json!({
            "port": 6000, "user": "appuser", "password": "s3cret", "replicas": 3,
            "pg_config": {"work_mem": "16MB"},
        }));
        let (before, after) = (
            plain["pg_overrides_conf"].take(),
            tuned["pg_overrides_conf"].take(),
        );
        assert_ne!(before, after);
        assert_eq!(plain, tuned);
    }

    #[test]
    fn the_scripts_are_bash() {
        let files = files(&json!({}));
        for key in ["entrypoint", "init_replication_sh"] {
            let script = files[key].as_str().unwrap();
            let checked = Command::new("bash")
                .args(["-n", "-c", script])
                .output()
                .unwrap();
            assert!(checked.status.success(), "{key}: {checked:?}");
        }
    }
}
