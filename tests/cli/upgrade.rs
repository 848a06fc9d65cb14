//! What another release of the plugin does to running pods.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use crate::support::world::{World, cluster};

const PODS: [&str; 3] = ["clowk-lp-db.2", "clowk-lp-db.1", "clowk-lp-db.0"];

/// Puts a release in the plugin's place whose answers differ in that text.
fn install(world: &World, text: &str, other: &str) {
    let binary = world.bin().join("../plugins/postgres/bin/voodu-postgres");
    let this = env!("CARGO_BIN_EXE_voodu-postgres");
    let script = format!(
        "#!/bin/bash\nanswer=$({this} \"$@\") || exit\nprintf '%s' \"${{answer/{text}/{other}}}\"\n"
    );
    fs::remove_file(&binary).unwrap();
    fs::write(&binary, script).unwrap();
    fs::set_permissions(&binary, fs::Permissions::from_mode(0o755)).unwrap();
}

fn apply(world: &World) -> Vec<String> {
    world.apply(&cluster(3, ""))
}

#[test]
fn a_release_with_the_same_files_restarts_nothing() {
    let world = World::with_cluster(3);
    install(&world, "no such text", "");
    assert!(apply(&world).is_empty());
}

#[test]
fn a_release_with_another_script_restarts_each_pod_once() {
    let world = World::with_cluster(3);
    let spec = |world: &World| {
        let kind = voodu_standin::Kind::Statefulset;
        world
            .platform
            .manifest(kind, "clowk-lp", "db")
            .unwrap()
            .spec["env"]
            .clone()
    };
    let before = spec(&world);
    install(
        &world,
        "What every pod of a postgres cluster runs",
        "Another script",
    );
    assert_eq!(apply(&world), PODS, "from the highest ordinal down");
    assert!(apply(&world).is_empty(), "once");
    assert_eq!(spec(&world), before, "nothing but the script changed");
}

#[test]
fn an_installed_release_restarts_nothing_before_an_apply() {
    let world = World::with_cluster(3);
    let seen = world.platform.events().len();
    install(
        &world,
        "What every pod of a postgres cluster runs",
        "Another script",
    );
    let help = world.vd(&["postgres:help"]);
    assert_eq!(help.status, 0);
    assert_eq!(world.platform.events().len(), seen);
}
