//! The fields of a `postgres` block that are the plugin's own, checked. Later code never checks
//! them again.

use std::collections::BTreeMap;
use std::num::NonZeroU16;

use serde_json::{Map, Value};

use crate::model::conf_rules;
use crate::model::conf_setting::{ConfKey, ConfValue};
use crate::model::defaults;
use crate::model::field;
use crate::model::identifier::{InitdbWord, PgIdentifier};
use crate::model::refusal::{Refusal, Result};
use crate::model::secret::Secret;

/// The fields that `ClusterSpec` reads and the statefulset does not have.
pub(crate) const OWN_FIELDS: &[&str] = &[
    "database",
    "extensions",
    "initdb_encoding",
    "initdb_locale",
    "password",
    "pg_config",
    "port",
    "replication_user",
    "user",
];

/// What the operator asked for, defaults filled in.
#[derive(Debug)]
pub(crate) struct ClusterSpec {
    pub(crate) replicas: u16,
    pub(crate) database: PgIdentifier,
    pub(crate) user: PgIdentifier,
    pub(crate) replication_user: PgIdentifier,
    pub(crate) port: NonZeroU16,
    pub(crate) password: Option<Secret>,
    pub(crate) initdb_locale: InitdbWord,
    pub(crate) initdb_encoding: InitdbWord,
    /// `pg_config`, sorted by key.
    pub(crate) settings: BTreeMap<ConfKey, ConfValue>,
}

impl ClusterSpec {
    /// Checks the block's fields in a fixed order, so that the first refusal is always the same.
    pub(crate) fn parse(block: &Map<String, Value>) -> Result<Self> {
        let spec = Self {
            replicas: replicas(block)?,
            database: named(
                block,
                "database",
                defaults::DATABASE,
                PgIdentifier::database,
            )?,
            user: named(block, "user", defaults::USER, PgIdentifier::role)?,
            replication_user: named(
                block,
                "replication_user",
                defaults::REPLICATION_USER,
                PgIdentifier::role,
            )?,
            port: port(block)?,
            password: password(block)?,
            initdb_locale: named(
                block,
                "initdb_locale",
                defaults::INITDB_LOCALE,
                InitdbWord::new,
            )?,
            initdb_encoding: named(
                block,
                "initdb_encoding",
                defaults::INITDB_ENCODING,
                InitdbWord::new,
            )?,
            settings: settings(block)?,
        };
        if spec.user == spec.replication_user {
            return Err(Refusal::new(
                "replication_user: the same role as user, which would give every replica the superuser's password",
                "choose two different roles",
            ));
        }
        extensions(block)?;
        conf_rules::check(&spec.settings, spec.replicas)?;
        Ok(spec)
    }
}

/// A string field; the empty string counts as absent.
pub(crate) fn non_empty<'a>(block: &'a Map<String, Value>, name: &str) -> Result<Option<&'a str>> {
    let text = field::present(block, name)
        .map(|value| field::text(name, value))
        .transpose()?;
    Ok(text.filter(|text| !text.is_empty()))
}

fn named<T>(
    block: &Map<String, Value>,
    name: &str,
    default: &str,
    check: fn(&str, &str) -> Result<T>,
) -> Result<T> {
    check(name, non_empty(block, name)?.unwrap_or(default))
}

fn replicas(block: &Map<String, Value>) -> Result<u16> {
    let Some(value) = field::present(block, "replicas") else {
        return Ok(defaults::REPLICAS);
    };
    let count = field::whole("replicas", value)?;
    match u16::try_from(count) {
        Ok(count) if count >= 1 => Ok(count),
        _ => Err(Refusal::new(
            format!("replicas: {count} pods are not a cluster"),
            "use 1 for a single primary, 2 or more for a primary with standbys",
        )),
    }
}

fn port(block: &Map<String, Value>) -> Result<NonZeroU16> {
    let number = match field::present(block, "port") {
        Some(value) => field::whole("port", value)?,
        None => defaults::PORT.into(),
    };
    u16::try_from(number)
        .ok()
        .and_then(NonZeroU16::new)
        .ok_or_else(|| {
            Refusal::new(
                format!("port: {number} is not a port"),
                "use a number from 1 to 65535",
            )
        })
}

fn password(block: &Map<String, Value>) -> Result<Option<Secret>> {
    non_empty(block, "password")?
        .map(|text| Secret::chosen("password", text))
        .transpose()
}

fn extensions(block: &Map<String, Value>) -> Result<()> {
    let Some(value) = field::present(block, "extensions") else {
        return Ok(());
    };
    for (index, item) in field::list("extensions", value)?.iter().enumerate() {
        let name = format!("extensions[{index}]");
        PgIdentifier::extension(&name, field::text(&name, item)?)?;
    }
    Ok(())
}

fn settings(block: &Map<String, Value>) -> Result<BTreeMap<ConfKey, ConfValue>> {
    let mut settings = BTreeMap::new();
    let Some(value) = field::present(block, "pg_config") else {
        return Ok(settings);
    };
    for (key, value) in field::object("pg_config", value)? {
        let key = ConfKey::new(key)?;
        if !value.is_null() {
            let value = ConfValue::new(&key, value)?;
            settings.insert(key, value);
        }
    }
    Ok(settings)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn parse(block: &Value) -> Result<ClusterSpec> {
        ClusterSpec::parse(block.as_object().unwrap())
    }

    #[test]
    fn an_empty_block_is_a_single_primary() {
        let spec = parse(&json!({})).unwrap();
        assert_eq!(spec.replicas, 1);
        assert_eq!(spec.port.get(), 5432);
        assert_eq!(spec.user.as_str(), "postgres");
        assert_eq!(spec.replication_user.as_str(), "replicator");
        assert!(spec.password.is_none());
    }

    #[test]
    fn null_and_the_empty_string_count_as_absent() {
        let spec = parse(&json!({
            "database": "", "user": null, "password": "", "port": null, "replicas": null,
            "initdb_locale": "", "pg_config": {"work_mem": null},
        }))
        .unwrap();
        assert_eq!(spec.database.as_str(), "postgres");
        assert!(spec.password.is_none());
        assert!(spec.settings.is_empty());
    }

    #[test]
    fn a_refusal_names_the_field() {
        for (block, field) in [
            (json!({"replicas": 0}), "replicas"),
            (json!({"replicas": 70_000}), "replicas"),
            (json!({"port": 0}), "port"),
            (json!({"port": "5432"}), "port"),
            (json!({"password": 1}), "password"),
            (json!({"extensions": "postgis"}), "extensions"),
            (json!({"extensions": ["a", 1]}), "extensions[1]"),
            (json!({"pg_config": [{}, {}]}), "pg_config"),
            (
                json!({"user": "a", "replication_user": "a"}),
                "replication_user",
            ),
        ] {
            let refusal = parse(&block).unwrap_err().to_string();
            assert!(refusal.starts_with(&format!("{field}:")), "{refusal}");
        }
    }
}
