//! Which settings of postgresql.conf are not the operator's to set, and why. They are compared by
//! what postgres understands: `"2"` is 2 and `MINIMAL` is minimal.

use std::collections::BTreeMap;

use crate::model::conf_number;
use crate::model::conf_setting::{ConfKey, ConfValue};
use crate::model::defaults;
use crate::model::refusal::{Refusal, Result};

/// A setting that the plugin owns: why, and what to use instead.
const OWNED: &[(&str, &str, &str)] = &[
    (
        "cluster_name",
        "it would name every pod alike",
        "leave it out",
    ),
    (
        "config_file",
        "the pods start with their own file",
        "write the settings into pg_config",
    ),
    (
        "data_directory",
        "the data lies in each pod's volume",
        "leave it out",
    ),
    (
        "external_pid_file",
        "the pods' supervisor watches postgres itself",
        "leave it out",
    ),
    (
        "hba_file",
        "the pods keep pg_hba.conf with the data",
        "leave it out",
    ),
    (
        "hot_standby",
        "replicas answer reads and take part in a promotion only with it on",
        "leave it out",
    ),
    (
        "ident_file",
        "the pods keep pg_ident.conf with the data",
        "leave it out",
    ),
    (
        "include",
        "it would read settings that are not checked here",
        "write the settings into pg_config",
    ),
    (
        "include_dir",
        "it would read settings that are not checked here",
        "write the settings into pg_config",
    ),
    (
        "include_if_exists",
        "it would read settings that are not checked here",
        "write the settings into pg_config",
    ),
    (
        "listen_addresses",
        "the pods must reach each other",
        "leave it out",
    ),
    (
        "password_encryption",
        "replication logs in with scram-sha-256",
        "leave it out",
    ),
    (
        "port",
        "the probes, the replicas and the links must know it",
        "use the block's own port field",
    ),
    (
        "primary_conninfo",
        "each pod writes it when the primary changes",
        "leave it out",
    ),
    (
        "primary_slot_name",
        "the replicas use no slots",
        "leave it out",
    ),
    (
        "promote_trigger_file",
        "only the topology record makes a pod the primary",
        "leave it out",
    ),
    (
        "restore_command",
        "the replicas stream from the primary",
        "leave it out",
    ),
    (
        "unix_socket_directories",
        "the pods' supervisor connects there",
        "leave it out",
    ),
];

/// Checks the settings of a cluster of that many replicas.
pub(crate) fn check(settings: &BTreeMap<ConfKey, ConfValue>, replicas: u16) -> Result<()> {
    for (key, value) in settings {
        check_owned(key)?;
        check_value(key, value, replicas)?;
    }
    check_walsenders(settings, replicas)
}

fn check_owned(key: &ConfKey) -> Result<()> {
    let name = key.as_str();
    let owned = OWNED.iter().find(|(owned, ..)| *owned == name);
    let (why, instead) = match owned {
        Some((_, why, instead)) => (*why, *instead),
        None if name.starts_with("recovery_target") => (
            "a replica that stops at a target never follows the primary again",
            "leave it out",
        ),
        None => return Ok(()),
    };
    Err(Refusal::new(
        format!("pg_config.{name}: set by the plugin, because {why}"),
        instead,
    ))
}

fn check_value(key: &ConfKey, value: &ConfValue, replicas: u16) -> Result<()> {
    let meaning = value.meaning();
    match key.as_str() {
        "wal_level" if meaning.eq_ignore_ascii_case("minimal") => Err(Refusal::new(
            "pg_config.wal_level: minimal writes too little for a replica",
            "use replica or logical, or leave it out",
        )),
        "wal_sender_timeout" if conf_number::milliseconds(meaning) == Some(0.0) => {
            Err(Refusal::new(
                "pg_config.wal_sender_timeout: 0 keeps a dead replica's connection for ever, and the primary cannot stop then",
                "use some seconds, or leave it out",
            ))
        }
        "max_wal_senders" => {
            let needed = f64::from(replicas) + 2.0;
            match conf_number::whole(meaning) {
                Some(number) if number >= needed => Ok(()),
                _ => Err(Refusal::new(
                    format!(
                        "pg_config.max_wal_senders: {replicas} replicas need at least {needed} (replicas + 2)"
                    ),
                    format!("set it to {needed} or more, or leave it out"),
                )),
            }
        }
        _ => Ok(()),
    }
}

/// The default cannot grow with the replicas: changing it would restart every pod.
fn check_walsenders(settings: &BTreeMap<ConfKey, ConfValue>, replicas: u16) -> Result<()> {
    let set = settings.keys().any(|key| key.as_str() == "max_wal_senders");
    if set || replicas.saturating_add(2) <= defaults::MAX_WAL_SENDERS {
        return Ok(());
    }
    Err(Refusal::new(
        format!(
            "pg_config.max_wal_senders: the default of {} is too low for {replicas} replicas",
            defaults::MAX_WAL_SENDERS
        ),
        format!("set it to at least {}", u32::from(replicas) + 2),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn checked(key: &str, value: &Value, replicas: u16) -> Result<()> {
        let key = ConfKey::new(key)?;
        let value = ConfValue::new(&key, value)?;
        check(&BTreeMap::from([(key, value)]), replicas)
    }

    #[test]
    fn owned_settings_are_refused_by_name() {
        let others = [
            "recovery_target_time",
            "recovery_target",
            "recovery_target_timeline",
        ];
        for key in OWNED.iter().map(|(key, ..)| *key).chain(others) {
            let refusal = checked(key, &json!("x"), 1).unwrap_err();
            assert!(
                refusal
                    .to_string()
                    .starts_with(&format!("pg_config.{key}:"))
            );
        }
    }

    #[test]
    fn values_are_compared_by_their_meaning() {
        for (key, value) in [
            ("wal_level", json!("minimal")),
            ("wal_level", json!("MINIMAL")),
            ("wal_sender_timeout", json!(0)),
            ("wal_sender_timeout", json!("0s")),
            ("max_wal_senders", json!(4)),
            ("max_wal_senders", json!("4")),
            ("max_wal_senders", json!("0x4")),
            ("max_wal_senders", json!("04")),
            ("max_wal_senders", json!("many")),
            ("max_wal_senders", json!(false)),
        ] {
            assert!(checked(key, &value, 3).is_err(), "{key} = {value}");
        }
        for (key, value) in [
            ("wal_level", json!("logical")),
            ("wal_sender_timeout", json!("5s")),
            ("max_wal_senders", json!(5)),
            ("max_wal_senders", json!("0x20")),
            ("wal_log_hints", json!(false)),
            ("wal_keep_size", json!("2GB")),
            ("synchronous_standby_names", json!("*")),
            ("pg_stat_statements.track", json!("all")),
        ] {
            assert_eq!(checked(key, &value, 3), Ok(()), "{key} = {value}");
        }
    }

    #[test]
    fn many_replicas_need_their_walsenders_named() {
        let none = BTreeMap::new();
        assert_eq!(check(&none, 8), Ok(()));
        assert!(check(&none, 9).is_err());
        assert_eq!(checked("max_wal_senders", &json!(11), 9), Ok(()));
    }
}
