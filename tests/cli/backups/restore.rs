//! `backups:restore`: what is refused before anything starts, what docker is asked, and how the
//! result reaches the operator.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, symlink};
use std::time::{Duration, Instant};

use super::{NEW, OLD, files, job, put, put_verified};
use crate::support::world::{NOWHERE, World};

const PRIMARY: &str = "17|f|[]\n1048576\n";
const RESTORE: &[&str] = &["backups:restore", "clowk-lp/db", "b001", "--yes"];

/// A cluster with the backup b001, and a job that succeeds at once.
fn world() -> World {
    let world = World::with_cluster(2);
    for pod in 0..2 {
        world.prepare(&format!("says-clowk-lp-db.{pod}"), PRIMARY);
    }
    put_verified(&world, OLD, 10);
    world.prepare("wait", "0\n");
    world.prepare("log", "restore: …\npostgres clowk-lp/db: b001 restored\n");
    world
}

/// A restore's container as docker lists it.
fn restore(id: &str, state: &str) -> String {
    job(id, state).replace("-backup-", "-restore-")
}

/// The `docker run` of the last job, without its script.
#[track_caller]
fn started(world: &World) -> (String, String) {
    let calls = world.docker_calls();
    let call = calls.rsplit_once("\nrun -d ").unwrap().1;
    let (options, rest) = call.split_once(" --entrypoint ").unwrap();
    let (_, arguments) = rest.rsplit_once("\nrestore_dump\n restore ").unwrap();
    let arguments = arguments.lines().next().unwrap();
    (options.to_owned(), arguments.to_owned())
}

fn with<'a>(dump: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let words = ["backups:restore", "clowk-lp/db", dump, "--yes"];
    [&words, more].concat()
}

#[test]
fn a_container_restores_the_primary_and_its_last_line_is_the_reply() {
    let world = world();
    let data = world.answer(RESTORE).data();
    assert_eq!(data["message"], "postgres clowk-lp/db: b001 restored");
    let (options, arguments) = started(&world);
    assert!(
        options.starts_with("--name clowk-lp-db-restore-r001 --network container:clowk-lp-db.0 "),
        "{options}"
    );
    assert_eq!(
        arguments,
        format!(
            "file=/backups/{OLD} checksum=/backups/{OLD}.sha256 cluster=clowk-lp/db id=r001 \
             container=clowk-lp-db-restore-r001 name={OLD} target=0 user=appuser database=appdata port=5432"
        )
    );
    world.assert_only_asked();
    world.record("clowk-lp", "db", 1);
    world.answer(&with("b001", &["--ignore-space"])).data();
    let (options, arguments) = started(&world);
    assert!(options.contains("container:clowk-lp-db.1 "), "{options}");
    assert!(arguments.ends_with(" ignore_space=yes"), "{arguments}");
}

#[test]
fn a_failure_is_an_error_with_the_reason_of_the_job() {
    let world = world();
    world.prepare("wait", "1\n");
    world.prepare("log", "x\nfailed: no room; the database is as it was\n");
    let error = world.refused(RESTORE, "clowk-lp/db: no room; the database is as it was; ");
    assert!(
        error.ends_with("all that it said: vd pg:backups:logs clowk-lp/db r001"),
        "{error}"
    );
    world.prepare("wait", "137\n");
    world.prepare("log", "tried: …\n");
    world.refused(
        RESTORE,
        "clowk-lp/db: clowk-lp-db-restore-r001 was stopped or killed (exit code 137)",
    );
}

#[test]
fn a_long_one_goes_on_in_the_background() {
    let world = world();
    world.prepare("wait", "");
    let before = Instant::now();
    let data = world.answer(RESTORE).data();
    assert!(before.elapsed() < Duration::from_secs(25));
    let message = data["message"].as_str().unwrap();
    assert!(
        message.starts_with(&format!(
            "postgres clowk-lp/db: {OLD} is being restored in the background (r001, "
        )),
        "{message}"
    );
    assert!(message.contains("vd pg:backups:cancel clowk-lp/db r001"));
}

#[test]
fn following_is_left_to_the_operators_side() {
    let world = world();
    let data = world.answer(&with("b001", &["--follow"])).data();
    assert_eq!(data["actions"][0]["command"][4], "clowk-lp-db-restore-r001");
    assert!(!world.docker_calls().contains("\nwait "));
}

#[test]
fn a_url_lies_in_a_file_that_only_root_reads() {
    let world = world();
    let url = "http://me:hunter2@h/db.dump?sig=hunter3";
    let answer = world.answer(&with(url, &[]));
    answer.data();
    let calls = world.docker_calls();
    assert!(!calls.contains("hunter") && !format!("{answer:?}").contains("hunter"));
    let (options, arguments) = started(&world);
    assert!(
        options.contains(",target=/job/voodu-postgres,readonly "),
        "{options}"
    );
    assert!(arguments.contains(" name=http://h/db.dump "), "{arguments}");
    let name = arguments.split("url_file=").nth(1).unwrap();
    let name = name.split(' ').next().unwrap();
    let path = world.backups("clowk-lp", "db").join(name);
    assert_eq!(fs::read_to_string(&path).unwrap(), format!("{url}\n"));
    assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
    // Its job is gone and did not remove it.
    world.answer(RESTORE).data();
    assert!(!path.exists());
}

#[test]
fn a_url_in_the_wrong_place_is_not_repeated() {
    let world = world();
    let url = "https://me:hunter2@h/db.dump?sig='hunter3";
    for words in [
        &["backups:restore", url, "b007", "--yes"][..],
        &["backups:restore", "clowk-lp/db", "b007", url, "--yes"],
        &["backups:restore", "clowk-lp/db", "--yes", "--sha256", url],
        &["backups:delete", "clowk-lp/db", url],
    ] {
        let answer = world.answer(words);
        assert_eq!(answer.code, 2, "{answer:?}");
        assert!(!format!("{answer:?}").contains("hunter"), "{answer:?}");
        assert!(answer.stdout.contains("https://…"), "{answer:?}");
    }
}

#[test]
fn a_job_that_cannot_start_leaves_nothing_secret() {
    let world = world();
    world.prepare("trusts-nobody", "yes");
    world.prepare("run", "docker: no such image");
    let error = world.answer(&with("http://h/x?hunter2", &[])).error();
    assert!(error.contains("no such image"), "{error}");
    let left = fs::read_dir(world.backups("clowk-lp", "db")).unwrap();
    let names = left.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let names: Vec<_> = names.filter(|name| name.starts_with(".restore")).collect();
    assert_eq!(names, Vec::<String>::new());
    world.prepare(
        "run",
        "docker: Error response from daemon: bind source path does not exist: /x.\nSee 'docker run --help'.",
    );
    world.refused(&with("/x", &[]), "there is no file /x on the host");
}

/// Docker goes on with what its client was killed over.
#[test]
fn a_job_that_docker_may_start_later_is_removed_or_named() {
    let world = world();
    world.prepare("run-hangs", "");
    let error = world.answer(RESTORE).error();
    assert!(
        error.contains("did not end within 9 s") && !error.contains("may have"),
        "{error}"
    );
    let calls = world.docker_calls();
    assert!(
        calls.contains("rm -f -v clowk-lp-db-restore-r001\n"),
        "{calls}"
    );
    world.prepare("stubborn", "");
    let error = world.refused(RESTORE, "clowk-lp/db: docker may have started ");
    assert!(
        error.contains("clowk-lp-db-restore-r001 all the same, which replaces data")
            && error.contains("vd pg:backups:logs clowk-lp/db r001")
            && error.contains("vd pg:backups:cancel clowk-lp/db r001"),
        "{error}"
    );
}

#[test]
fn nothing_starts_for_what_cannot_be_restored() {
    let world = world();
    world.refused(&RESTORE[..3], "clowk-lp/db: a restore replaces what");
    put(&world, &format!("{NEW}.partial"), 10);
    world.prepare("jobs", &job("b002", "running"));
    world.refused(&with("b002", &[]), "clowk-lp/db: backup b002 is running");
    world.refused(&with("b009", &[]), "clowk-lp/db: there is no backup b009");
    world.refused(
        &with("ftp://u:hunter2@h/x", &[]),
        "only http:// and https:// URLs",
    );
    world.refused(
        &with("http://127.0.0.1/x?hunter2", &[]),
        "the dump is downloaded in the network of the pod",
    );
    let directory = world.backups("clowk-lp", "db");
    symlink("/etc/passwd", directory.join("link.dump")).unwrap();
    let link = directory.join("link.dump").display().to_string();
    world.refused(&with(&link, &[]), &link);
    world.refused(
        &with("/", &[]),
        "the file must be named by its absolute path",
    );
    let error = world.answer(&with("db.dump", &[])).error();
    assert!(error.contains("absolute path on the host"), "{error}");
    assert_eq!(world.answer(&with("b001", &["--sha256", "x"])).code, 2);
    assert!(!world.docker_calls().contains("\nrun -d "));
    assert_eq!(files(&world).len(), 4);
}

#[test]
fn the_cluster_must_be_able_to_take_it() {
    let world = world();
    world.prepare("restores", &restore("r007", "running"));
    let error = world.refused(RESTORE, "clowk-lp/db: another restore is running, r007");
    assert!(error.contains("vd pg:backups:logs clowk-lp/db r007 --follow"));
    world.prepare("restores", "");
    let path = world.record_path("clowk-lp", "db");
    let steady = fs::read_to_string(&path).unwrap();
    for (state, reason) in [
        ("maintenance", "clowk-lp/db: it is in maintenance"),
        ("handover\ntarget=1", "clowk-lp/db: a handover is under way"),
    ] {
        fs::write(&path, steady.replace("steady", state)).unwrap();
        world.refused(RESTORE, reason);
    }
    fs::write(&path, steady).unwrap();
    world.prepare("says-clowk-lp-db.0", "17|t|[]\n1\n");
    world.refused(RESTORE, "clowk-lp/db: pod 0 is not the primary yet");
    world.prepare("pods", "clowk-lp-db.0\texited\t0\n");
    world.refused(RESTORE, "pod clowk-lp-db.0 is not running");
    assert!(!world.docker_calls().contains("\nrun -d "));
}

/// The pods may carry on what its container began.
#[test]
fn cancel_does_not_end_well_when_the_record_cannot_be_asked_for() {
    let world = world();
    world.prepare("restores", &restore("r002", "running"));
    world.prepare("log", "cancelled after 3s; the database is as it was\n");
    let cancel = ["backups:cancel", "clowk-lp/db", "r002"];
    let error = world.answer_to(NOWHERE, &cancel).error();
    assert!(
        error.contains("clowk-lp-db-restore-r002: cancelled after 3s")
            && error.ends_with("run it again to take the restore back"),
        "{error}"
    );
    let calls = world.docker_calls();
    assert!(
        calls.contains("stop --time 8 clowk-lp-db-restore-r002"),
        "{calls}"
    );
}

/// What docker cannot tell of the volume is not the word that the data are gone.
#[test]
fn a_restore_is_taken_back_as_long_as_the_old_data_are_known_to_be_there() {
    let world = world();
    world.next_record("primary=0\nstate=maintenance\n");
    let before = world.record_text();
    let cancel = ["backups:cancel", "clowk-lp/db", "r002"];
    let forced = "vd pg:promote clowk-lp/db --replica <ordinal> --force";
    let error = world.refused(
        &cancel,
        "pod 0 has no volume any more, so the restore cannot be",
    );
    assert!(
        error.contains("clowk-lp-db.0 gave the restore up"),
        "{error}"
    );
    assert!(error.ends_with(forced), "{error}");
    world.prepare("volumes", "");
    world.prepare("clone", "3");
    let error = world.refused(&cancel, "pod 0 holds no data from before the restore");
    assert!(error.ends_with(forced), "{error}");
    // While the pod is at it, nobody goes on without it.
    let request = world.backups("clowk-lp", "db").join(".restore");
    std::fs::write(&request, "epoch=8\n").unwrap();
    world.prepare("clone", "1");
    let error = world.refused(&cancel, "pod 0 has already removed its old data");
    assert!(
        error.contains("wait until it is over") && !error.contains("force"),
        "{error}"
    );
    world.prepare("clone", "125");
    let error = world.refused(&cancel, "the volume of pod 0 cannot be looked at");
    assert!(
        error.contains("run it again") && !error.contains("force"),
        "{error}"
    );
    assert_eq!(world.record_text(), before);
    world.prepare("clone", "0");
    let data = world.answer(&cancel).data();
    let message = data["message"].as_str().unwrap();
    assert!(message.contains("the restore was taken back"), "{message}");
}

/// The maintenance is the work of one restore, and only its own id ends it.
#[test]
fn cancel_takes_back_no_other_restore_than_the_one_it_names() {
    let world = world();
    world.next_record("primary=0\nstate=maintenance\n");
    let before = world.record_text();
    let epoch = before.lines().find(|line| line.starts_with("epoch="));
    let request = format!("{}\ntar=.restore-r002.tar\nbytes=1\n", epoch.unwrap());
    fs::write(world.backups("clowk-lp", "db").join(".restore"), request).unwrap();
    world.prepare("volumes", "");
    world.prepare("clone", "0");
    world.prepare("restores", &restore("r001", "0"));
    for id in ["r001", "r009"] {
        let error = world.refused(
            &["backups:cancel", "clowk-lp/db", id],
            "clowk-lp/db: the pods carry out the restore r002, not ",
        );
        assert!(
            error.ends_with("vd pg:backups:cancel clowk-lp/db r002"),
            "{error}"
        );
        assert_eq!(world.record_text(), before);
    }
    let data = world.answer(&["backups:cancel", "clowk-lp/db", "r002"]);
    let data = data.data();
    let message = data["message"].as_str().unwrap();
    assert!(message.contains("the restore was taken back"), "{message}");
}

#[test]
fn the_last_line_of_a_killed_restore_is_not_its_result() {
    let world = world();
    world.prepare("restores", &restore("r002", "running"));
    world.prepare("log", "restoring: 80 %\n");
    world.prepare("wait", "137\n");
    let cancel = ["backups:cancel", "clowk-lp/db", "r002"];
    let error = world.refused(
        &cancel,
        "clowk-lp/db: clowk-lp-db-restore-r002 was killed before it could say how it ended",
    );
    assert!(!error.contains("80 %"), "{error}");
    assert!(error.contains("look at the database"), "{error}");
    world.prepare("wait", "143\n");
    world.answer(&cancel).data();
}

#[test]
fn logs_and_cancel_know_restores() {
    let world = world();
    world.prepare("restores", &restore("r002", "running"));
    world.prepare("log", "x\ncancelled after 3s; the database is as it was\n");
    let logs = world.answer(&["backups:logs", "clowk-lp/db", "r002"]);
    assert!(logs.stdout.starts_with("x\n"), "{logs:?}");
    let data = world
        .answer(&["backups:cancel", "clowk-lp/db", "r2"])
        .data();
    assert_eq!(
        data["message"],
        "postgres clowk-lp/db: clowk-lp-db-restore-r002: cancelled after 3s; the database is as it was"
    );
    assert!(
        world
            .docker_calls()
            .contains("stop --time 8 clowk-lp-db-restore-r002")
    );
    world.refused(
        &["backups:logs", "clowk-lp/db", "r003"],
        "clowk-lp/db: there is no container clowk-lp-db-restore-r003",
    );
    world.prepare("restores", &restore("r002", "0"));
    world.refused(
        &["backups:cancel", "clowk-lp/db", "r002"],
        "clowk-lp/db: clowk-lp-db-restore-r002 is not running any more",
    );
    // The next restore gets a number of its own and removes the container of the last one.
    world.answer(RESTORE).data();
    let calls = world.docker_calls();
    assert!(
        calls.contains("--name clowk-lp-db-restore-r003 ")
            && calls.contains("rm -v clowk-lp-db-restore-r002")
    );
}
