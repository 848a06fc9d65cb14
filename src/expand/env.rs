//! The pods' environment: ours, the pinned keys, and what the operator adds.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::model::bucket::keys;
use crate::model::cluster_id::ClusterId;
use crate::model::cluster_spec::ClusterSpec;
use crate::model::excerpt::key;
use crate::model::field;
use crate::model::ordinal::Ordinal;
use crate::model::refusal::{Refusal, Result};
use crate::model::resource_ref::ResourceRef;
use crate::model::secret::Secret;

/// Below the volume's mount point, so that the image finds an empty directory of its own.
pub(crate) const PGDATA: &str = "/var/lib/postgresql/data/pgdata";

/// The newest format of the topology record that the pods' script reads and writes. A container
/// without this value in its environment runs the script of an older release.
pub(crate) const RECORD_FORMAT: &str = "2";

/// The kernel's limit for `NAME=value` as one argument of `docker run` (`MAX_ARG_STRLEN`).
const LONGEST: usize = 131_071;

/// What the pods' environment tells them.
pub(super) struct Identity<'a> {
    pub(super) cluster: &'a ResourceRef,
    pub(super) spec: &'a ClusterSpec,
    pub(super) password: &'a Secret,
    pub(super) replication_password: &'a Secret,
    pub(super) cluster_id: &'a ClusterId,
    pub(super) initial_primary: Ordinal,
}

/// Our variables. The pinned ones shadow bucket keys that change in normal operation: the merged
/// environment stays the same, so such a change does not restart the pods.
pub(super) fn ours(identity: &Identity<'_>) -> BTreeMap<String, String> {
    let Identity { cluster, spec, .. } = identity;
    let variables = [
        ("PGDATA", PGDATA.to_owned()),
        ("PG_CLUSTER_ID", identity.cluster_id.to_string()),
        ("PG_NAME", cluster.name().to_owned()),
        ("PG_PORT", spec.port.to_string()),
        ("PG_PRIMARY_ORDINAL", identity.initial_primary.to_string()),
        ("PG_RECORD_FORMAT", RECORD_FORMAT.to_owned()),
        (
            "PG_REPLICATION_PASSWORD",
            identity.replication_password.expose().to_owned(),
        ),
        ("PG_REPLICATION_USER", spec.replication_user.to_string()),
        ("PG_SCOPE_SUFFIX", cluster.dns_suffix()),
        ("POSTGRES_DB", spec.database.to_string()),
        (
            "POSTGRES_INITDB_ARGS",
            format!(
                "--locale={} --encoding={}",
                spec.initdb_locale, spec.initdb_encoding
            ),
        ),
        ("POSTGRES_PASSWORD", identity.password.expose().to_owned()),
        ("POSTGRES_USER", spec.user.to_string()),
    ];
    let pinned = keys::PINNED.iter().map(|key| (*key, String::new()));
    let all = variables.into_iter().chain(pinned);
    all.map(|(name, value)| (name.to_owned(), value)).collect()
}

/// The operator's variables, checked.
pub(super) fn operators(
    block: &Map<String, Value>,
    cluster: &ResourceRef,
) -> Result<BTreeMap<String, String>> {
    let mut variables = BTreeMap::new();
    let Some(value) = field::present(block, "env") else {
        return Ok(variables);
    };
    for (name, value) in field::object("env", value)? {
        check_name(name)?;
        if let Some(instead) = owner(name) {
            return Err(Refusal::new(
                format!("env.{name}: the plugin sets this variable itself"),
                instead.replace("<ref>", &cluster.to_string()),
            ));
        }
        if !value.is_null() {
            variables.insert(name.clone(), text(name, value)?);
        }
    }
    Ok(variables)
}

fn check_name(name: &str) -> Result<()> {
    let inner = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let starts_well = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    if starts_well && name.chars().all(inner) && name.len() <= 255 {
        return Ok(());
    }
    Err(Refusal::new(
        format!("env.{}: not the name of an environment variable", key(name)),
        "use letters, digits and underscores, not a digit first",
    ))
}

/// A value as the platform will store it: trimmed, on one line. It may be a secret, so a refusal
/// does not repeat it.
fn text(name: &str, value: &Value) -> Result<String> {
    let text = match value {
        Value::String(text) => text.trim().to_owned(),
        Value::Number(number) => field::decimal(number),
        Value::Bool(switch) => switch.to_string(),
        other => return Err(field::wrong_type(&format!("env.{name}"), "a string", other)),
    };
    let problem = if text.contains(['\n', '\r']) {
        "has more than one line, which the platform's env file cannot hold"
    } else if text.contains('\0') {
        "contains a NUL"
    } else if name.len() + 1 + text.len() > LONGEST {
        "is longer than the 128 KiB that docker run can pass"
    } else {
        return Ok(text);
    };
    Err(Refusal::new(
        format!("env.{name}: the value {problem}"),
        "shorten it to one line, or mount a file with volumes",
    ))
}

/// For a variable that is ours: what an operator uses instead.
fn owner(name: &str) -> Option<&'static str> {
    Some(match name {
        "PGDATA" => "leave it out: the data's place is fixed",
        "POSTGRES_USER" => "use the block's user field",
        "POSTGRES_DB" => "use the block's database field",
        "POSTGRES_PASSWORD" => {
            "use the block's password field before the first apply, vd pg:new-password <ref> after it"
        }
        "PG_PORT" => "use the block's port field",
        "PG_REPLICATION_USER" => "use the block's replication_user field",
        "PG_REPLICATION_PASSWORD" | keys::REPLICATION_PASSWORD => {
            "use vd pg:new-password <ref> --replication"
        }
        "PG_PRIMARY_ORDINAL" => "use vd pg:promote <ref> --replica N",
        keys::EXPOSE_PUBLIC => "use vd pg:expose <ref>",
        keys::LINKED_CONSUMERS | keys::LINKED_READERS | keys::LINKED_BALANCED => {
            "use vd pg:link <ref> <consumer>"
        }
        keys::BACKUP_KEEP | keys::BACKUP_MAX_AGE | keys::BACKUP_COMPRESS => {
            "use vd config <ref> set, which restarts the pods once, whatever the key is"
        }
        "POSTGRES_USER_FILE"
        | "POSTGRES_DB_FILE"
        | "POSTGRES_PASSWORD_FILE"
        | "POSTGRES_INITDB_ARGS_FILE" => {
            "leave it out: the image refuses it beside the variable that the plugin sets"
        }
        "POSTGRES_INITDB_WALDIR" => {
            "leave it out: standbys would not follow it, and an interrupted first boot could not start over"
        }
        _ if name.starts_with("PG_") => "leave it out: names that start with PG_ are the plugin's",
        _ if name.starts_with("VOODU_") => "leave it out: names that start with VOODU_ are voodu's",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn read(env: &Value) -> Result<BTreeMap<String, String>> {
        let cluster = ResourceRef::new("clowk-lp", "db")?;
        let block = json!({"env": env});
        operators(block.as_object().unwrap(), &cluster)
    }

    #[test]
    fn values_become_trimmed_strings() {
        let env = read(&json!({"A": 1, "B": true, "C": " x\n", "D": null, "E": ""})).unwrap();
        let expected = [("A", "1"), ("B", "true"), ("C", "x"), ("E", "")];
        let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(env, BTreeMap::from(expected));
    }

    #[test]
    fn our_variables_are_refused_with_what_to_use() {
        for name in [
            "PGDATA",
            "PG_ANYTHING",
            "PG_RECORD_FORMAT",
            "POSTGRES_USER",
            "POSTGRES_INITDB_WALDIR",
            "POSTGRES_PASSWORD_FILE",
            "VOODU_SCOPE",
        ]
        .iter()
        .chain(keys::PINNED)
        {
            let refusal = read(&json!({*name: "x"})).unwrap_err();
            assert!(
                refusal.to_string().starts_with(&format!("env.{name}:")),
                "{refusal}"
            );
        }
        assert!(read(&json!({"PGAPPNAME": "x", "TZ": "UTC"})).is_ok());
    }

    #[test]
    fn a_refused_value_is_not_repeated() {
        for value in [json!("hunter2\nx"), json!("hunter2\0"), json!(["hunter2"])] {
            let refusal = read(&json!({"A": value})).unwrap_err();
            assert!(!format!("{refusal} {}", refusal.next()).contains("hunter2"));
        }
    }

    proptest! {
        #[test]
        fn an_accepted_pair_is_one_line_of_an_env_file(name in "\\PC{0,12}", value in "(\\PC|\n|\0){0,12}") {
            if let Ok(env) = read(&json!({name: value})) {
                for (name, value) in env {
                    prop_assert!(!name.is_empty() && !name.contains(|c: char| c == '=' || c.is_whitespace()));
                    prop_assert!(!value.contains(['\n', '\r', '\0']));
                    prop_assert_eq!(value.trim(), &value);
                }
            }
        }
    }
}
