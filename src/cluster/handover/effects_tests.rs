use crate::cluster::handover::fixture::World;
use crate::cluster::handover::gate::Way;
use crate::cluster::silence::Silence;
use crate::cluster::survey::State as Container;
use serde_json::{Value, json};

const CLEAN: Way = Way::HandOver { behind: 0 };
const NAMED: &str = "\"voodu-postgres-standby-1\"";
const BOTH: &str = "ANY 1 (\"voodu-postgres-standby-1\", \"VOODU-postgres-standby-2\")";

fn lines(world: &World) -> Vec<String> {
    world.plan().unwrap().effects.lines
}

/// What is said of the change, in one line, and whether tables lose their rows.
#[track_caller]
fn says(world: &World, expected: &[&str], empties: bool) {
    let effects = world.plan().unwrap().effects;
    assert_eq!(effects.lines, expected);
    assert_eq!(effects.empties, empties);
}

fn sync(names: &str) -> World {
    World::new().answers(1, "sync_names", json!(names))
}

/// Every pod has the same configuration, and only what it means on the target counts.
#[test]
fn a_primary_whose_commits_would_all_wait_is_refused() {
    let reason = "every commit on pod 1 would wait: synchronous_standby_names = \"voodu-postgres-standby-1\" needs 1 of the standbys that it names, and 0 of them would be connected";
    sync(NAMED).refused(reason, "ANY 1 (*)");
    sync("2 (a, b)").refused("needs 2 of the standbys", "ANY 2 (*)");
    let forced = sync(NAMED).force();
    forced.goes(&CLEAN);
    assert_eq!(lines(&forced), [reason]);
    for names in ["", "*", BOTH, "voodu-postgres-standby-0, x", "2 (*)"] {
        // A name with a dash has to be quoted: postgres does not load it otherwise.
        says(&sync(names), &[], false);
    }
    sync("3 (*)").refused("needs 3 of the standbys that it names, and 2 of them", "");
    for commit in ["local", "off", "OFF"] {
        says(
            &sync(NAMED).answers(1, "sync_commit", json!(commit)),
            &[],
            false,
        );
    }
}

/// Unknown is not no: a pod that does not answer may follow, so nothing is refused for it.
#[test]
fn a_standby_that_is_not_known_of_counts_as_one_that_may_come() {
    let named = "\"voodu-postgres-standby-2\"";
    // One that is seen through leaves its old primary as a standby.
    let mut resumed = sync("2 (*)");
    resumed.record = resumed
        .record
        .map(|text| text.replace("steady", "handover\ntarget=1"));
    resumed.goes(&Way::Resume);
    says(&resumed, &[], false);
    let told = "every commit on pod 1 would wait: synchronous_standby_names = \"voodu-postgres-standby-2\" needs 1 of the standbys that it names, and 0 of them would be connected";
    let maybe = format!("{told}, unless others come");
    let hangs = sync(named).pod(2, |pod| pod.server = Err(Silence::Hangs));
    says(&hangs, &[&maybe], false);
    let cut_off = sync(named).server(0, |server| drop(server.standbys.pop()));
    says(&cut_off, &[&maybe], false);
    sync(named).is(2, Container::Paused).refused(told, "");
    // Somebody else's standby would have to connect to another host.
    let sender = json!([{"pid": 9, "name": "archive", "user": "app", "state": "streaming"}]);
    let elsewhere = sync("archive").answers(0, "senders", sender);
    assert!(lines(&elsewhere)[0].ends_with("0 of them would be connected, unless others come"));
    // The old primary is dead, and so is not there to confirm anything.
    let dead = sync("\"voodu-postgres-standby-0\"")
        .force()
        .is(0, Container::Paused);
    assert!(lines(&dead)[0].ends_with("0 of them would be connected"));
}

#[test]
fn who_is_disconnected_by_the_stop_is_named() {
    let senders = json!([
        {"pid": 71, "name": "voodu-postgres-standby-1", "user": "replicator", "state": "streaming"},
        {"pid": 72, "name": "cdc", "user": "app", "state": "streaming", "slot": "cdc", "logical": true},
        {"pid": 73, "name": "pg_basebackup", "user": "app", "state": "backup"},
        {"pid": 74, "name": "x\u{1b}[2J", "user": "app", "state": "streaming", "slot": "wal"},
        {"pid": 75, "name": "", "user": null, "state": "startup"},
    ]);
    let expected = [
        "the stop of pod 0 disconnects cdc (WAL sender 72, user app, logical, slot cdc), which has to connect to pod 1 itself",
        "the stop of pod 0 disconnects pg_basebackup (WAL sender 73, user app, a base backup), which has to connect to pod 1 itself",
        "the stop of pod 0 disconnects \"x\\u{1b}[2J\" (WAL sender 74, user app, physical, slot wal), which has to connect to pod 1 itself",
        "the stop of pod 0 disconnects \"\" (WAL sender 75, user unknown, physical, no slot), which has to connect to pod 1 itself",
    ];
    says(
        &World::new().answers(0, "senders", senders),
        &expected,
        false,
    );
}

#[test]
fn unlogged_tables_are_counted_and_named() {
    let of = |pod: usize, unlogged: Value| World::new().answers(pod, "unlogged", unlogged);
    let many = json!({"database": "appdata", "tables": 5, "sequences": 1, "rows": 20005, "names": ["public.u", "public.\"e\nm\"", "s.t"]});
    says(
        &of(0, many),
        &[
            "empty on pod 1, because a standby has nothing of what is unlogged: 5 unlogged tables and 1 unlogged sequence of database appdata (public.u, public.\"e m\", s.t, 2 more, about 20005 rows)",
        ],
        true,
    );
    let one = json!({"database": "appdata", "tables": 1, "rows": 0, "names": ["public.u"]});
    let told = "empty on pod 1, because a standby has nothing of what is unlogged: 1 unlogged table of database appdata (public.u)";
    says(&of(0, one.clone()), &[told], true);
    // The catalog of a standby does not say whether there are rows, and the primary does.
    says(&of(1, one.clone()), &[], false);
    let dead = of(1, one).force().is(0, Container::Paused);
    says(&dead, &[told], true);
    let elsewhere = World::new().answers(0, "unlogged_elsewhere", json!(["analytics"]));
    let told = "empty on pod 1 too: the unlogged tables of database analytics";
    says(&elsewhere, &[told], true);
    let unknown = World::new()
        .pod(0, |pod| pod.more.clear())
        .pod(1, |pod| pod.more.clear());
    assert!(unknown.plan().unwrap().effects.empties);
    assert_eq!(lines(&unknown).len(), 2);
}

#[test]
fn slots_that_do_not_go_over_are_named_with_what_gives_them_up() {
    let slot = json!([{"name": "cdc", "logical": true, "database": "appdata", "active": true, "held": 56, "status": "reserved"},
        {"name": "wal", "active": false, "held": 56}]);
    let drop = |name| {
        format!("vd pg:psql s/db --replica 0 -c \"SELECT pg_drop_replication_slot('{name}')\"")
    };
    let lost = |what, name| {
        format!(
            "replication slot {name} ({what}) is not on pod 1: its reader loses its place, and pod 0 keeps WAL for it until you drop it there: {}",
            drop(name)
        )
    };
    let world = World::new().answers(0, "slots", slot);
    says(
        &world,
        &[
            &lost("logical, database appdata", "cdc"),
            &lost("physical", "wal"),
        ],
        false,
    );
    // A failover slot that the target keeps current (postgres 17); an ordinary one of that name is another.
    let twin = |synced| json!([{"name": "cdc", "logical": true, "synced": synced}]);
    let carried = world.answers(1, "slots", twin(true));
    assert_eq!(
        lines(&carried)[0],
        format!(
            "replication slot cdc (logical, database appdata) goes over to pod 1; the one on pod 0 is in the way of its next synchronisation: {}",
            drop("cdc")
        )
    );
    let other = carried.answers(1, "slots", twin(false));
    assert!(lines(&other)[0].contains("is not on pod 1"));
}

#[test]
fn limits_that_outlive_the_promotion_are_named() {
    let limits = |running, configured| json!({"max_connections": {"running": running, "configured": configured}});
    let kept =
        World::new()
            .answers(1, "limits", limits(100, 15))
            .answers(2, "limits", limits(15, 15));
    says(
        &kept,
        &[
            "pod 1 runs with max_connections = 100 until its next start, and the configuration gives 15 (docker restart s-db.1 costs no pause of writes while it is a standby)",
            "s-db.2 starts its postgres again, to follow with max_connections = 100; it runs with 15",
        ],
        false,
    );
    // Resuming such a replay would shut the server down.
    World::new()
        .answers(1, "limits", limits(15, 15))
        .server(1, |server| server.replay_paused = true)
        .refused(
            "s-db.1 does not replay: its max_connections = 15 is lower than the primary's 100",
            "docker restart s-db.1",
        );
    let prepared = World::new().answers(0, "prepared", json!(2));
    says(
        &prepared,
        &["prepared transactions stay prepared on pod 1: 2"],
        false,
    );
}

#[test]
fn a_target_without_room_for_wal_is_refused_with_force_too() {
    let narrow = |bytes| World::new().room("1", |room| room.data = bytes);
    let reason = "pod s-db.1 has 6.0 MB free for WAL, and a primary needs 64.0 MB to begin with";
    narrow(6 << 20).refused(reason, "docker exec s-db.1 df -h");
    narrow(6 << 20)
        .force()
        .is(0, Container::Paused)
        .refused(reason, "promote another pod");
    narrow(64 << 20).goes(&CLEAN);
    narrow(64 << 20)
        .answers(1, "segment_bytes", json!(64 << 20))
        .refused("a primary needs 160.0 MB", "");
    let mut unknown = narrow(0);
    unknown.rooms.clear();
    unknown.goes(&CLEAN);
}

#[test]
fn a_pod_that_cannot_write_the_record_does_not_take_part() {
    let full = || Some("No space left on device".to_owned());
    for pod in ["0", "1"] {
        let world = || World::new().room(pod, |room| room.complaint = full());
        let reason = format!(
            "s-db.{pod} cannot write the record of who is primary: No space left on device"
        );
        world().refused(
            &format!("pod {reason}"),
            &format!("docker exec s-db.{pod} df -h /backups"),
        );
        let forced = world().force();
        forced.goes(&CLEAN);
        assert_eq!(lines(&forced), [reason]);
    }
    World::new()
        .room("2", |room| room.complaint = full())
        .goes(&CLEAN);
}
