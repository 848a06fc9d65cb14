//! `backups:logs`, `backups:download` and `backups:schedule`: they change nothing.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use serde_json::json;

use super::{NEW, OLD, job, put, put_verified};
use crate::support::world::World;
use crate::support::{Answer, plugin, run};

#[test]
fn logs_come_from_the_container_while_there_is_one() {
    let world = World::with_cluster(1);
    put_verified(&world, OLD, 1);
    world.prepare("jobs", &job("b002", "1"));
    world.prepare("log", "capture: pg_dump → …\nfailed: x\n");
    let logs = ["backups:logs", "clowk-lp/db", "b002"];
    assert_eq!(
        world.answer(&logs).stdout,
        "capture: pg_dump → …\nfailed: x\n"
    );
    let document = world.answer(&[&logs[..], &["--json"]].concat()).document();
    assert_eq!(document["container"], "clowk-lp-db-backup-b002");
    let data = world.answer(&[&logs[..], &["--follow"]].concat()).data();
    assert_eq!(data["actions"][0]["command"][4], "clowk-lp-db-backup-b002");
    world.refused(
        &["backups:logs", "clowk-lp/db", "b001"],
        "clowk-lp/db: the container of b001 is gone",
    );
    world.refused(
        &["backups:logs", "clowk-lp/db", "b009"],
        "clowk-lp/db: there is no backup b009",
    );
}

fn fetched(world: &World, words: &[&str]) -> (String, String) {
    let words = [&["backups:download", "clowk-lp/db"][..], words].concat();
    let data = world.answer(&words).data();
    let action = &data["actions"][0];
    assert_eq!(
        (&action["type"], &action["size_bytes"]),
        (&json!("fetch_file"), &json!(10))
    );
    let text = |key: &str| action[key].as_str().unwrap().to_owned();
    (text("remote_path"), text("dest_path"))
}

#[test]
fn a_download_is_left_to_the_cli() {
    let world = World::with_cluster(1);
    put_verified(&world, OLD, 10);
    let here = tempfile::tempdir().unwrap();
    let directory = here.path().to_str().unwrap();
    let named = format!("{directory}/{OLD}");
    for (words, expected) in [
        (&["b001"][..], OLD),
        (&["b1", "--to", "x.dump"], "x.dump"),
        (
            &[OLD, "--to", "/srv/archive/"],
            &format!("/srv/archive/{OLD}"),
        ),
        (&["b001", "--to", directory], &named),
    ] {
        let (from, to) = fetched(&world, words);
        assert_eq!(
            from,
            world
                .backups("clowk-lp", "db")
                .join(OLD)
                .display()
                .to_string()
        );
        assert_eq!(to, expected);
    }
    let shim = world.platform.shim().in_directory(here.path());
    let first = shim.capture(["pg:backups:download", "clowk-lp/db", "b001"]);
    assert_eq!(first.status, 0, "{first:?}");
    assert_eq!(fs::read(&named).unwrap(), [b'x'; 10]);
    let again = shim.capture(["pg:backups:download", "clowk-lp/db", "b001"]);
    assert_eq!(again.status, 1, "{again:?}");
}

#[test]
fn only_a_complete_backup_can_be_downloaded() {
    let world = World::with_cluster(1);
    put(&world, &format!("{NEW}.partial"), 10);
    world.prepare("jobs", &job("b002", "running"));
    let download = ["backups:download", "clowk-lp/db", "b002"];
    world.refused(
        &download,
        "clowk-lp/db: backup b002 is running, there is no file to copy",
    );
    put(&world, OLD, 10);
    let data = world
        .answer(&["backups:download", "clowk-lp/db", "b001"])
        .data();
    assert!(
        data["message"]
            .as_str()
            .unwrap()
            .contains("never read back whole")
    );
    let secret = world.backups("clowk-lp", "secret");
    symlink(
        secret,
        world
            .backups("clowk-lp", "db")
            .join("b003-20260504T020000Z.dump"),
    )
    .unwrap();
    world.refused(
        &["backups:download", "clowk-lp/db", "b003"],
        "clowk-lp/db: there is no backup b003",
    );
}

fn by_hand(world: &World, directory: &Path, words: &[&str]) -> Answer {
    let mut plugin = plugin();
    plugin.env("VOODU_CONTROLLER_URL", world.platform.url());
    plugin.env("PATH", format!("{}:/usr/bin:/bin", world.bin().display()));
    run(plugin.current_dir(directory).args(words).write_stdin(""))
}

#[test]
fn by_hand_it_copies_and_never_over_another_file() {
    let world = World::with_cluster(1);
    put_verified(&world, OLD, 10);
    let here = tempfile::tempdir().unwrap();
    let download = ["backups:download", "clowk-lp/db", "b001"];
    let answer = by_hand(&world, here.path(), &download);
    assert_eq!(
        (answer.code, answer.stdout),
        (0, format!("wrote {OLD} (10 B)\n"))
    );
    assert_eq!(fs::read(here.path().join(OLD)).unwrap(), [b'x'; 10]);
    let error = by_hand(&world, here.path(), &download).error();
    assert!(
        error.contains("is there already, and nothing is overwritten; name another place"),
        "{error}"
    );
    fs::create_dir(here.path().join("archive")).unwrap();
    let into = by_hand(
        &world,
        here.path(),
        &[&download[..], &["--to", "archive"]].concat(),
    );
    assert_eq!(into.stdout, format!("wrote archive/{OLD} (10 B)\n"));
    let nowhere = [&download[..], &["--to", "nowhere/"]].concat();
    let error = by_hand(&world, here.path(), &nowhere).error();
    assert!(error.contains("No such file or directory"), "{error}");
}

#[test]
fn a_schedule_is_a_block_to_paste() {
    let world = World::with_cluster(2);
    let schedule = ["backups:schedule", "clowk-lp/db"];
    let text = world
        .answer(&[&schedule[..], &["--at", "0 3 * * *", "--from-replica", "1"]].concat())
        .stdout;
    assert_eq!(
        text,
        "\
# Add this to your voodu.hcl, then run `vd apply`:
cronjob \"clowk-lp\" \"db-backup\" {
  schedule = \"0 3 * * *\"
  image = \"ghcr.io/clowk/voodu-cli:latest\"
  network_mode = \"host\"
  command = [
    \"bash\",
    \"-c\",
    \"vd pg:backups:capture clowk-lp/db --from-replica 1\"
  ]
}

# To remove the schedule later: delete the block + run `vd apply --prune`.
"
    );
    let all = [
        "--keep",
        "30",
        "--max-age",
        "14d",
        "--compress",
        "zstd:3",
        "--at",
        "@daily",
        "--json",
    ];
    let document = world.answer(&[&schedule[..], &all].concat()).document();
    assert_eq!(
        document["command"],
        "vd pg:backups:capture clowk-lp/db --keep 30 --max-age 14d --compress=zstd:3"
    );
    world.assert_only_asked();
}

#[test]
fn a_schedule_is_read_by_the_platform_as_it_was_meant() {
    let world = World::with_cluster(2);
    let text = world
        .answer(&["backups:schedule", "clowk-lp/db", "--keep", "3"])
        .stdout;
    world.apply(&text);
    let manifests = world.platform.manifests();
    let cronjob = manifests
        .iter()
        .find(|manifest| manifest.name == "db-backup")
        .unwrap();
    assert_eq!(cronjob.spec["schedule"], "0 3 * * *");
    assert_eq!(cronjob.spec["job"]["network_mode"], "host");
    let words = cronjob.spec["job"]["command"].as_array().unwrap();
    assert_eq!(words[2], "vd pg:backups:capture clowk-lp/db --keep 3");
}

#[test]
fn a_schedule_that_would_never_run_is_refused() {
    let world = World::with_cluster(2);
    let schedule =
        |words: &[&str]| world.answer(&[&["backups:schedule", "clowk-lp/db"][..], words].concat());
    for words in [
        &["--at", "0 25 * * *"][..],
        &["--at", "daily"],
        &["--keep", "-1"],
        &["--bogus"],
    ] {
        assert_eq!(schedule(words).code, 2, "{words:?}");
    }
    let error = schedule(&["--from-replica", "2"]).error();
    assert!(
        error.starts_with("clowk-lp/db: there is no pod 2"),
        "{error}"
    );
}
