//! `rejoin`: what it refuses, and when it asks the pod.

use serde_json::json;

use crate::support::pods::{primary, standby};
use crate::support::world::World;

const REJOIN: [&str; 4] = ["rejoin", "clowk-lp/db", "--replica", "0"];

/// Pod 1 is the primary, pod 0 guards its data and does not run.
fn world() -> World {
    let world = World::with_cluster(3);
    world.record("clowk-lp", "db", 1);
    world.says(1, &[primary(&[2])]);
    world.says(2, &[standby()]);
    world.becomes(0, "restarting");
    world.will_follow(&[0, 2]);
    world.prepare("only-there", "0 0\n");
    world
}

#[track_caller]
fn refused(world: &World, words: &[&str], reason: &str) -> String {
    let before = world.record_text();
    let error = world.refused(words, reason);
    assert_eq!(world.record_text(), before);
    let calls = world.docker_calls();
    assert!(
        !calls.contains("restart") && !calls.contains("stop "),
        "{calls}"
    );
    error
}

#[test]
fn the_pod_is_asked_and_started() {
    let world = world();
    let answer = world.answer(&REJOIN);
    let message = answer.data()["message"].as_str().unwrap().to_owned();
    assert!(
        message.starts_with("pod 0 is a standby of pod 1 again"),
        "{message}"
    );
    assert!(
        world
            .record_text()
            .ends_with("epoch=8\nprimary=1\nstate=steady\nrejoin=0\n")
    );
    assert!(!message.contains("gave up"), "{message}");
    let sql = std::fs::read_to_string(world.bin().join("sql")).unwrap();
    assert!(sql.contains("CHECKPOINT"), "a rewind needs one");
    // Again: it was asked before.
    world.answer(&REJOIN).data();
    assert!(world.record_text().contains("epoch=8\n"));
}

#[test]
fn transactions_that_nobody_else_has_need_a_yes() {
    let world = world();
    world.prepare("only-there", "2048 5\n");
    let error = refused(
        &world,
        &REJOIN,
        "pod 0 holds 5 transactions in 2.0 kB of WAL that no other pod has; nothing was changed",
    );
    assert!(error.contains("docker cp clowk-lp-db.0:"), "{error}");
    assert!(
        error.ends_with("vd pg:rejoin clowk-lp/db --replica 0 --yes"),
        "{error}"
    );
    let answer = world.answer(&[&REJOIN[..], &["--yes"]].concat());
    let message = answer.data()["message"].as_str().unwrap().to_owned();
    assert!(
        message.contains("gave up 5 transactions in 2.0 kB of WAL"),
        "{message}"
    );

    let unknown = self::world();
    std::fs::remove_file(unknown.bin().join("only-there")).unwrap();
    refused(
        &unknown,
        &REJOIN,
        "whether pod 0 holds transactions that no other pod has is unknown",
    );
}

#[test]
fn a_standby_that_streams_has_nothing_to_do() {
    let world = world();
    world.becomes(0, "running");
    world.says(0, &[standby()]);
    world.says(1, &[primary(&[0, 2])]);
    let answer = world.answer(&REJOIN);
    assert_eq!(
        answer.data()["message"],
        "pod 0 streams from pod 1: there is nothing to do"
    );
    assert!(world.record_text().contains("epoch=7\n"));
}

/// As `info` advises.
#[test]
fn a_standby_with_wal_that_the_primary_never_sent_is_asked() {
    let world = world();
    world.becomes(0, "running");
    world.says(0, &[standby()]);
    let mut ahead = primary(&[0, 2]);
    ahead["standbys"][0]["flushed"] = json!("0/5000248");
    world.says(1, &[ahead]);
    world.answer(&REJOIN).data();
    assert!(
        world
            .record_text()
            .ends_with("epoch=8\nprimary=1\nstate=steady\nrejoin=0\n")
    );
    let sql = std::fs::read_to_string(world.bin().join("sql")).unwrap();
    assert!(sql.contains("flush_lsn <= sent_lsn"), "{sql}");
}

#[test]
fn what_cannot_rejoin_is_refused() {
    let world = world();
    let at = |pod| ["rejoin", "clowk-lp/db", "--replica", pod];
    refused(&world, &at("1"), "pod 1 is the primary of clowk-lp/db");
    refused(&world, &at("3"), "clowk-lp/db: there is no pod 3");
    for (state, reason) in [
        ("paused", "pod clowk-lp-db.0 is paused"),
        ("absent", "pod clowk-lp-db.0 does not exist"),
    ] {
        let world = self::world();
        world.becomes(0, state);
        refused(&world, &REJOIN, reason);
    }
    world.becomes(1, "exited");
    refused(&world, &REJOIN, "pod 1, the primary, does not answer");
    world.becomes(1, "running");
    world.prepare("cluster_id", "");
    refused(
        &world,
        &REJOIN,
        "pod clowk-lp-db.0 was started by an older version of the plugin",
    );
}

#[test]
fn one_pod_rejoins_at_a_time() {
    let world = world();
    world.next_record("primary=1\nstate=steady\nrejoin=2\n");
    world.says(1, &[primary(&[])]);
    let error = refused(
        &world,
        &REJOIN,
        "pod clowk-lp-db.2 is still at its own rejoin",
    );
    assert!(error.contains("docker logs -f clowk-lp-db.2"), "{error}");
    // One that streams is done, and one that is down does not hold up the others.
    world.says(1, &[primary(&[2])]);
    world.answer(&REJOIN);
    assert!(world.record_text().ends_with("rejoin=0\n"));
}

#[test]
fn a_record_in_another_state_is_refused() {
    let world = world();
    world.next_record("primary=1\nstate=handover\ntarget=2\n");
    refused(
        &world,
        &REJOIN,
        "clowk-lp/db: pod 1 is handing over to pod 2",
    );
    world.next_record("primary=1\nstate=maintenance\n");
    refused(
        &world,
        &REJOIN,
        "clowk-lp/db: postgres is stopped on all pods",
    );
}

#[test]
fn the_mirror_is_put_right_on_the_way() {
    let world = world();
    let actions = world.answer(&REJOIN).actions();
    assert_eq!(actions[0]["kv"], json!({"PG_PRIMARY_ORDINAL": "1"}));
}
