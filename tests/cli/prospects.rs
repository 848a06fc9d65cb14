//! What a switchover will mean is known before it starts, and said: by the dry run, by the message and
//! by `info`.

use serde_json::{Value, json};

use crate::support::actors::{STOPS, TAKES_OVER};
use crate::support::pods::{inventory, primary, prospects, standby};
use crate::support::world::World;

const PROMOTE: [&str; 4] = ["promote", "clowk-lp/db", "--replica", "1"];

fn world() -> World {
    let world = World::with_cluster(3);
    world.will_follow(&[0, 2]);
    let names = "voodu-postgres-standby-1\nvoodu-postgres-standby-2\n";
    world.prepare("follow-clowk-lp-db.0", names);
    world
}

/// A pod answers one of the questions so.
fn answers(world: &World, pod: u16, key: &str, answer: Value) {
    let mut all = prospects();
    all[key] = answer;
    let role = if pod == 0 {
        primary(&[1, 2])
    } else {
        standby()
    };
    world.says(pod, &[role, all, inventory()]);
}

fn message(world: &World, flags: &[&str]) -> String {
    let answer = world.answer(&[&PROMOTE[..], flags].concat());
    answer.data()["message"].as_str().unwrap().to_owned()
}

fn promoted(world: &World, flags: &[&str]) -> String {
    world.while_pods(&[STOPS, TAKES_OVER], || message(world, flags))
}

/// Refused, and the pods were not asked to hand over.
#[track_caller]
fn refused(world: &World, flags: &[&str], reason: &str) {
    let before = world.record_text();
    world.refused(&[&PROMOTE[..], flags].concat(), reason);
    assert_eq!(world.record_text(), before);
}

fn check(world: &World) -> String {
    let output = world.vd(&["pg:info", "clowk-lp/db", "--check"]);
    assert!(output.stderr.is_empty(), "{output:?}");
    output.stdout
}

#[test]
fn unlogged_tables_are_no_loss_that_is_kept_quiet() {
    let world = world();
    let unlogged = json!({"database": "appdata", "tables": 1, "sequences": 0, "rows": 20_000, "names": ["public.\"a\u{7}b\""]});
    answers(&world, 0, "unlogged", unlogged);
    let told = "empty on pod 1, because a standby has nothing of what is unlogged: 1 unlogged table of database appdata (public.\"a b\", about 20000 rows)";
    let plan = message(&world, &["--dry-run"]);
    assert!(
        plan.starts_with(
            "pod 1 of clowk-lp/db can take over without the loss of a logged commit: it has"
        ),
        "{plan}"
    );
    assert!(plan.contains(&format!("\n  effect: {told}\n")), "{plan}");
    let done = promoted(&world, &[]);
    assert!(
        done.starts_with(
            "pod 1 is now the primary of clowk-lp/db, and no logged commit was lost; writes paused"
        ),
        "{done}"
    );
    assert!(
        done.contains(&format!("\n  {told}")) && !done.contains("nothing was lost"),
        "{done}"
    );
}

#[test]
fn wal_senders_and_slots_are_named_before_and_after() {
    let world = world();
    let mut all = prospects();
    all["senders"] = json!([{"pid": 72, "name": "cdc", "user": "app", "state": "streaming", "slot": "cdc", "logical": true}]);
    all["slots"] = json!([{"name": "cdc", "logical": true, "database": "appdata", "active": true, "held": 56, "status": "reserved"}]);
    world.says(0, &[primary(&[1, 2]), all, inventory()]);
    let sender = "the stop of pod 0 disconnects cdc (WAL sender 72, user app, logical, slot cdc)";
    let slot = "vd pg:psql clowk-lp/db --replica 0 -c \"SELECT pg_drop_replication_slot('cdc')\"";
    for said in [message(&world, &["--dry-run"]), promoted(&world, &[])] {
        assert!(said.contains(sender) && said.contains(slot), "{said}");
    }
}

#[test]
fn synchronous_standbys_that_will_not_be_there_are_a_refusal() {
    let world = world();
    let named = json!("\"voodu-postgres-standby-1\"");
    answers(&world, 1, "sync_names", named);
    refused(
        &world,
        &[],
        "every commit on pod 1 would wait: synchronous_standby_names = \"voodu-postgres-standby-1\" needs 1",
    );
    // Forced, a commit shows it, and does not hold the command up.
    world.prepare("commits-wait", "");
    let done = promoted(&world, &["--force"]);
    assert!(
        done.contains("\n  pod 1 accepts writes, but a commit waits for synchronous standbys"),
        "{done}"
    );
    assert!(done.contains("every commit on pod 1 would wait"), "{done}");
    let sql = std::fs::read_to_string(world.bin().join("sql")).unwrap();
    assert!(sql.contains("pg_cancel_backend(pid)"), "{sql}");
}

#[test]
fn a_commit_that_comes_back_is_not_mentioned() {
    let world = world();
    answers(&world, 1, "sync_names", json!("*"));
    let done = promoted(&world, &[]);
    assert!(
        done.contains("nothing was lost") && !done.contains("waits"),
        "{done}"
    );
    let sql = std::fs::read_to_string(world.bin().join("sql")).unwrap();
    assert!(
        sql.contains("set_config('synchronous_commit', $$on$$, true)"),
        "{sql}"
    );
}

#[test]
fn room_is_measured_before_anything_stops() {
    let world = world();
    let room = |free: u32, said: &str| {
        format!("head\nd 1 1 {free} 1 /\nd 1 1 9000000 1 /backups\n{said}\n")
    };
    world.prepare("room-clowk-lp-db.1", &room(6144, "writable"));
    for flags in [&[][..], &["--force"]] {
        refused(
            &world,
            flags,
            "pod clowk-lp-db.1 has 6.0 MB free for WAL, and a primary needs 64.0 MB",
        );
    }
    let full = "dd: error writing '/backups/.topology.probe.x': No space left on device";
    world.prepare("room-clowk-lp-db.1", &room(900_000, full));
    refused(
        &world,
        &[],
        "pod clowk-lp-db.1 cannot write the record of who is primary: No space left on device",
    );
    let printed = check(&world);
    assert!(
        printed
            .starts_with("clowk-lp-db.1 cannot write the record of who is primary: No space left"),
        "{printed}"
    );
}

#[test]
fn the_check_knows_slots_limits_and_commits() {
    let world = world();
    let slot = json!([{"name": "cdc", "logical": true, "database": "appdata", "active": false, "held": 250 << 20, "status": "reserved"}]);
    answers(&world, 2, "slots", slot);
    answers(
        &world,
        1,
        "limits",
        json!({"max_connections": {"running": 15, "configured": 15}}),
    );
    answers(&world, 0, "sync_names", json!("elsewhere"));
    let printed = check(&world);
    for line in [
        "clowk-lp-db.1 cannot replay what the primary writes: its max_connections = 15 is lower than the primary's 100; start it with the primary's value: docker restart clowk-lp-db.1",
        "replication slot cdc (logical, database appdata) of clowk-lp-db.2, a standby, keeps 250.0 MB of WAL, and nobody reads it; ",
        "every commit on clowk-lp-db.0 waits: synchronous_standby_names = elsewhere needs 1",
    ] {
        assert!(
            printed.lines().any(|printed| printed.starts_with(line)),
            "{printed}"
        );
    }
    let document = world.answer(&["info", "clowk-lp/db", "--json"]).document();
    assert_eq!(document["pods"][2]["slots"][0]["name"], "cdc");
    assert_eq!(document["pods"][2]["slots"][0]["wal_bytes"], 250 << 20);
    assert_eq!(document["pods"][1]["data_free_bytes"], 9_000_000_u64 * 1024);
    assert_eq!(document["pods"][1]["writes_record"], true);
}
