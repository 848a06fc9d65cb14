//! Which containers an apply touches.

use serde_json::{Value, json};
use voodu_standin::{ApplyOptions, Kind};

use crate::support::{World, manifest};

const BLOCK: &str = "fake \"s\" \"db\" {\n  a = 1\n}";

#[test]
fn the_same_apply_twice_touches_no_container() {
    let world = World::new();
    world.expands_to(
        &json!([{"kind": "statefulset", "scope": "s", "name": "db", "spec": {"image": "i", "replicas": 3}}]),
        &json!([]),
    );
    let first = world.platform.apply_hcl(BLOCK).unwrap();
    assert_eq!(first.changes.created, ["s-db.0", "s-db.1", "s-db.2"]);
    world.commands();
    let second = world.platform.apply_hcl(BLOCK).unwrap();
    assert!(second.changes.is_empty());
    assert_eq!(world.commands(), Vec::<String>::new());
}

#[test]
fn a_new_spec_rolls_from_the_highest_ordinal_down() {
    let world = World::new();
    world.apply_statefulset(json!({"image": "i", "replicas": 2}));
    world.commands();
    world.apply_statefulset(json!({"image": "j", "replicas": 2}));
    assert_eq!(
        world.steps(),
        [
            "stop s-db.1",
            "rm -f s-db.1",
            "run s-db.1",
            "stop s-db.0",
            "rm -f s-db.0",
            "run s-db.0"
        ]
    );
}

#[test]
fn scaling_touches_only_the_ordinals_that_come_or_go() {
    let world = World::new();
    world.apply_statefulset(json!({"image": "i", "replicas": 1}));
    world.commands();
    world.apply_statefulset(json!({"image": "i", "replicas": 3}));
    assert_eq!(world.steps(), ["run s-db.1", "run s-db.2"]);
    world.apply_statefulset(json!({"image": "i", "replicas": 1}));
    assert_eq!(
        world.steps(),
        ["stop s-db.2", "rm -f s-db.2", "stop s-db.1", "rm -f s-db.1"]
    );
}

#[test]
fn changed_asset_content_rolls_its_consumers() {
    let world = World::new();
    let apply = |content: &str| {
        world.expands_to(
            &json!([
                {"kind": "asset", "scope": "s", "name": "db", "spec": {"files": {"k": content}}},
                {"kind": "statefulset", "scope": "s", "name": "db",
                    "spec": {"image": "i", "volumes": ["${asset.s.db.k}:/k"]}},
            ]),
            &json!([]),
        );
        world.platform.apply_hcl(BLOCK).unwrap().changes
    };
    assert_eq!(apply("one").created, ["s-db.0"]);
    assert!(apply("one").is_empty());
    assert_eq!(apply("two").rolled, ["s-db.0"]);
}

#[test]
fn a_stopped_container_counts_as_present() {
    let world = World::new();
    world.apply_statefulset(json!({"image": "i"}));
    voodu_standin::engine::Engine::stop(world.memory.as_ref(), "s-db.0").unwrap();
    world.commands();
    world.apply_statefulset(json!({"image": "i"}));
    assert_eq!(world.commands(), Vec::<String>::new());
}

#[test]
fn a_wrong_type_is_a_green_apply_and_an_error_in_the_status() {
    let world = World::new();
    let block = manifest(
        "statefulset",
        "s",
        "db",
        json!({"image": "i", "ports": [5432]}),
    );
    let report = world
        .platform
        .apply(vec![block], ApplyOptions::default())
        .unwrap();
    assert_eq!(report.changes.errors.len(), 1);
    let status = world.platform.status(Kind::Statefulset, "s", "db").unwrap();
    let error = status["last_reconcile_error"].as_str().unwrap();
    assert!(error.starts_with("decode statefulset spec"), "{error}");
    world.apply_statefulset(json!({"image": "i"}));
    let status = world.platform.status(Kind::Statefulset, "s", "db").unwrap();
    assert_eq!(status["last_reconcile_error"], Value::Null);
}

#[test]
fn prune_deletes_stored_siblings_and_never_assets() {
    let world = World::new();
    for name in ["one", "two"] {
        let batch = vec![
            manifest("job", "s", name, json!({"image": "i"})),
            manifest("asset", "s", name, json!({"files": {}})),
        ];
        world
            .platform
            .apply(batch, ApplyOptions::default())
            .unwrap();
    }
    let options = ApplyOptions {
        dry_run: false,
        prune: true,
    };
    let batch = vec![
        manifest("job", "s", "two", json!({"image": "i"})),
        manifest("asset", "s", "two", json!({"files": {}})),
    ];
    let report = world.platform.apply(batch, options).unwrap();
    assert_eq!(report.pruned, ["job/s/one"]);
    assert!(world.platform.manifest(Kind::Asset, "s", "one").is_some());
}

#[test]
fn a_new_process_on_the_same_root_continues() {
    let world = World::new();
    world.apply_statefulset(json!({"image": "i", "replicas": 2}));
    world.commands();
    let again = world.reopened();
    let report = again
        .apply(
            vec![manifest(
                "statefulset",
                "s",
                "db",
                json!({"image": "i", "replicas": 2}),
            )],
            ApplyOptions::default(),
        )
        .unwrap();
    assert!(report.changes.is_empty());
}
