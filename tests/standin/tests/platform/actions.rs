//! What each action does, refuses and says, and what a config change rolls.

use serde_json::{Value, json};
use voodu_standin::{ApplyOptions, Kind};

use crate::support::{World, manifest, vars};

fn run(world: &World, actions: &Value) -> (u16, Value) {
    world.answer("run", actions);
    world.http("POST", "/plugin/fake/run", "")
}

fn applied(world: &World, action: &Value) -> String {
    let (status, reply) = run(world, &json!([action]));
    assert_eq!(status, 200, "{reply}");
    reply["data"]["applied"][0].as_str().unwrap().to_owned()
}

#[track_caller]
fn refused(world: &World, action: &Value, expected: &str) {
    let (status, reply) = run(world, &json!([action]));
    let client_side = matches!(action["type"].as_str(), Some("exec_local" | "fetch_file"));
    assert_eq!(status, if client_side { 400 } else { 500 });
    let kind = action["type"].as_str().unwrap();
    assert_eq!(
        reply["error"],
        format!("apply action 0 ({kind}): {expected}")
    );
}

#[test]
fn each_action_says_what_it_did() {
    let world = World::new();
    for (action, line) in [
        (
            json!({"type": "config_set", "kv": {"B": "2", "A": "1"}}),
            "config_set s/n: A,B",
        ),
        (
            json!({"type": "config_unset", "keys": ["B", "A"]}),
            "config_unset s/n: A,B",
        ),
        (
            json!({"type": "apply_manifest",
                "manifest": {"kind": "job", "scope": "s", "name": "j", "spec": {"image": "i"}}}),
            "apply_manifest job/s/j",
        ),
        (json!({"type": "run_job"}), "run_job s/n queued"),
        (
            json!({"type": "delete_manifest", "kind": "job"}),
            "delete_manifest job/s/n (no-op)",
        ),
        (
            json!({"type": "exec_local", "command": ["echo", "a b"]}),
            "exec_local [echo a b] (deferred to CLI)",
        ),
        (
            json!({"type": "fetch_file", "remote_path": "/a", "dest_path": "b"}),
            "fetch_file /a → b (deferred to CLI)",
        ),
        (
            json!({"type": "config_set", "kv": {"A": "1"}, "summary": "remembered A"}),
            "remembered A",
        ),
    ] {
        let mut action = action;
        action["scope"] = "s".into();
        action["name"] = "n".into();
        assert_eq!(applied(&world, &action), line);
    }
    let action = json!({"type": "delete_manifest", "kind": "job", "scope": "s", "name": "j"});
    assert_eq!(applied(&world, &action), "delete_manifest job/s/j");
}

#[test]
fn required_fields() {
    let world = World::new();
    let nowhere = json!({"type": "config_set", "scope": "s", "kv": {"A": "1"}});
    let expected = "scope and name are required for action \"config_set\"";
    refused(&world, &nowhere, expected);
    for (action, expected) in [
        (
            json!({"type": "config_set", "kv": {}}),
            "config_set requires non-empty kv",
        ),
        (
            json!({"type": "config_unset"}),
            "config_unset requires non-empty keys",
        ),
        (
            json!({"type": "apply_manifest"}),
            "apply_manifest requires a manifest payload",
        ),
        (
            json!({"type": "apply_manifest", "manifest": {"kind": "job"}}),
            "apply_manifest manifest requires kind and name",
        ),
        (
            json!({"type": "delete_manifest"}),
            "delete_manifest requires kind",
        ),
        (json!({"type": "exec_local"}), "empty command"),
        (
            json!({"type": "fetch_file", "remote_path": "/a"}),
            "remote_path and dest_path are required",
        ),
    ] {
        let mut action = action;
        action["scope"] = "s".into();
        action["name"] = "n".into();
        refused(&world, &action, expected);
    }
}

#[test]
fn an_empty_value_deletes_its_key() {
    let world = World::new();
    let set = |kv: Value| json!({"type": "config_set", "scope": "s", "name": "n", "kv": kv});
    applied(&world, &set(json!({"A": "1", "B": "2"})));
    applied(&world, &set(json!({"A": ""})));
    assert_eq!(world.platform.bucket("s", "n"), vars(&[("B", "2")]));
}

#[test]
fn a_failure_keeps_what_came_before_and_loses_the_message() {
    let world = World::new();
    let set = json!({"type": "config_set", "scope": "s", "name": "n", "kv": {"A": "1"}});
    let (status, reply) = run(
        &world,
        &json!([set, {"type": "nope", "scope": "s", "name": "n"}, set]),
    );
    assert_eq!(status, 500);
    let error = reply["error"].as_str().unwrap();
    assert!(
        error.starts_with("apply action 1 (nope): unknown action type"),
        "{error}"
    );
    assert_eq!(reply["data"], Value::Null);
    assert_eq!(world.platform.bucket("s", "n"), vars(&[("A", "1")]));
}

#[test]
fn a_number_among_the_values_refuses_the_whole_answer() {
    let world = World::new();
    let good = json!({"type": "config_set", "scope": "s", "name": "n", "kv": {"A": "1"}});
    let bad = json!({"type": "config_set", "scope": "s", "name": "n", "kv": {"A": 1}});
    let (status, reply) = run(&world, &json!([good, bad]));
    assert_eq!(status, 400);
    let error = reply["error"].as_str().unwrap();
    assert!(error.starts_with("decode plugin response"), "{error}");
    assert!(world.platform.bucket("s", "n").is_empty());
}

#[test]
fn a_config_change_fans_out_unless_it_says_not_to() {
    let world = World::new();
    world.apply_statefulset(json!({"image": "i"}));
    let mut set = json!({"type": "config_set", "scope": "s", "name": "db", "kv": {"A": "1"}});
    set["skip_restart"] = true.into();
    run(&world, &json!([set]));
    assert_eq!(world.fanned_out(), Vec::<String>::new());
    set["skip_restart"] = false.into();
    run(&world, &json!([set]));
    assert_eq!(world.fanned_out(), ["statefulset/s/db"]);
}

#[test]
fn skipping_the_restart_only_postpones_it() {
    let world = World::new();
    world.apply_statefulset(json!({"image": "i"}));
    let set = json!({"type": "config_set", "scope": "s", "name": "db", "kv": {"A": "1"},
        "skip_restart": true});
    world.commands();
    run(&world, &json!([set]));
    assert_eq!(world.steps(), Vec::<String>::new());
    world.apply_statefulset(json!({"image": "i"}));
    assert_eq!(world.steps(), ["stop s-db.0", "rm -f s-db.0", "run s-db.0"]);
}

#[test]
fn a_key_of_the_spec_shadows_the_bucket_and_never_rolls() {
    let world = World::new();
    world.apply_statefulset(json!({"image": "i", "env": {"A": "spec"}}));
    world.commands();
    let set = json!({"type": "config_set", "scope": "s", "name": "db", "kv": {"A": "bucket"}});
    run(&world, &json!([set]));
    world.apply_statefulset(json!({"image": "i", "env": {"A": "spec"}}));
    assert_eq!(world.fanned_out(), ["statefulset/s/db"]);
    assert_eq!(world.commands(), Vec::<String>::new());
}

#[test]
fn a_consumer_is_recreated_with_its_new_environment() {
    let world = World::new();
    let app = manifest(
        "deployment",
        "s",
        "app",
        json!({"image": "i", "env": {"A": "1"}}),
    );
    world
        .platform
        .apply(vec![app], ApplyOptions::default())
        .unwrap();
    let url = json!({"DATABASE_URL": "postgres://x"});
    let set = json!({"type": "config_set", "scope": "s", "name": "app", "kv": url});
    run(&world, &json!([set]));
    let env = world.memory.environment("s-app.0").unwrap();
    assert_eq!(env["DATABASE_URL"], "postgres://x");
    assert_eq!(env["A"], "1");
}

#[test]
fn a_manifest_sent_back_without_its_digests_is_still_the_same() {
    let world = World::new();
    let spec = json!({"image": "i", "volumes": ["${asset.s.db.k}:/k"]});
    let batch = vec![
        manifest("asset", "s", "db", json!({"files": {"k": "v"}})),
        manifest("statefulset", "s", "db", spec.clone()),
    ];
    world
        .platform
        .apply(batch, ApplyOptions::default())
        .unwrap();
    world.commands();
    let bare = json!({"kind": "statefulset", "scope": "s", "name": "db", "spec": spec});
    let apply = json!({"type": "apply_manifest", "scope": "s", "name": "db", "manifest": bare});
    run(&world, &json!([apply]));
    assert_eq!(world.commands(), Vec::<String>::new());
}

#[test]
fn deleting_a_manifest_removes_its_containers_and_keeps_the_rest() {
    let world = World::new();
    world.apply_statefulset(json!({"image": "i", "replicas": 2,
        "volume_claims": [{"name": "data", "mount_path": "/x"}]}));
    world.commands();
    let delete = json!({"type": "delete_manifest", "kind": "statefulset", "scope": "s",
        "name": "db"});
    run(&world, &json!([delete]));
    assert_eq!(
        world.steps(),
        ["stop s-db.1", "rm -f s-db.1", "stop s-db.0", "rm -f s-db.0"]
    );
    assert!(
        world
            .platform
            .status(Kind::Statefulset, "s", "db")
            .is_none()
    );
}
