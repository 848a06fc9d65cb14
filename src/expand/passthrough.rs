//! The statefulset's own fields that an operator may write into the block (platform contract,
//! statefulset), and the type that the platform decodes each into.

use serde_json::{Map, Value};

use crate::expand::checks;
use crate::expand::shape::{ANYTHING, Field, Shape, convert, refuse_near_miss};
use crate::model::cluster_spec::OWN_FIELDS;
use crate::model::excerpt::key;
use crate::model::refusal::{Refusal, Result};

/// Fields that have a file of their own, because they are merged with ours or translated.
const MERGED: &[&str] = &[
    "docker_options",
    "env",
    "image",
    "init",
    "inits",
    "on_probe",
    "plugin",
    "ports",
    "probes",
    "replicas",
    "volume_claim",
    "volume_claims",
    "volumes",
];

const fn field(name: &'static str, shape: Shape) -> Field {
    Field { name, shape }
}

static FIELDS: &[Field] = &[
    field("build", Shape::Any),
    field("build_args", Shape::TextMap(ANYTHING)),
    field("cap_add", Shape::Texts(checks::capability)),
    field("command", Shape::Texts(ANYTHING)),
    field("depends_on", Shape::Block(DEPENDS_ON)),
    field("dockerfile", Shape::Text(ANYTHING)),
    field("env_file", Shape::Any),
    field("env_from", Shape::Texts(checks::env_source)),
    field("extra_hosts", Shape::Texts(checks::extra_host)),
    field("health_check", Shape::Text(ANYTHING)),
    field("labels", Shape::TextMap(ANYTHING)),
    field("lang", Shape::Block(LANG)),
    field("logs", Shape::Block(LOGS)),
    field("network", Shape::Text(checks::docker_name)),
    field("network_mode", Shape::Text(checks::network_mode)),
    field("networks", Shape::Texts(checks::docker_name)),
    field("path", Shape::Text(ANYTHING)),
    field("resources", Shape::Block(RESOURCES)),
    field("restart", Shape::Text(checks::restart)),
    field("ulimits", Shape::TextMap(checks::ulimit)),
    field("workdir", Shape::Text(ANYTHING)),
];

static DEPENDS_ON: &[Field] = &[field("assets", Shape::Texts(ANYTHING))];

static LANG: &[Field] = &[
    field("build_args", Shape::TextMap(ANYTHING)),
    field("entrypoint", Shape::Text(ANYTHING)),
    field("name", Shape::Text(ANYTHING)),
    field("version", Shape::Text(ANYTHING)),
];

static LOGS: &[Field] = &[
    field("max_files", Shape::Whole(1, i64::MAX)),
    field("max_size", Shape::Text(checks::log_size)),
];

/// Also part of an init.
pub(super) static RESOURCES: &[Field] = &[field("limits", Shape::Block(LIMITS))];

static LIMITS: &[Field] = &[
    field("cpu", Shape::Text(checks::cpu)),
    field("memory", Shape::Text(checks::memory)),
];

/// Refuses a field that is nearly a known one, and those that voodu itself writes.
pub(super) fn refuse_unknown(block: &Map<String, Value>) -> Result<()> {
    for name in block.keys() {
        if name.starts_with('_') {
            return Err(Refusal::new(
                format!("{}: such fields are voodu's own", key(name)),
                "leave it out",
            ));
        }
        if !known().any(|known| known == name) {
            refuse_near_miss(&key(name), name, known())?;
        }
    }
    if block
        .get("plugin")
        .is_some_and(|plugin| !plugin.is_object())
    {
        return Err(Refusal::new(
            "plugin: voodu reads one such block and no other form",
            "write one plugin { version = \"…\" } block",
        ));
    }
    Ok(())
}

/// The operator's fields for the statefulset, converted; without those that are merged elsewhere.
pub(super) fn convert_all(block: &Map<String, Value>, replicas: u16) -> Result<Map<String, Value>> {
    let mut spec = Map::new();
    for (name, value) in block {
        let elsewhere = OWN_FIELDS.iter().chain(MERGED).any(|other| other == name);
        let known = FIELDS.iter().find(|field| field.name == name);
        let shape = known.map_or(&Shape::Any, |field| &field.shape);
        if elsewhere {
            continue;
        }
        if let Some(value) = convert(&key(name), value, shape)? {
            spec.insert(name.clone(), value);
        }
    }
    check_networks(&spec, replicas)?;
    Ok(spec)
}

fn known() -> impl Iterator<Item = &'static str> {
    let fields = FIELDS.iter().map(|field| field.name);
    fields
        .chain(OWN_FIELDS.iter().copied())
        .chain(MERGED.iter().copied())
}

/// The platform joins either the host's network or bridges, and replicas reach each other by their
/// names on its own bridge.
fn check_networks(spec: &Map<String, Value>, replicas: u16) -> Result<()> {
    let mode = spec.get("network_mode").is_some_and(|mode| *mode != "");
    if mode && replicas > 1 {
        return Err(Refusal::new(
            format!(
                "network_mode: {replicas} pods could not reach each other without voodu's own network"
            ),
            "leave it out, or use replicas = 1",
        ));
    }
    for other in ["network", "networks"] {
        if mode && spec.contains_key(other) {
            return Err(Refusal::new(
                format!("network_mode: voodu does not combine it with {other}"),
                format!("keep either network_mode or {other}"),
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn spec(block: &Value) -> Result<Value> {
        let block = block.as_object().unwrap();
        refuse_unknown(block)?;
        convert_all(block, 1).map(Value::Object)
    }

    #[test]
    fn values_get_the_type_that_the_platform_decodes() {
        let given = json!({
            "resources": {"limits": {"cpu": 2, "memory": "4Gi"}},
            "logs": {"max_files": "3"},
            "ulimits": {"nproc": 8192, "nofile": null},
            "lang": {"name": "generic", "build_args": {"PG_MAJOR": 16}},
            "database": "mine", "restart": null,
        });
        let expected = json!({
            "resources": {"limits": {"cpu": "2", "memory": "4Gi"}},
            "logs": {"max_files": 3},
            "ulimits": {"nproc": "8192"},
            "lang": {"name": "generic", "build_args": {"PG_MAJOR": "16"}},
        });
        assert_eq!(spec(&given).unwrap(), expected);
    }

    #[test]
    fn an_unknown_field_passes_unless_it_is_a_near_miss() {
        let given = json!({"shiny_new_field": {"a": [1, null]}});
        assert_eq!(spec(&given).unwrap(), given);
        for (name, meant) in [
            ("replcs", "replicas"),
            ("replica", "replicas"),
            ("Image", "image"),
            ("comand", "command"),
        ] {
            let refusal = spec(&json!({name: 1})).unwrap_err().to_string();
            assert!(
                refusal.contains(&format!("did you mean {meant}?")),
                "{refusal}"
            );
        }
        assert!(spec(&json!({"_asset_digests": {}})).is_err());
    }

    #[test]
    fn networks_exclude_the_host_mode() {
        assert!(spec(&json!({"network_mode": "host", "networks": ["a"]})).is_err());
        assert!(spec(&json!({"network_mode": "container:x"})).is_err());
        assert!(spec(&json!({"networks": ["a"], "network": "b"})).is_ok());
        let host = json!({"network_mode": "host"});
        assert!(convert_all(host.as_object().unwrap(), 1).is_ok());
        assert!(convert_all(host.as_object().unwrap(), 2).is_err());
    }

    #[test]
    fn the_tables_are_sorted_and_name_each_field_once() {
        assert!(FIELDS.windows(2).all(|pair| pair[0].name < pair[1].name));
        let mut names: Vec<_> = known().collect();
        let all = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), all);
    }
}
