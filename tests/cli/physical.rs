//! `backup` and `restore`: what is refused before anything starts, and what docker is asked.

use std::fs;
use std::os::unix::fs::MetadataExt as _;

use crate::support::world::World;

const PRIMARY: &str = "17|f|[]\n1048576\n";
const BACKUP: &[&str] = &["backup", "clowk-lp/db", "--destination", "/srv/b/db.tar"];

fn world() -> World {
    let world = World::with_cluster(2);
    world.prepare("says-clowk-lp-db.0", PRIMARY);
    world.prepare("says-clowk-lp-db.1", "17|t|[]\n1048576\n");
    world.prepare("verifier", "SCRAM-SHA-256$4096:hunter$x:y\n");
    world.prepare("wait", "0\n");
    world.prepare("log", "postgres clowk-lp/db: done\n");
    world
}

/// The `docker run` of the last job, without its script.
#[track_caller]
fn started(world: &World, last_line: &str) -> (String, String) {
    let calls = world.docker_calls();
    let call = calls.rsplit_once("\nrun -d ").unwrap().1;
    let (options, rest) = call.split_once(" --entrypoint ").unwrap();
    let (_, arguments) = rest.rsplit_once(&format!("\n{last_line}\n ")).unwrap();
    (
        options.to_owned(),
        arguments.lines().next().unwrap().to_owned(),
    )
}

#[test]
fn a_backup_is_written_beside_its_destination() {
    let world = world();
    let data = world.answer(BACKUP).data();
    assert_eq!(data["message"], "postgres clowk-lp/db: done");
    let (options, arguments) = started(&world, "backup");
    for expected in [
        "--name clowk-lp-db-physical-p001 --network container:clowk-lp-db.0 ",
        "--mount type=bind,\"source=/srv/b\",target=/destination ",
    ] {
        assert!(options.contains(expected), "{options}");
    }
    assert_eq!(
        arguments,
        "physical cluster=clowk-lp/db container=clowk-lp-db-physical-p001 source=0 user=appuser \
         port=5432 name=db.tar destination=/srv/b/db.tar"
    );
    world
        .answer(&[BACKUP, &["--from-replica", "1"]].concat())
        .data();
    let (options, _) = started(&world, "backup");
    assert!(options.contains("container:clowk-lp-db.1 "), "{options}");
    world.assert_only_asked();
}

#[test]
fn a_backup_that_cannot_be_is_refused() {
    let world = world();
    for destination in ["db.tar", "./db.tar", "/", "/srv/.."] {
        world.refused(
            &["backup", "clowk-lp/db", "--destination", destination],
            "the file must be named by its absolute path",
        );
    }
    world.prepare(
        "run",
        "docker: Error response from daemon: bind source path does not exist: /srv/b.\nSee 'docker run --help'.",
    );
    world.refused(BACKUP, "there is no directory /srv/b on the host");
    world.prepare("pods", "clowk-lp-db.0\texited\t0\n");
    world.refused(BACKUP, "pod clowk-lp-db.0 is not running");
}

#[test]
fn a_restore_asks_the_pods_and_shows_no_verifier() {
    let world = world();
    let folder = tempfile::tempdir().unwrap();
    let tar = folder.path().join("db.tar");
    fs::write(&tar, "tar").unwrap();
    let tar = tar.display().to_string();
    let words = ["restore", "clowk-lp/db", "--from", &tar, "--yes"];
    let answer = world.answer(&words);
    assert_eq!(answer.data()["message"], "postgres clowk-lp/db: done");
    let calls = world.docker_calls();
    assert!(!calls.contains("hunter") && !format!("{answer:?}").contains("hunter"));
    let (options, arguments) = started(&world, "restore");
    assert!(
        options.starts_with("--name clowk-lp-db-restore-r001 --network none "),
        "{options}"
    );
    assert!(arguments.contains(" tar=.restore-r001.tar "), "{arguments}");
    assert!(arguments.contains(" primary=0"), "{arguments}");
    let name = arguments.split("request=").nth(1).unwrap();
    let name = name.split(' ').next().unwrap();
    let directory = world.backups("clowk-lp", "db");
    let request = directory.join(name);
    assert_eq!(
        fs::read_to_string(&request).unwrap(),
        "user=SCRAM-SHA-256$4096:hunter$x:y\nreplication=SCRAM-SHA-256$4096:hunter$x:y\n"
    );
    assert_eq!(fs::metadata(&request).unwrap().mode() & 0o777, 0o600);
    // A second name of the file, or else a mount of it.
    let linked = directory.join(".restore-r001.tar").exists();
    assert_eq!(
        linked,
        !arguments.contains(" source=/job/backup"),
        "{arguments}"
    );
    // The next one removes what the job, which is none here, did not.
    let refused = ["restore", "clowk-lp/db", "--from", "/no/such.tar", "--yes"];
    world.prepare(
        "run",
        "docker: bind source path does not exist: /no/such.tar",
    );
    world.refused(&refused, "there is no file /no/such.tar on the host");
    let left = fs::read_dir(&directory).unwrap();
    let names = left.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let names: Vec<_> = names.filter(|name| name.starts_with(".restore")).collect();
    assert_eq!(names, Vec::<String>::new());
}

#[test]
fn a_link_to_a_backup_is_as_good() {
    let world = world();
    let folder = tempfile::tempdir_in(world.backups("clowk-lp", "db")).unwrap();
    fs::write(folder.path().join("db.tar"), "tar").unwrap();
    let latest = folder.path().join("latest.tar");
    std::os::unix::fs::symlink("db.tar", &latest).unwrap();
    let latest = latest.display().to_string();
    let words = ["restore", "clowk-lp/db", "--from", &latest, "--yes"];
    world.answer(&words).data();
    let (options, arguments) = started(&world, "restore");
    assert!(
        options.contains(&format!("\"source={latest}\"")),
        "{options}"
    );
    assert!(arguments.contains(" source=/job/backup"), "{arguments}");
}

#[test]
fn a_restore_that_cannot_be_is_refused() {
    let world = world();
    let restore = ["restore", "clowk-lp/db", "--from", "/srv/db.tar", "--yes"];
    world.refused(&restore[..4], "clowk-lp/db: this stops every pod");
    world.refused(
        &["restore", "clowk-lp/db", "--from", "db.tar", "--yes"],
        "the file must be named by its absolute path",
    );
    let format = fs::read_to_string(world.bin().join("record_format")).unwrap();
    world.prepare("record_format", "1");
    world.refused(
        &restore,
        "pod clowk-lp-db.0 was started by an older version of the plugin; nothing was changed",
    );
    world.prepare("record_format", &format);
    world.prepare("pods", "clowk-lp-db.0\texited\t0\n");
    world.refused(&restore, "pod clowk-lp-db.0 is exited");
    world.prepare("pods", "");
    world.refused(&restore, "pod clowk-lp-db.0 is missing");
    let path = world.record_path("clowk-lp", "db");
    let steady = fs::read_to_string(&path).unwrap();
    fs::write(&path, steady.replace("steady", "handover\ntarget=1")).unwrap();
    world.refused(&restore, "clowk-lp/db: a handover is under way");
    fs::remove_file(&path).unwrap();
    world.refused(&restore, "clowk-lp/db: its pods have not recorded yet");
    assert!(!world.docker_calls().contains("\nrun -d "));
}
