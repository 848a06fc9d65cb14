//! `info`: the table, the document, the check.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::pods::{inventory, primary, standby};
use crate::support::world::World;
use crate::support::{Answer, plugin, run};

const INFO: [&str; 2] = ["pg:info", "clowk-lp/db"];

fn document(world: &World) -> Value {
    world.answer(&["info", "clowk-lp/db", "--json"]).document()
}

/// The check through `vd`: the exit code and the lines on standard output, without the CLI's own.
fn check(world: &World, flags: &[&str]) -> (i32, Vec<String>) {
    let output = world.vd(&[&INFO[..], &["--check"], flags].concat());
    assert_eq!(output.stderr, "", "{output:?}");
    assert!(!output.stdout.contains("hunter"), "{output:?}");
    let lines = output
        .stdout
        .lines()
        .filter(|line| !line.starts_with("  ✓ "));
    (output.status, lines.map(str::to_owned).collect())
}

#[test]
fn a_healthy_cluster_at_a_glance() {
    let world = World::with_cluster(3);
    world.vd_ok(&["pg:link", "clowk-lp/db", "clowk-lp/web", "--reads"]);
    let text = world.vd_ok(&INFO);
    let (text, record) = text.rsplit_once("record").unwrap();
    let expected = "\
clowk-lp/db: all is well

POD  ROLE     STATE      BEHIND  TIMELINE  POSITION   DATA    WAL      UP
0    primary  writable   -       1         0/5000148  1.2 GB  48.0 MB  3 d
1    standby  streaming  0 B     1         0/5000148  1.2 GB  48.0 MB  3 d
2    standby  streaming  0 B     1         0/5000148  1.2 GB  48.0 MB  3 d

primary          db-0.clowk-lp.voodu:5432, database appdata, user appuser
linked           clowk-lp/web (reads)
reachable        on the docker network, and from this host
last backup      none (vd pg:backups:capture clowk-lp/db makes one)
not in a backup  database analytics (1.2 GB), role analyst
postgres         17.2 (Debian 17.2-1), image postgres:17
";
    assert_eq!(text, expected);
    assert!(record.contains("pod 0 is the primary, epoch 7"), "{record}");
    world.assert_only_asked();
}

#[test]
fn the_document_is_no_envelope_and_holds_no_password() {
    let world = World::with_cluster(3);
    for flag in [&["-o", "json"][..], &["--json"]] {
        let answer = world.answer(&[&["info", "clowk-lp/db"][..], flag].concat());
        assert!(!answer.stdout.contains("hunter"));
        let document = answer.document();
        assert_eq!(document.get("status"), None);
        assert_eq!(
            (&document["healthy"], &document["primary"]["pod"]),
            (&json!(true), &json!("0"))
        );
        assert_eq!(document["pods"][1]["lag_bytes"], 0);
        assert_eq!(document["other_databases"], json!(["analytics"]));
        assert_eq!(document["record"]["state"], "steady");
    }
    let through_vd = world.vd_ok(&[&INFO[..], &["--json"]].concat());
    assert!(
        serde_json::from_str::<Value>(&through_vd).is_ok(),
        "{through_vd}"
    );
}

#[test]
fn a_check_that_finds_nothing_is_one_line() {
    let world = World::with_cluster(2);
    let (status, lines) = check(&world, &[]);
    assert_eq!((status, lines.len()), (0, 1));
    assert!(
        lines[0].starts_with("ok: clowk-lp/db: pod 0 is the primary, 1 standby streams"),
        "{lines:?}"
    );
}

#[test]
fn a_check_that_finds_something_exits_1_with_one_line_each() {
    let world = World::with_cluster(3);
    world.becomes(2, "paused");
    world.seed("clowk-lp", "db", "PG_PRIMARY_ORDINAL", "2");
    let (status, lines) = check(&world, &[]);
    let expected = [
        "clowk-lp-db.2 is paused; run docker unpause clowk-lp-db.2",
        "PG_PRIMARY_ORDINAL in the config says pod 2, and pod 0 is the primary; put it right with vd pg:promote clowk-lp/db --replica 0",
    ];
    assert_eq!((status, lines), (1, expected.map(str::to_owned).to_vec()));
    assert!(
        world
            .vd_ok(&INFO)
            .starts_with("clowk-lp/db: 2 problems\n  clowk-lp-db.2 is paused; ")
    );
}

/// A promotion or a rotation whose reply got lost leaves applications behind, whatever healed the
/// config since.
#[test]
fn an_application_that_was_left_behind_is_named() {
    let world = World::with_cluster(3);
    world.vd_ok(&["pg:link", "clowk-lp/db", "clowk-lp/web", "--reads"]);
    assert_eq!(check(&world, &[]).0, 0);
    let url = world.value("clowk-lp", "web", "DATABASE_URL").unwrap();
    let expected = "clowk-lp/web does not have the URLs of today; give it those with vd pg:link clowk-lp/db clowk-lp/web --reads";
    let older = url.replace("db-0.", "db-2.");
    for (value, code) in [
        (&older[..], 1),
        ("", 1),
        ("postgres://mine@elsewhere/x", 0),
        (&url, 0),
    ] {
        world.seed("clowk-lp", "web", "DATABASE_URL", value);
        let (status, lines) = check(&world, &[]);
        assert_eq!(status, code, "{lines:?}");
        assert_eq!(
            lines.iter().any(|line| line == expected),
            code == 1,
            "{lines:?}"
        );
    }
    let read = world.value("clowk-lp", "web", "DATABASE_READ_URL").unwrap();
    let before_a_scale_up = read.replace(",db-2.clowk-lp.voodu:5432", "");
    assert_ne!(before_a_scale_up, read);
    world.seed("clowk-lp", "web", "DATABASE_READ_URL", &before_a_scale_up);
    assert_eq!(check(&world, &[]).0, 0);
    let other_port = url.replace(":5432/", ":5431/");
    world.seed("clowk-lp", "web", "DATABASE_URL", &other_port);
    assert_eq!(check(&world, &[]).1, [expected]);
}

#[test]
fn by_hand_the_check_is_the_same() {
    let world = World::with_cluster(2);
    let by_hand = |world: &World| -> Answer {
        let mut plugin = plugin();
        plugin.env("VOODU_CONTROLLER_URL", world.platform.url());
        plugin.env("PATH", format!("{}:/usr/bin:/bin", world.bin().display()));
        run(plugin.args(["info", "clowk-lp/db", "--check"]))
    };
    let answer = by_hand(&world);
    assert_eq!((answer.code, answer.stdout.lines().count()), (0, 1));
    world.becomes(1, "absent");
    let answer = by_hand(&world);
    let absent = "clowk-lp-db.1 does not exist; apply the block again: vd apply -f <file>\n";
    assert_eq!(
        (answer.code, &answer.stdout[..], &answer.stderr[..]),
        (1, absent, "")
    );
    let both = world.answer(&["info", "clowk-lp/db", "--check", "--json"]);
    assert_eq!(both.code, 2);
}

#[test]
fn a_primary_that_is_gone() {
    let world = World::with_cluster(2);
    world.becomes(0, "exited");
    world.says(
        1,
        &[
            Value::Object(standby().as_object().unwrap().clone()),
            inventory(),
        ],
    );
    let (status, lines) = check(&world, &[]);
    assert_eq!(status, 1);
    assert!(lines[0].starts_with("no pod accepts writes; "), "{lines:?}");
    assert!(
        lines[1].starts_with("clowk-lp-db.0 is exited; "),
        "{lines:?}"
    );
    assert_eq!(document(&world)["pods"][0]["role"], "-");
}

#[test]
fn limits_can_be_chosen() {
    let world = World::with_cluster(2);
    let mut behind = primary(&[1]);
    behind["standbys"][0]["lag_bytes"] = json!(100 << 20);
    world.says(0, &[behind, inventory()]);
    let (status, lines) = check(&world, &[]);
    assert!(
        status == 1 && lines[0].starts_with("clowk-lp-db.1 is 100.0 MB behind"),
        "{lines:?}"
    );
    assert_eq!(check(&world, &["--max-lag", "256MB"]).0, 0);
    let (status, lines) = check(&world, &["--max-lag", "256MB", "--max-backup-age", "7d"]);
    assert!(
        status == 1 && lines[0].starts_with("there is no verified backup; "),
        "{lines:?}"
    );
    assert_eq!(
        world
            .answer(&["info", "clowk-lp/db", "--max-lag", "x"])
            .code,
        2
    );
}

#[test]
fn the_last_verified_backup_counts_once_there_is_one() {
    let world = World::with_cluster(1);
    let backups = world.record_path("clowk-lp", "db");
    let dump = backups.with_file_name("b007-20260504T020000Z.dump");
    std::fs::write(&dump, "x").unwrap();
    assert_eq!(check(&world, &[]).0, 0, "it is not verified");
    std::fs::write(dump.with_extension("dump.sha256"), "x").unwrap();
    let (status, lines) = check(&world, &[]);
    assert!(
        status == 1 && lines[0].starts_with("the last verified backup, b007, is "),
        "{lines:?}"
    );
    assert_eq!(check(&world, &["--max-backup-age", "0"]).0, 0);
    assert_eq!(document(&world)["last_backup"]["id"], "b007");
}

#[test]
fn a_record_that_cannot_be_read_is_a_problem_and_hides_nothing() {
    let world = World::with_cluster(2);
    let path = world.record_path("clowk-lp", "db");
    std::fs::remove_file(&path).unwrap();
    std::fs::create_dir(&path).unwrap();
    let (status, lines) = check(&world, &[]);
    let expected = format!("the topology record {} is not", path.display());
    assert!(status == 1 && lines.len() == 1, "{lines:?}");
    assert!(lines[0].starts_with(&expected), "{lines:?}");
    assert_eq!(document(&world)["record"]["why"], "unreadable");
    let text = world.vd_ok(&INFO);
    assert!(text.contains("record           unreadable"), "{text}");
}

#[test]
fn a_password_that_the_server_does_not_take() {
    let world = World::with_cluster(1);
    world.prepare(
        "login",
        "psql: error: FATAL:  password authentication failed for user \"appuser\"\n",
    );
    let (status, lines) = check(&world, &[]);
    assert!(
        status == 1 && lines[0].contains("vd pg:new-password clowk-lp/db"),
        "{lines:?}"
    );
}

#[test]
fn a_handover_in_progress_is_shown() {
    let world = World::with_cluster(2);
    let path = world.record_path("clowk-lp", "db");
    let steady = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, steady.replace("steady", "handover\ntarget=1")).unwrap();
    let record = &document(&world)["record"];
    assert_eq!(
        (&record["state"], &record["target"]),
        (&json!("handover"), &json!("1"))
    );
    assert_eq!(record["waits_for"], "pod 0 to stop");
    assert!(
        world
            .vd_ok(&INFO)
            .contains("handover from pod 0 to pod 1, waits for pod 0 to stop")
    );
    let old = std::time::SystemTime::now() - Duration::from_secs(300);
    std::fs::File::options()
        .append(true)
        .open(&path)
        .unwrap()
        .set_modified(old)
        .unwrap();
    let (status, lines) = check(&world, &[]);
    assert!(
        status == 1
            && lines[0]
                .starts_with("the handover to pod 1 has taken 5 min and waits for pod 0 to stop; "),
        "{lines:?}"
    );
}

#[test]
fn a_pod_that_hangs_is_asked_again_and_named() {
    let world = World::with_cluster(3);
    let pipe = world.bin().join("says-clowk-lp-db.1");
    std::fs::remove_file(&pipe).unwrap();
    assert!(
        std::process::Command::new("mkfifo")
            .arg(&pipe)
            .status()
            .unwrap()
            .success()
    );
    let before = Instant::now();
    let text = world.answer(&["info", "clowk-lp/db"]).stdout;
    assert!(
        (18..23).contains(&before.elapsed().as_secs()),
        "{:?}",
        before.elapsed()
    );
    assert!(
        text.contains("clowk-lp-db.1 did not answer in time"),
        "{text}"
    );
    assert!(text.contains("2    standby  streaming"), "{text}");
}

#[test]
fn what_is_no_cluster_is_refused() {
    let world = World::with_cluster(1);
    world.refused(
        &["info", "clowk-lp/nope"],
        "clowk-lp/nope: there is no postgres cluster",
    );
    world.refused(
        &["info", "clowk-lp/nope", "--check"],
        "clowk-lp/nope: there is no postgres cluster",
    );
}
