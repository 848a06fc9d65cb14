//! The same block gives the same bytes, whatever happens to the bookkeeping.

use serde_json::{Value, json};

use crate::support::{config, config_with, expand, expand_bytes, request};

fn full_block() -> Value {
    json!({
        "image": "postgres:17", "replicas": 3, "user": "appuser", "database": "appdata",
        "pg_config": {"work_mem": "16MB", "max_connections": 60, "jit": false},
        "env": {"TZ": "UTC", "A": "1"}, "volumes": ["extra:/extra"], "env_from": ["aws/cli"],
        "ulimits": {"nproc": "8192"}, "resources": {"limits": {"cpu": "2"}},
    })
}

#[test]
fn again_means_the_same_bytes_and_no_action() {
    let request = request(&full_block(), &config());
    let first = expand(&request);
    assert!(first.actions().is_empty());
    for _ in 0..5 {
        assert_eq!(expand(&request), first);
    }
}

#[test]
fn the_order_of_keys_and_the_alias_do_not_matter() {
    let spec = full_block().to_string();
    let one = format!(
        r#"{{"kind":"postgres","scope":"a","name":"b","spec":{spec},"config":{}}}"#,
        config()
    );
    let mut pairs: Vec<_> = full_block()
        .as_object()
        .unwrap()
        .clone()
        .into_iter()
        .collect();
    pairs.reverse();
    let pairs: Vec<_> = pairs
        .iter()
        .map(|(key, value)| format!("{key:?}:{value}"))
        .collect();
    let config = config();
    let other = format!(
        r#"{{"config":{config},"spec":{{{}}},"name":"b","scope":"a","kind":"pg"}}"#,
        pairs.join(",")
    );
    assert_eq!(expand_bytes(one), expand_bytes(other));
}

#[test]
fn no_bookkeeping_key_changes_a_byte() {
    let calm = expand(&request(&full_block(), &config()));
    for changes in [
        json!({"PG_PRIMARY_ORDINAL": "1"}),
        json!({"POSTGRES_LINKED_CONSUMERS": "clowk-lp/web,clowk-lp/api"}),
        json!({"POSTGRES_LINKED_READERS": "clowk-lp/web"}),
        json!({"PG_EXPOSE_PUBLIC": "false"}),
        json!({"BACKUP_KEEP": "7"}),
        json!({"BACKUP_KEEP": "garbage is its reader's business"}),
        json!({"BACKUP_KEEP": null}),
        json!({"BACKUP_MAX_AGE": "14d"}),
        json!({"BACKUP_COMPRESS": "zstd:3"}),
        json!({"SOMETHING_ELSE": "x"}),
    ] {
        let later = expand(&request(&full_block(), &config_with(&changes)));
        assert_eq!(later, calm, "{changes}");
    }
}

#[test]
fn every_bookkeeping_key_is_pinned_in_the_environment() {
    let env = expand(&request(&json!({}), &config())).statefulset()["env"].clone();
    for key in [
        "POSTGRES_LINKED_CONSUMERS",
        "POSTGRES_LINKED_READERS",
        "PG_EXPOSE_PUBLIC",
        "BACKUP_KEEP",
        "BACKUP_MAX_AGE",
        "BACKUP_COMPRESS",
        "POSTGRES_REPLICATION_PASSWORD",
    ] {
        assert_eq!(env[key], "", "{key}");
    }
}

#[test]
fn an_exposed_cluster_changes_its_ports_only() {
    let spec = json!({"port": 5433});
    let mut calm = expand(&request(&spec, &config())).statefulset();
    let exposed = config_with(&json!({"PG_EXPOSE_PUBLIC": "true"}));
    let mut exposed = expand(&request(&spec, &exposed)).statefulset();
    assert_eq!(calm["ports"].take(), json!(["5433"]));
    assert_eq!(exposed["ports"].take(), json!(["0.0.0.0:5433:5433"]));
    assert_eq!(calm, exposed);
}

#[test]
fn a_rotated_replication_password_changes_one_variable() {
    let mut before = expand(&request(&json!({}), &config())).data();
    let rotated = config_with(&json!({"POSTGRES_REPLICATION_PASSWORD": "hunter4"}));
    let mut after = expand(&request(&json!({}), &rotated)).data();
    let variable =
        |data: &mut Value| data["manifests"][1]["spec"]["env"]["PG_REPLICATION_PASSWORD"].take();
    assert_eq!(variable(&mut before), "hunter3");
    assert_eq!(variable(&mut after), "hunter4");
    assert_eq!(before, after);
}
