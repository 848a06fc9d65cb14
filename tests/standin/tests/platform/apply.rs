//! Apply: what a plugin is asked, what it may answer, and what is stored.

use serde_json::{Value, json};
use voodu_standin::{ApplyOptions, Kind};

use crate::support::{World, manifest, vars};

const BLOCK: &str = "fake \"s\" \"db\" {\n  a = 1\n}";

#[test]
fn the_expand_request_carries_what_is_there_and_omits_what_is_empty() {
    let world = World::new();
    world.expands_to(&json!([]), &json!([]));
    world.platform.apply_hcl("fk \"db\" {}").unwrap();
    let request: Value = serde_json::from_str(&world.given("seen", "expand")).unwrap();
    assert_eq!(request, json!({"kind": "fk", "name": "db", "spec": {}}));
    assert_eq!(world.given("argv", "expand"), "expand\n");

    world
        .platform
        .seed_bucket("s", "", &vars(&[("A", "scope"), ("B", "scope")]))
        .unwrap();
    world
        .platform
        .seed_bucket("s", "db", &vars(&[("A", "app")]))
        .unwrap();
    let pinned = "fake \"s\" \"db\" {\n  a = 1\n  plugin { version = \"1.2.3\" }\n}";
    world.platform.apply_hcl(pinned).unwrap();
    let request: Value = serde_json::from_str(&world.given("seen", "expand")).unwrap();
    assert_eq!(
        request,
        json!({"kind": "fake", "scope": "s", "name": "db", "spec": {"a": 1},
            "config": {"A": "app", "B": "scope"}})
    );
}

#[test]
fn one_manifest_a_list_or_manifests_with_actions_are_answers() {
    let world = World::new();
    let asset = json!({"kind": "asset", "name": "a", "spec": {"files": {}}});
    for data in [
        asset.clone(),
        json!([asset]),
        json!({"manifests": [asset], "actions": []}),
    ] {
        let envelope = json!({"status": "ok", "data": data});
        world.prepare("stdout", "expand", &envelope.to_string());
        let report = world.platform.apply_hcl(BLOCK).unwrap();
        assert_eq!(report.expansions[0].to, ["asset/a"]);
    }
}

#[test]
fn answers_that_are_refused() {
    for (stdout, stderr, exit, expected) in [
        (
            "text",
            "",
            "0",
            "expand returned no JSON envelope (got: text)",
        ),
        (r#"{"status":"error","error":"no"}"#, "", "0", "expand: no"),
        ("out", "err", "2", "expand exited 2: err"),
        (
            r#"{"status":"ok"}"#,
            "",
            "0",
            "expand: envelope.data is empty",
        ),
        (
            r#"{"status":"ok","data":[null]}"#,
            "",
            "0",
            "expand: returned a nil manifest",
        ),
        (
            r#"{"status":"ok","data":[{"kind":"jobs","name":"x"}]}"#,
            "",
            "0",
            "expand: returned non-core kind \"jobs\" (plugins must expand to core kinds)",
        ),
        (
            r#"{"status":"ok","data":[{"kind":"job","name":""}]}"#,
            "",
            "0",
            "expand: returned manifest with empty name",
        ),
    ] {
        let world = World::new();
        world.prepare("stdout", "expand", stdout);
        world.prepare("stderr", "expand", stderr);
        world.prepare("exit", "expand", exit);
        let block = manifest("fake", "s", "db", json!({}));
        let refusal = world
            .platform
            .apply(vec![block], ApplyOptions::default())
            .unwrap_err();
        assert_eq!(refusal.status, 400);
        assert_eq!(
            refusal.message,
            format!("expand fake/db: plugin \"fake\" {expected}")
        );
    }
}

#[test]
fn actions_are_applied_before_manifests_are_checked_and_on_a_dry_run_too() {
    let world = World::new();
    let set = json!({"type": "config_set", "scope": "s", "name": "db", "kv": {"A": "1"}});
    world.expands_to(&json!([{"kind": "nope", "name": "x"}]), &json!([set]));
    let options = ApplyOptions {
        dry_run: true,
        prune: false,
    };
    let block = manifest("fake", "s", "db", json!({}));
    assert!(world.platform.apply(vec![block], options).is_err());
    assert_eq!(world.platform.bucket("s", "db"), vars(&[("A", "1")]));
    assert_eq!(world.fanned_out(), Vec::<String>::new());
}

#[test]
fn what_only_the_cli_can_do_is_unknown_to_expand() {
    let world = World::new();
    let local = json!({"type": "exec_local", "scope": "s", "name": "db", "command": ["x"]});
    world.expands_to(&json!([]), &json!([local]));
    let error = world.platform.apply_hcl(BLOCK).unwrap_err().to_string();
    assert!(
        error.contains("expand action 0 (exec_local): unknown action type"),
        "{error}"
    );
}

#[test]
fn a_dry_run_writes_assets_and_nothing_else() {
    let world = World::new();
    world.expands_to(
        &json!([{"kind": "asset", "scope": "s", "name": "db", "spec": {"files": {"a": "b"}}}]),
        &json!([]),
    );
    let options = ApplyOptions {
        dry_run: true,
        prune: false,
    };
    let block = manifest("fake", "s", "db", json!({}));
    let report = world.platform.apply(vec![block], options).unwrap();
    assert_eq!(report.current, Some(vec![None]));
    assert!(world.platform.root().join("assets/s/db/a").exists());
    assert!(world.platform.manifest(Kind::Asset, "s", "db").is_none());
}

#[test]
fn an_unscoped_pair_stores_the_asset_and_then_fails() {
    let world = World::new();
    world.expands_to(
        &json!([
            {"kind": "asset", "name": "db", "spec": {"files": {}}},
            {"kind": "statefulset", "name": "db", "spec": {"image": "i"}},
        ]),
        &json!([]),
    );
    let error = world.platform.apply_hcl("fake \"db\" {}").unwrap_err();
    assert!(error.to_string().contains("scope is required"));
    assert!(world.platform.manifest(Kind::Asset, "", "db").is_some());
}

#[test]
fn the_operators_on_probe_replaces_the_plugins() {
    let world = World::new();
    world.expands_to(
        &json!([{"kind": "statefulset", "scope": "s", "name": "db", "spec": {"image": "i", "on_probe": 1}}]),
        &json!([]),
    );
    let block = "fake \"s\" \"db\" {\n  on_probe {\n    failure { url = \"x\" }\n  }\n}";
    world.platform.apply_hcl(block).unwrap();
    let stored = world.platform.manifest(Kind::Statefulset, "s", "db");
    assert_eq!(
        stored.unwrap().spec["on_probe"],
        json!({"failure": {"url": "x"}})
    );
}
