//! `promote`: what it refuses, what it writes into the record, and what it tells.

use std::fs;
use std::thread;
use std::time::Duration;

use serde_json::json;

use crate::support::actors::{GIVES_BACK, STOPS, TAKES_OVER};
use crate::support::pods::{primary, standby};
use crate::support::world::{World, cluster};
use crate::support::{plugin, run};

const PROMOTE: [&str; 4] = ["promote", "clowk-lp/db", "--replica", "1"];
const STEADY: &str = "epoch=7\nprimary=0\nstate=steady\n";

/// A healthy cluster whose pod 1 can take over.
fn world(replicas: u16) -> World {
    let world = World::with_cluster(replicas);
    let others: Vec<_> = (0..replicas).filter(|pod| *pod != 1).collect();
    world.will_follow(&others);
    let name = |pod| format!("voodu-postgres-standby-{pod}\n");
    let standbys: String = (1..replicas).map(name).collect();
    world.prepare("follow-clowk-lp-db.0", &standbys);
    world.prepare("only-there", "0 0\n");
    world
}

/// Refused: nothing was written, and docker was only asked.
#[track_caller]
fn refused(world: &World, flags: &[&str], reason: &str, next: &str) {
    let record = || fs::read_to_string(world.record_path("clowk-lp", "db")).ok();
    let before = record();
    let error = world.refused(&[&PROMOTE[..], flags].concat(), reason);
    assert!(error.contains(next), "expected {next}, got {error}");
    assert_eq!(record(), before);
    let calls = world.docker_calls();
    let harmless = |call: &str| {
        let looks = call.contains(":ro sha256:1234 -c LOOK bash ");
        let words = ["inspect", "exec", "ps"];
        looks || words.iter().any(|it| call.starts_with(it))
    };
    assert!(calls.lines().all(harmless), "{calls}");
}

#[test]
fn the_pods_are_asked_and_the_applications_follow() {
    let world = world(3);
    world.vd_ok(&["pg:link", "clowk-lp/db", "clowk-lp/web", "--reads"]);
    let vd = ["pg:promote", "clowk-lp/db", "--replica", "1"];
    let printed = world.while_pods(&[STOPS, TAKES_OVER], || world.vd_ok(&vd));
    assert!(
        printed.starts_with(
            "pod 1 is now the primary of clowk-lp/db, and nothing was lost; writes paused for "
        ),
        "{printed}"
    );
    for line in [
        "pod 0 stopped at 0/5000148",
        "pod 1 took over",
        "pod 0 streams from pod 1",
        "pod 2 streams from pod 1",
        "clowk-lp/web",
    ] {
        assert!(printed.contains(line), "{printed}");
    }
    assert!(
        world
            .record_text()
            .ends_with("epoch=10\nprimary=1\nstate=steady\nclean=0\n")
    );
    let db = |key| world.value("clowk-lp", "db", key).unwrap_or_default();
    assert_eq!(db("PG_PRIMARY_ORDINAL"), "1");
    let web = |key| world.value("clowk-lp", "web", key).unwrap_or_default();
    assert!(web("DATABASE_URL").contains("@db-1.clowk-lp.voodu:5432/"));
    assert!(
        web("DATABASE_READ_URL").contains("@db-0.clowk-lp.voodu:5432,db-2.clowk-lp.voodu:5432/")
    );
    assert_eq!(world.rolled(), ["clowk-lp-web.0", "clowk-lp-web.0"]);
    assert_eq!(world.apply(&cluster(3, "")), Vec::<String>::new());
    world.assert_only_asked();
}

#[test]
fn without_a_restart_the_urls_wait() {
    let world = world(2);
    world.vd_ok(&["pg:link", "clowk-lp/db", "clowk-lp/web"]);
    let failover = ["failover", "clowk-lp/db", "--replica", "1", "--no-restart"];
    let answer = world.while_pods(&[STOPS, TAKES_OVER], || world.answer(&failover));
    let actions = answer.actions();
    assert_eq!(actions.len(), 2);
    for action in &actions {
        assert_eq!(
            (&action["type"], &action["skip_restart"]),
            (&json!("config_set"), &json!(true))
        );
    }
}

#[test]
fn what_cannot_work_is_refused_and_changes_nothing() {
    let vanished = world(3);
    vanished.says(0, &[primary(&[2])]);
    refused(
        &vanished,
        &[],
        "pod 0 cannot hand over to pod 1: clowk-lp-db.1 is not connected",
        "--force",
    );

    let paused = world(3);
    let mut asleep = standby();
    asleep["replay_paused"] = json!(true);
    paused.says(1, &[asleep]);
    for flags in [&[][..], &["--force"]] {
        refused(
            &paused,
            flags,
            "pod clowk-lp-db.1 does not replay",
            "pg_wal_replay_resume",
        );
    }

    let slow = world(3);
    let mut behind = primary(&[1, 2]);
    behind["standbys"][0]["lag_bytes"] = json!(20 << 20);
    slow.says(0, &[behind]);
    refused(
        &slow,
        &[],
        "pod clowk-lp-db.1 is 20.0 MB behind the primary, and 16.0 MB are allowed",
        "--max-lag",
    );
    refused(
        &slow,
        &["--max-lag", "10MB"],
        "pod clowk-lp-db.1 is 20.0 MB behind the primary, and 10.0 MB",
        "",
    );

    let silent = world(3);
    silent.prepare("follow-clowk-lp-db.0", "voodu-postgres-standby-2\n");
    refused(
        &silent,
        &[],
        "what pod 0 writes does not arrive at pod 1",
        "docker logs clowk-lp-db.1",
    );

    for state in ["exited", "paused", "absent"] {
        let dead = world(3);
        dead.becomes(0, state);
        refused(
            &dead,
            &[],
            &format!("pod 0 cannot hand over to pod 1: clowk-lp-db.0 is {state}"),
            "--force",
        );
    }
}

#[test]
fn what_is_no_standby_is_refused() {
    let world = world(2);
    let three = ["promote", "clowk-lp/db", "--replica", "2"];
    world.refused(
        &three,
        "clowk-lp/db: there is no pod 2, the cluster has 2 pods",
    );
    let single = World::with_cluster(1);
    let zero = ["promote", "clowk-lp/db", "--replica", "0"];
    single.refused(&zero, "clowk-lp/db: has one pod");
    world.prepare("record_format", "");
    refused(
        &world,
        &[],
        "pod clowk-lp-db.0 was started by an older version of the plugin",
        "vd apply",
    );
}

#[test]
fn a_record_that_is_elsewhere_or_busy_is_refused() {
    let busy = world(3);
    busy.next_record("primary=0\nstate=handover\ntarget=2\n");
    refused(
        &busy,
        &[],
        "clowk-lp/db: pod 0 is handing over to pod 2",
        "vd pg:promote clowk-lp/db --replica 2",
    );
    busy.next_record("primary=0\nstate=maintenance\n");
    let request = busy.backups("clowk-lp", "db").join(".restore");
    fs::write(&request, "epoch=9\n").unwrap();
    refused(
        &busy,
        &["--force"],
        "clowk-lp/db: postgres is stopped on all pods",
        "wait until it is over",
    );
    fs::remove_file(request).unwrap();
    fs::remove_file(busy.record_path("clowk-lp", "db")).unwrap();
    let none = busy.refused(&PROMOTE, "clowk-lp/db: no record says who is primary yet");
    assert!(none.contains("docker logs"), "{none}");

    let elsewhere = world(2);
    elsewhere.apply(&cluster(2, " volumes = [\"vault:/backups\"]"));
    elsewhere.refused(&PROMOTE, "clowk-lp/db: /backups is the docker volume vault");
}

#[test]
fn a_dry_run_prints_the_plan_and_changes_nothing() {
    let world = world(3);
    let answer = world.answer(&[&PROMOTE[..], &["--dry-run"]].concat());
    let message = answer.data()["message"].as_str().unwrap().to_owned();
    assert!(
        message.starts_with("pod 1 of clowk-lp/db can take over without a loss"),
        "{message}"
    );
    assert!(
        message.contains("clowk-lp-db.0  primary, timeline 1, at 0/5000148"),
        "{message}"
    );
    assert!(message.ends_with("nothing was changed"), "{message}");
    assert_eq!(answer.data()["actions"], json!(null));
    assert!(world.record_text().ends_with(STEADY));
    let sql = fs::read_to_string(world.bin().join("sql")).unwrap();
    assert!(!sql.contains("CHECKPOINT"), "{sql}");
}

#[test]
fn by_hand_the_rest_is_said() {
    let world = world(2);
    let answer = world.while_pods(&[STOPS, TAKES_OVER], || {
        let mut plugin = plugin();
        plugin.env("VOODU_CONTROLLER_URL", world.platform.url());
        plugin.env("PATH", format!("{}:/usr/bin:/bin", world.bin().display()));
        run(plugin.args(PROMOTE).arg("--no-restart"))
    });
    let message = answer.data()["message"].as_str().unwrap().to_owned();
    assert!(message.contains("run by hand: nobody writes the URLs and the config; vd pg:promote clowk-lp/db --replica 1 --no-restart does"), "{message}");
    // Not a terminal: nobody watches.
    assert_eq!(answer.stderr, "");
}

#[test]
fn a_handover_that_is_given_back_is_an_error_that_says_who_is_primary() {
    let world = world(2);
    world.prepare("writes-clowk-lp-db.0", "751\n");
    world.prepare("log", "voodu: starting\n");
    let error = world.while_pods(&[STOPS, GIVES_BACK], || world.answer(&PROMOTE).error());
    let expected = "the handover to pod 1 was called off, and pod 0 accepts writes again as the primary; nothing was lost";
    assert!(error.starts_with(expected), "{error}");
    let generic = "(pod 1 did not get everything that the primary had written in time)";
    assert!(
        error.contains(generic) && error.contains("docker logs clowk-lp-db.1"),
        "{error}"
    );
    // The pod itself knows better.
    let said = "voodu: not all WAL arrived: giving the role back to pod 0\n2026 LOG:  x\n";
    world.prepare("log", said);
    let error = world.while_pods(&[STOPS, GIVES_BACK], || world.answer(&PROMOTE).error());
    assert!(
        error.contains("(not all WAL arrived: giving the role back to pod 0)"),
        "{error}"
    );
}

#[test]
fn a_pod_that_is_paused_meanwhile_ends_the_handover() {
    for pod in [0, 1] {
        let world = world(2);
        let error = thread::scope(|scope| {
            scope.spawn(|| {
                while !world.record_text().contains("handover") {
                    thread::sleep(Duration::from_millis(5));
                }
                world.becomes(pod, "paused");
            });
            world.answer(&PROMOTE).error()
        });
        let expected = format!(
            "pod clowk-lp-db.{pod} is paused: the handover to pod 1 was called off, and pod 0 stays the primary"
        );
        assert!(error.starts_with(&expected), "{error}");
        assert!(
            error.contains(&format!("docker unpause clowk-lp-db.{pod}")),
            "{error}"
        );
        assert!(
            world
                .record_text()
                .contains("epoch=9\nprimary=0\nstate=steady\ntimeline=")
        );
    }
}

#[test]
fn a_handover_that_somebody_began_is_seen_through() {
    let world = world(3);
    world.next_record("primary=0\nstate=handover\ntarget=1\nstopped_at=0/5000148\n");
    let answer = world.while_pods(&[TAKES_OVER], || world.answer(&PROMOTE));
    let message = answer.data()["message"].as_str().unwrap().to_owned();
    assert!(
        message.starts_with("pod 1 is now the primary of clowk-lp/db, and nothing was lost"),
        "{message}"
    );
    assert_eq!(answer.actions().len(), 1);
}

#[test]
fn what_is_left_of_a_finished_promotion_is_done() {
    let world = world(3);
    world.vd_ok(&["pg:link", "clowk-lp/db", "clowk-lp/web"]);
    world.record("clowk-lp", "db", 1);
    let answer = world.answer(&PROMOTE);
    let message = answer.data()["message"].as_str().unwrap().to_owned();
    assert!(
        message.starts_with("pod 1 is already the primary of clowk-lp/db"),
        "{message}"
    );
    assert_eq!(answer.actions().len(), 2);
    world.vd_ok(&["pg:promote", "clowk-lp/db", "--replica", "1"]);
    assert_eq!(world.answer(&PROMOTE).data()["actions"], json!(null));
}

#[test]
#[ignore = "waits for the end of the plugin's time: make faults"]
fn a_primary_that_does_not_become_writable_is_no_success() {
    let world = world(2);
    world.record("clowk-lp", "db", 1);
    fs::remove_file(world.bin().join("writes-clowk-lp-db.1")).unwrap();
    let error = world.answer(&PROMOTE).error();
    assert!(
        error.starts_with("pod 1 is the primary in the record, and does not accept writes yet"),
        "{error}"
    );
    assert!(
        error.ends_with("vd pg:promote clowk-lp/db --replica 1"),
        "{error}"
    );
}

#[test]
fn what_an_interrupted_run_could_not_say_the_next_one_does() {
    let world = world(2);
    world.record("clowk-lp", "db", 1);
    world.becomes(0, "restarting");
    world.will_follow(&[]);
    world.prepare("only-there", "4096 3\n");
    let answer = world.answer(&PROMOTE);
    let message = answer.data()["message"].as_str().unwrap().to_owned();
    assert!(
        message.contains("LOST unless you save them: 3 transactions in 4.0 kB of WAL")
            && message.contains("vd pg:rejoin clowk-lp/db --replica 0 --yes"),
        "{message}"
    );
    // A standby that is only late has nothing of its own.
    world.prepare("only-there", "4096 0\n");
    let answer = world.answer(&PROMOTE);
    let message = answer.data()["message"].as_str().unwrap().to_owned();
    assert!(!message.contains("pg:rejoin"), "{message}");
}

#[test]
fn with_force_the_old_primary_is_stopped_first() {
    for (state, verb) in [
        ("paused", "kill clowk-lp-db.0"),
        ("restarting", "stop --time 3 clowk-lp-db.0"),
    ] {
        let world = world(2);
        world.becomes(0, state);
        world.prepare("only-there", "4096 3\n");
        let answer = world.answer(&[&PROMOTE[..], &["--force"]].concat());
        let message = answer.data()["message"].as_str().unwrap().to_owned();
        let first = format!(
            "pod 1 is now the primary of clowk-lp/db, without a handover: clowk-lp-db.0 is {state}"
        );
        assert!(message.starts_with(&first), "{message}");
        assert!(
            message.contains("LOST unless you save them: 3 transactions in 4.0 kB of WAL"),
            "{message}"
        );
        assert!(
            message.contains("vd pg:rejoin clowk-lp/db --replica 0 --yes"),
            "{message}"
        );
        assert!(
            world
                .record_text()
                .ends_with("epoch=9\nprimary=1\nstate=steady\ntimeline=9\n")
        );
        assert!(world.docker_calls().lines().any(|call| call == verb));
        assert_eq!(answer.actions().len(), 1);
    }
}

#[test]
fn an_old_primary_that_cannot_be_stopped_stays_the_primary() {
    let world = world(2);
    world.becomes(0, "paused");
    world.prepare("stubborn", "");
    let error = world.answer(&[&PROMOTE[..], &["--force"]].concat()).error();
    assert!(
        error.starts_with("clowk-lp-db.0 cannot be stopped"),
        "{error}"
    );
    assert!(
        world
            .record_text()
            .contains("epoch=9\nprimary=0\nstate=steady\ntimeline=")
    );
}

/// The record cannot be written any more when its container was stopped.
#[test]
fn an_old_primary_that_was_stopped_for_nothing_is_started_again_or_named() {
    for (record, became, state) in [
        (
            "primary=0\nstate=steady\n",
            "clowk-lp-db.0 was stopped for it and is started again",
            "running",
        ),
        (
            "primary=0\nstate=handover\ntarget=1\n",
            "clowk-lp-db.0 was stopped for it (docker start clowk-lp-db.0 starts it)",
            "exited",
        ),
    ] {
        let world = world(2);
        world.becomes(0, "restarting");
        let path = world.record_path("clowk-lp", "db");
        let spoil = || {
            world.next_record(record);
            let lock = path.with_file_name(".topology.lock");
            fs::remove_file(&lock).unwrap();
            fs::create_dir(&lock).unwrap();
        };
        let force = [&PROMOTE[..], &["--force"]].concat();
        let error = world.at("stop --time 3", spoil, || world.answer(&force).error());
        assert!(
            error.starts_with("the topology record cannot be locked with")
                && error.contains(became),
            "{error}"
        );
        let pods = fs::read_to_string(world.bin().join("pods")).unwrap();
        assert!(
            pods.contains(&format!("clowk-lp-db.0\t{state}\t0")),
            "{pods}"
        );
    }
}

#[test]
fn a_standby_that_has_more_is_not_passed_over() {
    let world = world(3);
    world.becomes(0, "exited");
    let mut ahead = standby();
    ahead["received"] = json!("0/5000348");
    world.says(2, &[ahead]);
    refused(
        &world,
        &["--force"],
        "pod clowk-lp-db.2 has 512 B more of the primary's WAL than pod 1",
        "--replica 2 --force",
    );
    let answer = world.answer(&[&PROMOTE[..], &["--force", "--allow-lag"]].concat());
    assert!(
        answer.data()["message"]
            .as_str()
            .unwrap()
            .contains("without a handover")
    );
}

/// A stopped pod cannot say what it has, and its volume can.
#[test]
fn nor_is_one_that_does_not_run() {
    let world = world(3);
    world.becomes(0, "exited");
    world.becomes(2, "exited");
    world.prepare("remains-clowk-lp-db.2", "standby 1 0/5000248");
    refused(
        &world,
        &["--force"],
        "the volume of pod clowk-lp-db.2 holds 256 B more WAL than pod 1 has",
        "start it (docker start clowk-lp-db.2), and promote that one instead; or add --allow-lag",
    );
    world.prepare("remains-clowk-lp-db.2", "garbage");
    let dry = [&PROMOTE[..], &["--force", "--dry-run"]].concat();
    let data = world.answer(&dry).data();
    let message = data["message"].as_str().unwrap();
    assert!(
        message.contains("whether it has more than pod 1 is not known (\"garbage\" was printed)"),
        "{message}"
    );
    assert!(
        !message.contains("it follows at its next boot"),
        "{message}"
    );
}

/// The primary is well when the handover begins, and cannot carry it out.
#[test]
fn nor_is_it_in_the_middle_of_a_handover() {
    let world = world(3);
    let mut ahead = standby();
    ahead["received"] = json!("0/5000348");
    world.says(2, &[ahead]);
    let error = thread::scope(|scope| {
        scope.spawn(|| {
            while !world.record_text().contains("handover") {
                thread::sleep(Duration::from_millis(5));
            }
            world.becomes(0, "paused");
        });
        world.answer(&[&PROMOTE[..], &["--force"]].concat()).error()
    });
    assert!(
        error.starts_with("pod clowk-lp-db.2 has 512 B more of the primary's WAL than pod 1: the handover to pod 1 was called off, and pod 0 stays the primary"),
        "{error}"
    );
    assert!(error.contains("--allow-lag"), "{error}");
    assert!(
        world
            .record_text()
            .contains("epoch=9\nprimary=0\nstate=steady\n")
    );
    assert!(!world.docker_calls().contains("kill "));
}

#[test]
fn waiting_pods_get_a_record() {
    let world = world(2);
    fs::remove_file(world.record_path("clowk-lp", "db")).unwrap();
    world.says(0, &[standby()]);
    world.prepare("remains-clowk-lp-db.0", "standby 1 0/5000248");
    refused(
        &world,
        &["--force"],
        "the volume of pod clowk-lp-db.0 holds 256 B more WAL than pod 1's",
        "--allow-lag",
    );
    world.prepare("remains-clowk-lp-db.0", "");
    let answer = world.answer(&[&PROMOTE[..], &["--force"]].concat());
    let message = answer.data()["message"].as_str().unwrap().to_owned();
    assert!(
        message.starts_with("pod 1 is recorded as the primary of clowk-lp/db"),
        "{message}"
    );
    assert!(
        world
            .record_text()
            .ends_with("epoch=1\nprimary=1\nstate=steady\ntimeline=1\n")
    );
}

#[test]
fn beside_the_record_of_another_cluster_nobody_is_stopped() {
    let world = world(2);
    let path = world.record_path("clowk-lp", "db");
    let other = format!(
        "cluster={}\nepoch=3\nprimary=0\nstate=steady\n",
        "ab".repeat(16)
    );
    fs::write(&path, other).unwrap();
    world.says(0, &[standby()]);
    world.prepare("volumes", "");
    let reason = format!("clowk-lp/db: {} is the record of another", path.display());
    for flags in [&[][..], &["--force"]] {
        refused(&world, flags, &reason, "remove it");
    }
}

/// A copy of a record that did not come into force would win over the one that does.
#[test]
fn what_a_pod_was_told_of_a_record_that_failed_is_taken_back() {
    let world = world(2);
    let path = world.record_path("clowk-lp", "db");
    let before = world.record_text();
    fs::remove_file(&path).unwrap();
    fs::create_dir(path.with_file_name(".topology.lock")).unwrap();
    world.says(0, &[standby()]);
    world.prepare("volumes", "");
    world.prepare("copy-1", "");
    let told = || fs::read_to_string(world.bin().join("passfile-volume")).unwrap_or_default();
    // One that cannot be read may have any epoch.
    let force = [&PROMOTE[..], &["--force"]].concat();
    let unknown = "what pod clowk-lp-db.0 keeps of the record in its volume is not known";
    world.refused(&force, unknown);
    assert_eq!(told(), "");
    let calls = world.docker_calls();
    assert!(
        !calls.contains("stop --time") && !calls.contains("--entrypoint=rm"),
        "{calls}"
    );
    world.prepare("copy-0", &before);
    world.refused(&force, "the topology record cannot be locked with");
    assert!(told().ends_with(&before), "{}", told());
    assert!(told().contains("primary=1\n"), "{}", told());
    // Nor is the maintenance over that could not be ended.
    world.record("clowk-lp", "db", 0);
    world.next_record("primary=0\nstate=maintenance\n");
    let maintenance = world.record_text();
    world.becomes(0, "exited");
    world.prepare("passfile-volume", "");
    world.refused(&force, "the topology record cannot be locked with");
    assert!(told().contains("primary=1\n"), "{}", told());
    assert!(told().ends_with(&maintenance), "{}", told());
}

/// The restore failed, and there were no data to go back to: the pod's container runs, and postgres does
/// not.
#[test]
fn a_standby_goes_on_when_the_restored_pod_gave_up() {
    let world = world(3);
    world.next_record("primary=0\nstate=maintenance\n");
    fs::remove_file(world.bin().join("says-clowk-lp-db.0")).unwrap();
    world.prepare("remains-clowk-lp-db.0", "");
    refused(
        &world,
        &[],
        "clowk-lp/db: postgres is stopped on all pods for a restore; clowk-lp-db.0 gave the restore up",
        "vd pg:promote clowk-lp/db --replica 1 --force",
    );
    let answer = world.answer(&[&PROMOTE[..], &["--force"]].concat());
    let message = answer.data()["message"].as_str().unwrap().to_owned();
    assert!(
        message.starts_with("pod 1 is the primary of clowk-lp/db with the data that it had: the restore ended before it counted"),
        "{message}"
    );
    assert!(!message.contains("replaced anything"), "{message}");
    assert!(world.record_text().contains("primary=1\nstate=steady\n"));
    let calls = world.docker_calls();
    assert!(calls.contains("stop --time 3 clowk-lp-db.0\n"), "{calls}");
}

#[test]
fn what_is_planted_beside_the_record_is_refused() {
    let world = world(2);
    let lock = world
        .record_path("clowk-lp", "db")
        .with_file_name(".topology.lock");
    fs::create_dir(&lock).unwrap();
    refused(
        &world,
        &[],
        "the topology record cannot be locked with",
        "plain file",
    );
}
