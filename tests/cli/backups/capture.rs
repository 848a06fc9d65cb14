//! `backups:capture`: what is checked, what docker is asked, and what the operator is told.

use std::fs;
use std::os::unix::fs::MetadataExt as _;

use serde_json::Value;

use super::{NEW, OLD, files, job, put, put_verified};
use crate::support::world::World;

const PRIMARY: &str = "17|f|[\"postgres\"]\n1048576\n";
const STANDBY: &str = "17|t|[]\n1048576\n";

fn world(replicas: u16) -> World {
    let world = World::with_cluster(replicas);
    says(&world, PRIMARY);
    world
}

/// What the servers of all pods answer.
fn says(world: &World, rows: &str) {
    for pod in 0..3 {
        world.prepare(&format!("says-clowk-lp-db.{pod}"), rows);
    }
}

/// The arguments of the job that docker was last asked to start.
#[track_caller]
fn arguments(world: &World) -> Vec<String> {
    let calls = world.docker_calls();
    let call = calls.rsplit_once("\nrun -d ").unwrap().1;
    let (_, arguments) = call.rsplit_once("\ncapture\n backup ").unwrap();
    arguments
        .lines()
        .next()
        .unwrap()
        .split(' ')
        .map(str::to_owned)
        .collect()
}

#[track_caller]
fn argument(world: &World, key: &str) -> Option<String> {
    let arguments = arguments(world);
    let mut values = arguments
        .iter()
        .filter_map(|it| it.strip_prefix(key)?.strip_prefix('='));
    values.next().map(str::to_owned)
}

const CAPTURE: &[&str] = &["backups:capture", "clowk-lp/db"];

#[test]
fn a_container_dumps_the_primary_in_the_background() {
    let world = world(3);
    let data = world.answer(CAPTURE).data();
    assert_eq!(
        data["message"],
        "postgres clowk-lp/db: backup b001 capturing in background (container \
         clowk-lp-db-backup-b001, source: ordinal 0). track via: vd pg:backups clowk-lp/db | \
         vd pg:backups:logs clowk-lp/db b001 --follow\n  \
         It holds the database appdata: not the server's roles, nor its other databases (postgres)."
    );
    assert_eq!(data["actions"], Value::Null);
    let calls = world.docker_calls();
    assert!(calls.contains(
        "\nrun -d --name clowk-lp-db-backup-b001 --network container:clowk-lp-db.0 --volume "
    ));
    assert!(
        calls.contains(
            "--label voodu.role=backup --label voodu.scope=clowk-lp --label voodu.name=db"
        )
    );
    for (key, expected) in [
        ("cluster", "clowk-lp/db"),
        ("source", "0"),
        ("user", "appuser"),
        ("database", "appdata"),
        ("port", "5432"),
        ("compress", "6"),
        ("raw", "1048576"),
        ("estimate", "524288"),
    ] {
        assert_eq!(argument(&world, key).as_deref(), Some(expected), "{key}");
    }
    assert_eq!(argument(&world, "password_file"), None);
    assert_eq!(argument(&world, "primary"), None);
    assert_eq!(files(&world), Vec::<String>::new());
    world.assert_only_asked();
    // The primary by the record, whatever the ordinal.
    world.record("clowk-lp", "db", 2);
    world.answer(CAPTURE).data();
    assert_eq!(argument(&world, "source").unwrap(), "2");
    assert_eq!(argument(&world, "id").unwrap(), "b002");
}

#[test]
fn following_is_left_to_the_operators_side() {
    let world = world(1);
    let data = world.answer(&[CAPTURE, &["--follow"]].concat()).data();
    let command = &data["actions"][0]["command"];
    assert_eq!(command[4], "clowk-lp-db-backup-b001");
    let script = command[2].as_str().unwrap();
    assert!(script.contains("docker logs -f") && script.contains("docker wait"));
    assert!(!data["message"].as_str().unwrap().contains("background"));
}

#[test]
fn a_standby_needs_the_password_which_is_in_no_argument() {
    let world = world(2);
    says(&world, STANDBY);
    let answer = world.answer(&[CAPTURE, &["--from-replica", "1"]].concat());
    let data = answer.data();
    assert!(
        data["message"]
            .as_str()
            .unwrap()
            .contains("Rows of unlogged tables"),
        "{data}"
    );
    assert_eq!(argument(&world, "source").unwrap(), "1");
    assert_eq!(argument(&world, "primary").unwrap(), "db-0.clowk-lp.voodu");
    let name = argument(&world, "password_file").unwrap();
    let path = world.backups("clowk-lp", "db").join(name);
    assert_eq!(fs::read_to_string(&path).unwrap(), "hunter/2\n");
    assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
    assert!(!world.docker_calls().contains("hunter") && !format!("{answer:?}").contains("hunter"));
    // The next capture removes what this one did not.
    says(&world, PRIMARY);
    world.answer(CAPTURE).data();
    assert!(!path.exists());
}

#[test]
fn a_server_that_trusts_nobody_needs_it_too() {
    let world = world(1);
    world.prepare("trusts-nobody", "yes");
    world.answer(CAPTURE).data();
    assert!(argument(&world, "password_file").is_some());
    assert_eq!(argument(&world, "primary"), None);
}

#[test]
fn a_pod_that_became_the_primary_is_dumped_as_such() {
    let world = world(2);
    world.record("clowk-lp", "db", 1);
    let data = world
        .answer(&[CAPTURE, &["--from-replica", "1"]].concat())
        .data();
    assert!(
        data["message"]
            .as_str()
            .unwrap()
            .ends_with("That pod is the primary by now.")
    );
    says(&world, STANDBY);
    world.refused(CAPTURE, "clowk-lp/db: pod 1 is not the primary yet");
    world.record("clowk-lp", "db", 0);
    says(&world, PRIMARY);
    let words = [CAPTURE, &["--from-replica", "1"]].concat();
    world.refused(&words, "clowk-lp/db: pod 1 is not a standby");
}

/// The clock may be wrong for just this one, whose age then says nothing about the others'.
#[test]
fn a_capture_measures_the_age_of_the_others_at_the_newest_before_it() {
    let world = world(1);
    put_verified(&world, "b001-20260401T020000Z.dump", 10);
    put_verified(&world, "b002-20260504T020000Z.dump", 10);
    put_verified(&world, "b003-20260505T020000Z.dump", 10);
    world
        .answer(&[CAPTURE, &["--max-age", "7d"]].concat())
        .data();
    let all = arguments(&world);
    let expired: Vec<_> = all.iter().filter(|it| it.starts_with("expired=")).collect();
    assert_eq!(expired, ["expired=b001-20260401T020000Z.dump"]);
}

#[test]
fn what_the_job_does_afterwards_is_decided_at_once() {
    let world = world(1);
    put_verified(&world, OLD, 10);
    put_verified(&world, NEW, 10);
    put(&world, "b003-20260506T000000Z.dump", 10);
    world.answer(&[CAPTURE, &["--keep", "2"]].concat()).data();
    let all = arguments(&world);
    assert!(
        all.contains(&"verify=b003-20260506T000000Z.dump".to_owned()),
        "{all:?}"
    );
    let expired: Vec<_> = all.iter().filter(|it| it.starts_with("expired=")).collect();
    assert_eq!(expired, [&format!("expired={OLD}")]);
    assert_eq!(files(&world).len(), 5, "nothing is deleted now");
    world.answer(&[CAPTURE, &["--keep", "0"]].concat()).data();
    assert_eq!(argument(&world, "expired"), None);
    world.seed("clowk-lp", "db", "BACKUP_KEEP", "many");
    world.refused(CAPTURE, "BACKUP_KEEP in the config");
}

#[test]
fn compression_is_what_the_version_can_do() {
    let world = world(1);
    world.seed("clowk-lp", "db", "BACKUP_COMPRESS", "zstd:3");
    world.answer(CAPTURE).data();
    assert_eq!(argument(&world, "compress").unwrap(), "zstd:3");
    world
        .answer(&[CAPTURE, &["--compress", "none"]].concat())
        .data();
    assert_eq!(argument(&world, "compress").unwrap(), "0");
    says(&world, &PRIMARY.replace("17|", "15|"));
    world.refused(
        CAPTURE,
        "zstd:3: pg_dump compresses so from postgres 16 on, and this is 15",
    );
    let usage = world.answer(&[CAPTURE, &["--compress", "brotli"]].concat());
    assert_eq!(usage.code, 2);
}

#[test]
fn an_id_is_never_used_again() {
    let world = world(1);
    put(&world, OLD, 1);
    world.prepare("jobs", &job("b004", "1"));
    world.answer(CAPTURE).data();
    assert_eq!(argument(&world, "id").unwrap(), "b005");
    assert!(
        world
            .docker_calls()
            .contains("rm -v clowk-lp-db-backup-b004")
    );
    world.prepare("jobs", "");
    world.answer(CAPTURE).data();
    assert_eq!(argument(&world, "id").unwrap(), "b006");
}

#[test]
fn what_a_killed_restore_left_is_given_back() {
    let world = world(1);
    let left = world
        .backups("clowk-lp", "db")
        .join(".restore-r001.download");
    fs::write(&left, "half a dump").unwrap();
    world.prepare(
        "restores",
        &job("b001", "running").replace("backup-b", "restore-r"),
    );
    world.answer(CAPTURE).data();
    assert!(left.exists());
    world.prepare(
        "restores",
        &job("b001", "137").replace("backup-b", "restore-r"),
    );
    world.answer(CAPTURE).data();
    assert!(!left.exists());
}

#[test]
fn a_sibling_that_just_ended_may_still_be_watched() {
    let world = world(1);
    world.prepare("jobs", &job("b004", "0").replace("2 hours", "3 seconds"));
    world.answer(CAPTURE).data();
    assert!(!world.docker_calls().contains("rm -v"));
}

#[test]
fn a_running_sibling_is_never_removed() {
    let world = world(1);
    world.prepare("jobs", &job("b004", "running"));
    world.answer(CAPTURE).data();
    assert!(!world.docker_calls().contains("rm -v"));
}

#[test]
fn no_room_no_pod_no_answer_and_no_directory_are_refused() {
    let world = world(1);
    says(&world, "17|f|[]\n9000000000000000000\n");
    let refusal = world.refused(CAPTURE, "clowk-lp/db: a backup needs about ");
    assert!(refusal.contains("PB, and the disk of "), "{refusal}");
    says(&world, PRIMARY);
    world.prepare("pods", "clowk-lp-db.0\texited\t0\n");
    world.refused(CAPTURE, "pod clowk-lp-db.0 is not running, it is exited");
    world.prepare("pods", "clowk-lp-db.0\trunning\t0\n");
    fs::remove_file(world.bin().join("says-clowk-lp-db.0")).unwrap();
    let error = world.answer(CAPTURE).error();
    assert!(
        error.contains("the database system is starting up"),
        "{error}"
    );
    assert!(!world.docker_calls().contains("\nrun -d "));
    assert_eq!(files(&world), Vec::<String>::new());
}

#[test]
fn a_container_that_cannot_start_leaves_no_password() {
    let world = world(1);
    world.prepare("trusts-nobody", "yes");
    world.prepare("run", "docker: no such image");
    let error = world.answer(CAPTURE).error();
    assert!(error.contains("no such image"), "{error}");
    let left = fs::read_dir(world.backups("clowk-lp", "db")).unwrap();
    let names: Vec<_> = left.map(|entry| entry.unwrap().file_name()).collect();
    assert!(
        names
            .iter()
            .all(|name| !name.to_string_lossy().contains("password")),
        "{names:?}"
    );
}
