//! What a first apply stores, also for a cluster that another plugin started.

use serde_json::{Value, json};

use crate::support::world::World;
use crate::support::{
    Answer, CLUSTER_ID, assert_refused, config, config_with, expand, plugin, request, run,
};

fn sets(answer: &Answer) -> Vec<Value> {
    answer
        .actions()
        .iter()
        .map(|action| {
            assert_eq!(action["type"], "config_set");
            assert_eq!(
                (&action["scope"], &action["name"]),
                (&json!("clowk-lp"), &json!("db"))
            );
            action["kv"].clone()
        })
        .collect()
}

#[track_caller]
fn assert_hex(value: &Value, digits: usize) {
    let text = value.as_str().unwrap();
    assert!(
        text.len() == digits && text.bytes().all(|b| b.is_ascii_hexdigit()),
        "{text}"
    );
}

#[test]
fn an_empty_bucket_gets_two_passwords_and_an_identity() {
    for config in [json!({}), json!(null)] {
        let answer = expand(&request(&json!({}), &config));
        let sets = sets(&answer);
        assert_eq!(sets.len(), 3);
        assert_hex(&sets[0]["POSTGRES_PASSWORD"], 64);
        assert_hex(&sets[1]["POSTGRES_REPLICATION_PASSWORD"], 64);
        assert_ne!(
            sets[0]["POSTGRES_PASSWORD"],
            sets[1]["POSTGRES_REPLICATION_PASSWORD"]
        );
        assert_hex(&sets[2]["PG_CLUSTER_ID"], 32);
        assert_eq!(sets[2]["PG_PRIMARY_ORDINAL"], "0");
        assert_eq!(sets[2]["BACKUP_KEEP"], "30");
        assert_eq!(sets[2].as_object().unwrap().len(), 3);
        let env = &answer.statefulset()["env"];
        assert_eq!(env["POSTGRES_PASSWORD"], sets[0]["POSTGRES_PASSWORD"]);
        assert_eq!(
            env["PG_REPLICATION_PASSWORD"],
            sets[1]["POSTGRES_REPLICATION_PASSWORD"]
        );
        assert_eq!(env["PG_CLUSTER_ID"], sets[2]["PG_CLUSTER_ID"]);
    }
}

#[test]
fn two_clusters_share_nothing() {
    let answers = [0; 2].map(|_| sets(&expand(&request(&json!({}), &json!({})))));
    for (one, other) in answers[0].iter().zip(&answers[1]).take(2) {
        assert_ne!(one, other);
    }
    assert_ne!(
        answers[0][2]["PG_CLUSTER_ID"],
        answers[1][2]["PG_CLUSTER_ID"]
    );
}

#[test]
fn the_second_apply_repeats_the_first_byte_for_byte() {
    let spec = json!({"replicas": 3, "pg_config": {"work_mem": "16MB"}});
    let first = expand(&request(&spec, &json!({})));
    let mut bucket = json!({});
    for kv in sets(&first) {
        for (key, value) in kv.as_object().unwrap() {
            bucket[key] = value.clone();
        }
    }
    let second = expand(&request(&spec, &bucket));
    assert_eq!(second.data()["manifests"], first.data()["manifests"]);
    assert!(second.actions().is_empty());
}

#[test]
fn a_bucket_prepared_by_hand_is_kept() {
    let config =
        json!({"POSTGRES_PASSWORD": "mine", "BACKUP_KEEP": "0", "PG_PRIMARY_ORDINAL": "0"});
    let sets = sets(&expand(&request(&json!({}), &config)));
    assert_eq!(sets.len(), 2);
    assert!(sets[0].get("POSTGRES_REPLICATION_PASSWORD").is_some());
    assert_eq!(sets[1]["PG_INITIAL_PRIMARY"], "0");
    assert_eq!(sets[1].as_object().unwrap().len(), 2);
}

#[test]
fn a_cluster_of_the_older_plugin_is_taken_over_with_its_primary() {
    let older = config_with(&json!({"PG_CLUSTER_ID": null, "PG_PRIMARY_ORDINAL": "2"}));
    let first = expand(&request(&json!({"replicas": 3}), &older));
    let sets = sets(&first);
    assert_eq!(sets.len(), 1);
    assert_eq!(sets[0]["PG_INITIAL_PRIMARY"], "2");
    assert_eq!(sets[0].as_object().unwrap().len(), 2);
    assert_eq!(first.statefulset()["env"]["PG_PRIMARY_ORDINAL"], "2");

    // After a promotion the mirror moves; the pods' environment does not.
    let later = config_with(&json!({
        "PG_CLUSTER_ID": sets[0]["PG_CLUSTER_ID"], "PG_INITIAL_PRIMARY": "2", "PG_PRIMARY_ORDINAL": "0",
    }));
    let second = expand(&request(&json!({"replicas": 3}), &later));
    assert_eq!(second.statefulset(), first.statefulset());
    assert!(second.actions().is_empty());
}

#[test]
fn a_password_in_the_block_seeds_the_bucket_and_then_must_agree() {
    let spec = json!({"password": "s3cret@/'\"\\ $x"});
    let first = expand(&request(&spec, &json!({})));
    assert_eq!(
        sets(&first)[0],
        json!({"POSTGRES_PASSWORD": spec["password"]})
    );
    let same = config_with(&json!({"POSTGRES_PASSWORD": spec["password"]}));
    let second = expand(&request(&spec, &same));
    assert!(second.actions().is_empty());
    assert_eq!(
        second.statefulset()["env"]["POSTGRES_PASSWORD"],
        spec["password"]
    );
    let error = expand(&request(&spec, &config())).error();
    assert!(
        error.contains("password:") && error.contains("vd pg:new-password clowk-lp/db"),
        "{error}"
    );
    assert!(
        !error.contains("s3cret") && !error.contains("hunter2"),
        "{error}"
    );
}

#[test]
fn an_operator_who_unset_the_retention_meant_it() {
    let config = config_with(&json!({"BACKUP_KEEP": null, "PG_PRIMARY_ORDINAL": null}));
    assert_eq!(config["PG_CLUSTER_ID"], CLUSTER_ID);
    assert!(expand(&request(&json!({}), &config)).actions().is_empty());
}

#[test]
fn a_password_that_is_gone_from_the_bucket_is_not_replaced() {
    for key in ["POSTGRES_PASSWORD", "POSTGRES_REPLICATION_PASSWORD"] {
        let error = expand(&request(&json!({}), &config_with(&json!({key: null})))).error();
        assert!(
            error.contains(key) && error.contains("vd pg:new-password clowk-lp/db"),
            "{error}"
        );
    }
}

/// A config that the controller could not read looks like the one of a first apply.
#[test]
fn an_empty_config_of_a_cluster_that_exists_is_refused() {
    let world = World::with_cluster(1);
    let backups = world.backups("clowk-lp", "db");
    let root = backups.parent().and_then(|it| it.parent()).unwrap();
    let expanded = |config: &Value, path: &str| {
        let mut plugin = plugin();
        plugin.env("VOODU_BACKUPS_ROOT", root).env("PATH", path);
        run(plugin
            .arg("expand")
            .write_stdin(request(&json!({}), config).to_string()))
    };
    let path = format!("{}:/usr/bin:/bin", world.bin().display());
    // What `vd delete --prune` leaves: a record, and no volume.
    assert_eq!(sets(&expanded(&json!({}), &path)).len(), 3);
    world.prepare("volumes", "");
    let refused = |path: &str, reason: &str| {
        let answer = expanded(&json!({}), path);
        assert_refused(&answer, "clowk-lp/db: its config came empty");
        assert!(answer.error().contains(reason), "{}", answer.error());
        let id = &world.platform.bucket("clowk-lp", "db")["PG_CLUSTER_ID"];
        let next = format!("vd config clowk-lp/db set PG_CLUSTER_ID={id}");
        assert!(answer.error().contains(&next), "{}", answer.error());
    };
    refused(&path, "the volume voodu-clowk-lp-db-data-0 exists");
    refused("/nowhere", "whether it has data is not known");
    // A cluster of the older plugin has a config; a new one has no record.
    let older = config_with(&json!({"PG_CLUSTER_ID": null}));
    assert_eq!(sets(&expanded(&older, &path)).len(), 1);
    std::fs::remove_file(world.record_path("clowk-lp", "db")).unwrap();
    assert_eq!(sets(&expanded(&json!({}), &path)).len(), 3);
}
