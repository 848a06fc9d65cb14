//! `backups`: files and containers as one list.

use std::fs;
use std::os::unix::fs::symlink;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::json;

use super::{NEW, OLD, files, job, put, put_verified};
use crate::support::world::{World, cluster};

#[test]
fn one_cluster_as_text() {
    let world = World::with_cluster(1);
    put_verified(&world, OLD, 2048);
    put(&world, &format!("{NEW}.partial"), 512);
    world.prepare("jobs", &[job("b002", "running"), job("b003", "1")].concat());
    let text = world.vd_ok(&["pg:backups", "clowk-lp/db"]);
    let expected = "\
=== Backups for clowk-lp/db

ID    Status    Created at                  Size  Verified
b001  complete  2026-05-04T02:00:00Z      2.0 kB  yes
b002  running   2026-05-05T14:30:00Z       512 B  no
b003  failed    2026-05-05T14:30:00Z           -  no

A backup holds one database: not the server's roles, and not its other databases.
";
    assert_eq!(text, expected);
    world.assert_only_asked();
}

#[test]
fn one_cluster_as_json() {
    let world = World::with_cluster(1);
    put(&world, OLD, 100);
    let expected = json!({"backups": [{
        "cluster": "clowk-lp/db", "id": "b001", "status": "complete", "size_bytes": 100,
        "created_at": "2026-05-04T02:00:00Z", "verified": false, "file": OLD, "container": null,
    }]});
    for flag in [&["-o", "json"][..], &["--json"]] {
        let words = [&["backups", "clowk-lp/db"][..], flag].concat();
        assert_eq!(world.answer(&words).document(), expected);
    }
}

#[test]
fn a_scope_or_all_of_them_deleted_clusters_too() {
    let world = World::with_cluster(1);
    assert_eq!(world.answer(&["backups"]).stdout, "There are no backups.\n");
    put_verified(&world, OLD, 1);
    let gone = world.backups("gone", "db");
    fs::write(gone.join(OLD), "x").unwrap();
    let all = world.answer(&["backups"]).stdout;
    assert!(all.contains("=== Backups for clowk-lp/db\n"), "{all}");
    assert!(all.contains("=== Backups for gone/db\n"), "{all}");
    let scope = world.answer(&["backups", "clowk-lp"]).stdout;
    assert!(!scope.contains("gone"), "{scope}");
    let one = world.answer(&["backups", "gone/db"]).stdout;
    assert!(one.contains("b001  complete"), "{one}");
}

#[test]
fn a_cluster_that_cannot_be_listed_hides_no_other() {
    let world = World::with_cluster(1);
    put_verified(&world, OLD, 1);
    world.apply(&cluster(1, "volumes = [\"vault:/backups\"]"));
    let gone = world.backups("gone", "db");
    fs::write(gone.join(OLD), "x").unwrap();
    let all = world.answer(&["backups"]).stdout;
    let reason = "clowk-lp/db: /backups is the docker volume vault, and backups need a directory of the host";
    assert!(
        all.contains(&format!("They cannot be listed: {reason}\n")),
        "{all}"
    );
    assert!(all.contains("b001  complete"), "{all}");
    let document = world.answer(&["backups", "--json"]).document();
    assert_eq!(document["unlisted"][0]["reason"], reason);
    world.refused(&["backups", "clowk-lp/db"], reason);
    world.refused(&["backups:capture", "clowk-lp/db"], reason);
}

#[test]
fn nothing_yet_and_no_such_cluster() {
    let world = World::with_cluster(1);
    let text = world.answer(&["backups", "clowk-lp/db"]).stdout;
    assert!(text.ends_with("\nNone yet: vd pg:backups:capture clowk-lp/db makes one.\n"));
    world.refused(
        &["backups", "clowk-lp/nope"],
        "clowk-lp/nope: there is no postgres cluster",
    );
    let usage = world.answer(&["backups", "../x"]);
    assert_eq!(usage.code, 2, "{usage:?}");
}

#[test]
fn what_is_planted_is_neither_listed_nor_touched() {
    let world = World::with_cluster(1);
    let directory = world.backups("clowk-lp", "db");
    let outside = directory.parent().unwrap().join("outside");
    fs::write(&outside, "outside").unwrap();
    symlink(&outside, directory.join(OLD)).unwrap();
    symlink(&outside, directory.join(format!("{OLD}.partial"))).unwrap();
    fs::create_dir(directory.join(NEW)).unwrap();
    let pipe = directory.join("b003-20260504T020000Z.dump");
    assert!(Command::new("mkfifo").arg(pipe).status().unwrap().success());
    put(&world, &"b".repeat(255), 1);
    let text = world.answer(&["backups", "clowk-lp/db"]).stdout;
    assert!(text.contains("None yet"), "{text}");
    assert_eq!(fs::read_to_string(outside).unwrap(), "outside");
    assert_eq!(files(&world).len(), 5);
}

#[test]
fn what_a_killed_capture_left_is_given_back() {
    let world = World::with_cluster(1);
    put(&world, &format!("{NEW}.partial"), 100);
    put(&world, &format!("{NEW}.sha256"), 100);
    world.prepare("jobs", &job("b002", "running"));
    world.answer(&["backups", "clowk-lp/db"]);
    assert_eq!(files(&world).len(), 2);
    world.prepare("jobs", &job("b002", "137"));
    let text = world.answer(&["backups", "clowk-lp/db"]).stdout;
    assert!(text.contains("b002  failed"), "{text}");
    assert_eq!(files(&world), Vec::<String>::new());
}

#[test]
fn thousands_of_files_take_no_time() {
    let world = World::with_cluster(1);
    for number in 1..=5_000 {
        put(&world, &format!("b{number:03}-20260504T020000Z.dump"), 1);
    }
    let before = Instant::now();
    let answer = world.answer(&["backups", "clowk-lp/db", "--json"]);
    let elapsed = before.elapsed();
    assert_eq!(
        answer.document()["backups"].as_array().unwrap().len(),
        5_000
    );
    assert!(elapsed < Duration::from_secs(2), "{elapsed:?}");
}
