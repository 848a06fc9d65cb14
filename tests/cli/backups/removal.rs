//! `backups:delete`, `backups:prune` and `backups:cancel`: what goes, and what stays.

use std::fs;
use std::os::unix::fs::symlink;

use super::{NEW, OLD, files, job, put, put_verified};
use crate::support::world::World;

const THIRD: &str = "b003-20260513T143000Z.dump";

fn message(world: &World, words: &[&str]) -> String {
    world.answer(words).data()["message"]
        .as_str()
        .unwrap()
        .to_owned()
}

#[test]
fn delete_needs_a_yes_and_takes_everything_of_one_backup() {
    let world = World::with_cluster(1);
    put_verified(&world, OLD, 2048);
    put_verified(&world, NEW, 1);
    world.prepare("jobs", &job("b002", "0"));
    let delete = ["backups:delete", "clowk-lp/db", "b001"];
    let refusal = world.refused(
        &delete,
        "clowk-lp/db: this deletes backup b001 (2.0 kB) for good",
    );
    assert!(refusal.ends_with("add --yes to do it"), "{refusal}");
    assert_eq!(files(&world).len(), 4);
    let done = message(&world, &[&delete[..], &["--yes"]].concat());
    assert_eq!(
        done,
        format!("postgres clowk-lp/db: backup b001 deleted ({OLD}, 2.0 kB)")
    );
    assert!(!world.docker_calls().contains("rm -v"));
    let last = ["backups:delete", "clowk-lp/db", "b2"];
    world.refused(
        &last,
        "clowk-lp/db: this deletes backup b002 (1 B) for good, the last one that is verified",
    );
    let done = message(&world, &[&last[..], &["--yes"]].concat());
    assert!(
        done.ends_with("; no verified backup is left: vd pg:backups:capture clowk-lp/db makes one"),
        "{done}"
    );
    assert!(
        world
            .docker_calls()
            .contains("rm -v clowk-lp-db-backup-b002")
    );
    assert_eq!(files(&world), Vec::<String>::new());
    world.refused(
        &["backups:delete", "clowk-lp/db", "b1", "--yes"],
        "clowk-lp/db: there is no backup b001",
    );
}

#[test]
fn delete_leaves_a_running_capture_and_takes_a_failed_one() {
    let world = World::with_cluster(1);
    put(&world, &format!("{NEW}.partial"), 1);
    world.prepare("jobs", &job("b002", "running"));
    let delete = ["backups:delete", "clowk-lp/db", "b002", "--yes"];
    let refusal = world.refused(&delete, "clowk-lp/db: backup b002 is still being made");
    assert!(
        refusal.contains("vd pg:backups:cancel clowk-lp/db b002"),
        "{refusal}"
    );
    assert_eq!(files(&world).len(), 1);
    world.prepare("jobs", &job("b002", "1"));
    assert!(message(&world, &delete).ends_with("(it had failed and left no file)"));
    assert_eq!(files(&world), Vec::<String>::new());
}

#[test]
fn delete_leaves_a_container_that_still_looks_after_older_dumps() {
    let world = World::with_cluster(1);
    put_verified(&world, NEW, 1);
    world.prepare("jobs", &job("b002", "running"));
    let done = message(&world, &["backups:delete", "clowk-lp/db", "b002", "--yes"]);
    assert!(done.contains("backup b002 deleted"), "{done}");
    assert!(!world.docker_calls().contains("rm -v"));
}

#[test]
fn cancel_says_what_came_to_its_end_before() {
    let world = World::with_cluster(1);
    put_verified(&world, NEW, 1);
    world.prepare("jobs", &job("b002", "running"));
    let done = message(&world, &["backups:cancel", "clowk-lp/db", "b002"]);
    assert_eq!(
        done,
        "postgres clowk-lp/db: stopped 1 capture\n  \
         Complete by then, and kept: b002"
    );
    assert_eq!(files(&world).len(), 2);
}

#[test]
fn delete_never_reaches_out_of_the_directory() {
    let world = World::with_cluster(1);
    let directory = world.backups("clowk-lp", "db");
    let outside = directory.parent().unwrap().join("outside");
    fs::write(&outside, "outside").unwrap();
    put(&world, OLD, 1);
    symlink(&outside, directory.join(format!("{OLD}.sha256"))).unwrap();
    message(&world, &["backups:delete", "clowk-lp/db", "b001", "--yes"]);
    assert_eq!(fs::read_to_string(outside).unwrap(), "outside");
    assert_eq!(files(&world), Vec::<String>::new());
    let usage = world.answer(&["backups:delete", "clowk-lp/db", "../outside", "--yes"]);
    assert_eq!(usage.code, 2);
}

#[test]
fn prune_shows_first_and_deletes_with_a_yes() {
    let world = World::with_cluster(1);
    for name in [OLD, NEW, THIRD] {
        put_verified(&world, name, 1024);
    }
    put(&world, "b009-20250101T000000Z.dump", 1);
    let prune = ["backups:prune", "clowk-lp/db", "--max-age", "7d"];
    let preview = message(&world, &[&prune[..], &["--dry-run"]].concat());
    assert_eq!(
        preview,
        "postgres clowk-lp/db: retention (keep 30, max age 7d): would prune 2 backup(s): b001, b002 (2.0 kB)"
    );
    world.refused(
        &prune,
        "clowk-lp/db: this deletes 2 of its backups for good: b001, b002",
    );
    assert_eq!(files(&world).len(), 7);
    let done = message(&world, &[&prune[..], &["--yes"]].concat());
    assert!(done.contains(": pruned 2 backup(s): b001, b002"), "{done}");
    // What nobody verified is neither counted nor deleted.
    assert_eq!(files(&world).len(), 3);
    let again = message(&world, &[&prune[..], &["--yes"]].concat());
    assert!(again.ends_with("nothing to prune"), "{again}");
}

#[test]
fn prune_reads_the_config_and_says_when_there_is_no_limit() {
    let world = World::with_cluster(1);
    put_verified(&world, OLD, 1);
    put_verified(&world, NEW, 1);
    world.seed("clowk-lp", "db", "BACKUP_KEEP", "1");
    let prune = ["backups:prune", "clowk-lp/db", "--dry-run"];
    assert!(message(&world, &prune).contains("(keep 1): would prune 1 backup(s): b001"));
    world.seed("clowk-lp", "db", "BACKUP_KEEP", "0");
    world.refused(&prune, "clowk-lp/db: there is no limit");
    world.seed("clowk-lp", "db", "BACKUP_KEEP", "x");
    world.refused(
        &prune,
        "BACKUP_KEEP in the config: expected a number such as 30, got \"x\"",
    );
    let flag = [
        "backups:prune",
        "clowk-lp/db",
        "--retention",
        "1h",
        "--keep",
        "9",
        "--dry-run",
    ];
    assert!(message(&world, &flag).contains("would prune 1 backup(s): b001"));
}

#[test]
fn a_scopes_limits_hold_for_its_clusters_until_they_have_their_own() {
    let world = World::with_cluster(1);
    put_verified(&world, OLD, 1);
    put_verified(&world, NEW, 1);
    put_verified(&world, THIRD, 1);
    world.vd_ok(&[
        "config",
        "clowk-lp",
        "set",
        "BACKUP_KEEP=2",
        "BACKUP_MAX_AGE=1h",
    ]);
    let prune = ["backups:prune", "clowk-lp/db", "--dry-run"];
    // The first apply gave the cluster a BACKUP_KEEP of its own.
    assert!(message(&world, &prune).contains("(keep 30, max age 1h): would prune 2 backup(s)"));
    world.vd_ok(&[
        "config",
        "clowk-lp/db",
        "set",
        "BACKUP_KEEP=",
        "BACKUP_MAX_AGE=0",
    ]);
    assert!(message(&world, &prune).contains("(keep 2): would prune 1 backup(s)"));
    let flag = [&prune[..], &["--keep", "0"]].concat();
    world.refused(&flag, "clowk-lp/db: there is no limit");
}

/// Two that decide by one list would leave no backup between them.
#[test]
fn what_deletes_backups_decides_and_deletes_alone() {
    let world = World::with_cluster(1);
    for words in [
        ["backups:prune", "clowk-lp/db", "--keep", "1", "--yes"].as_slice(),
        &["backups:delete", "clowk-lp/db", "b002", "--yes"],
    ] {
        put_verified(&world, OLD, 1);
        put_verified(&world, NEW, 1);
        let lock = world.backups("clowk-lp", "db").join(".last-id.lock");
        let is_locked = || {
            let mut attempt = std::process::Command::new("flock");
            let attempt = attempt.args(["-n".as_ref(), lock.as_os_str(), "true".as_ref()]);
            assert_eq!(attempt.status().unwrap().code(), Some(1), "{words:?}");
        };
        let done = world.at("voodu.created_at", is_locked, || message(&world, words));
        assert!(done.contains("b00"), "{done}");
    }
}

#[test]
fn cancel_stops_what_runs_and_gives_the_space_back() {
    let world = World::with_cluster(1);
    put_verified(&world, OLD, 1);
    put(&world, &format!("{NEW}.partial"), 1);
    world.prepare("jobs", &[job("b001", "0"), job("b002", "running")].concat());
    let cancel = ["backups:cancel", "clowk-lp/db"];
    world.refused(
        &[&cancel[..], &["b001"]].concat(),
        "clowk-lp/db: backup b001 is not running, it is complete",
    );
    let done = message(&world, &cancel);
    assert_eq!(done, "postgres clowk-lp/db: stopped 1 capture");
    let calls = world.docker_calls();
    assert!(
        calls.contains("stop --time 3 clowk-lp-db-backup-b002\n"),
        "{calls}"
    );
    assert!(calls.contains("rm -v clowk-lp-db-backup-b002\n"), "{calls}");
    assert!(!calls.contains("rm -v clowk-lp-db-backup-b001"), "{calls}");
    world.prepare("jobs", &job("b001", "0"));
    assert!(message(&world, &cancel).ends_with("no capture is running"));
    assert_eq!(files(&world).len(), 2);
}
