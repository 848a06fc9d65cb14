use super::fixture::*;
use crate::cluster::room::Room;
use crate::postgres::prospects::Prospects;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// A cluster whose pod answers that.
#[track_caller]
fn answers(pod: &str, answers: &Value, expected: &[&str]) {
    let prospects = Prospects::of(answers.as_object().unwrap());
    let of = BTreeMap::from([(pod.parse().unwrap(), prospects)]);
    case(|condition| condition.prospects = of, expected);
}

#[test]
fn commits_that_wait_for_standbys() {
    let sync = |names: &str, seconds: u64| json!({"sync_names": names, "sync_commit": "on", "waiting": {"commits": 3, "seconds": seconds}});
    answers("0", &sync("\"voodu-postgres-standby-1\"", 0), &[]);
    answers("0", &sync("", 4), &[]);
    answers(
        "0",
        &sync("x", 0),
        &[
            "every commit on s-db.0 waits: synchronous_standby_names = x needs 1 of the standbys that it names, and 0 of them are connected; bring the standbys back",
        ],
    );
    answers(
        "0",
        &sync("3 (*)", 0),
        &[
            "every commit on s-db.0 waits: synchronous_standby_names = 3 (*) needs 3 of the standbys that it names, and 2",
        ],
    );
    answers(
        "0",
        &sync("*", 30),
        &["3 sessions of s-db.0 wait in a commit for synchronous standbys, for 30 s by now"],
    );
    // What a standby would do as the primary is the gate's.
    answers("1", &sync("x", 0), &[]);
    answers(
        "0",
        &json!({"sync_names": "x", "sync_commit": "local"}),
        &[],
    );
}

#[test]
fn slots_that_nobody_reads() {
    let slot = |active: bool, held: u64, status: &str| json!({"slots": [{"name": "cdc", "logical": true, "database": "appdata", "active": active, "held": held, "status": status}]});
    let next = "start its reader, or give it up: vd pg:psql s/db --replica 0 -c \"SELECT pg_drop_replication_slot('cdc')\"";
    let what = "replication slot cdc (logical, database appdata) of s-db.0";
    answers("0", &slot(false, 1 << 30, "reserved"), &[]);
    answers("0", &slot(true, 3 << 30, "reserved"), &[]);
    for (active, held, status, words) in [
        (
            false,
            (1 << 30) + 1,
            "reserved",
            "keeps 1.0 GB of WAL, and nobody reads it",
        ),
        (
            true,
            2 << 30,
            "extended",
            "keeps 2.0 GB of WAL, and its reader is behind",
        ),
        (
            false,
            0,
            "lost",
            "has lost WAL that its reader had not read, which has to start anew",
        ),
    ] {
        answers(
            "0",
            &slot(active, held, status),
            &[&format!("{what} {words}; {next}")],
        );
    }
    let orphan = "replication slot cdc (logical, database appdata) of s-db.1, a standby, keeps 250.0 MB of WAL, and nobody reads it; start its reader, or give it up: vd pg:psql s/db --replica 1";
    answers("1", &slot(false, 250 << 20, "reserved"), &[orphan]);
    answers("1", &slot(true, 250 << 20, "reserved"), &[]);
    let synced = json!({"slots": [{"name": "cdc", "logical": true, "held": 56, "synced": true}]});
    answers("1", &synced, &[]);
    // One that was only made on a standby, to be used later, keeps nothing.
    answers("1", &json!({"slots": [{"name": "later"}]}), &[]);
}

fn limits(running: u64, configured: u64) -> Prospects {
    let limits =
        json!({"limits": {"max_connections": {"running": running, "configured": configured}}});
    Prospects::of(limits.as_object().unwrap())
}

#[test]
fn limits_that_a_part_asks_otherwise() {
    let with = |primary: Prospects, standby: Prospects, paused: bool, expected: &[&str]| {
        case(
            |condition| {
                condition.prospects = BTreeMap::from([
                    ("0".parse().unwrap(), primary),
                    ("1".parse().unwrap(), standby),
                ]);
                server(condition, 1).replay_paused = paused;
            },
            expected,
        );
    };
    with(limits(15, 15), limits(15, 15), false, &[]);
    let short = "s-db.1 cannot replay what the primary writes: its max_connections = 15 is lower than the primary's 100; start it with the primary's value: docker restart s-db.1";
    with(limits(100, 100), limits(15, 15), true, &[short]);
    let kept = "s-db.0 runs with max_connections = 100, and the configuration gives 15; it takes that at its next start: docker restart s-db.0";
    with(limits(100, 15), limits(100, 15), false, &[kept]);
    with(
        limits(100, 100),
        limits(100, 100),
        true,
        &["the replay is paused in s-db.1"],
    );
    // A standby that was not started again since the primary came down.
    let above = "s-db.1 runs with max_connections = 100, and the configuration gives 15; it takes that at its next start: docker restart s-db.1";
    with(limits(15, 15), limits(100, 15), false, &[above]);
    // A setting that waits for a restart is named once, and not where a restart changes nothing.
    let pending = || inventory(&json!({"pending_restart": ["max_connections", "shared_buffers"]}));
    case(
        |condition| {
            for pod in ["0", "1"] {
                condition
                    .prospects
                    .insert(pod.parse().unwrap(), limits(100, 15));
                condition
                    .inventories
                    .insert(pod.parse().unwrap(), pending());
            }
        },
        &[
            "s-db.0 has to restart before these settings hold: shared_buffers",
            kept,
            "s-db.1 has to restart before these settings hold: shared_buffers",
        ],
    );
}

#[test]
fn disks_that_are_full_and_records_that_cannot_be_written() {
    let room = |data: u64, backups: u64, complaint: Option<&str>| Room {
        data,
        backups,
        complaint: complaint.map(str::to_owned),
    };
    for (room, expected) in [
        (room(64 << 20, 16 << 20, None), None),
        (
            room(63 << 20, 1 << 30, None),
            Some(
                "s-db.1 has 63.0 MB free for WAL, less than 64.0 MB; make room on the disk of its volume",
            ),
        ),
        (
            room(1 << 30, 15 << 20, None),
            Some("/backups of s-db.1 has 15.0 MB free; make room there: vd pg:backups:prune s/db"),
        ),
        (
            room(1 << 30, 0, Some("No space left on device")),
            Some(
                "s-db.1 cannot write the record of who is primary: No space left on device; put /backups right",
            ),
        ),
    ] {
        case(
            |condition| drop(condition.rooms.insert("1".parse().unwrap(), room)),
            expected.as_slice(),
        );
    }
}
