//! `new-password`: what changes and in which order, what is put back, what is refused.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use serde_json::Value;
use voodu_standin::Fault;

use crate::support::pods::standby;
use crate::support::world::{WEB, World, cluster};
use crate::support::{plugin, run};

const SUPERUSER: [&str; 2] = ["new-password", "clowk-lp/db"];
const REPLICATION: [&str; 3] = ["new-password", "clowk-lp/db", "--replication"];
const REFUSES: &str = "psql: error: FATAL:  password authentication failed for user \"appuser\"\n";

fn file(world: &World, name: &str) -> String {
    fs::read_to_string(world.bin().join(name)).unwrap_or_default()
}

/// What the plugin asks the controller for, one line each, and the whole.
fn actions(world: &World, words: &[&str]) -> (Vec<String>, Vec<Value>, String) {
    let data = world.answer(words).data();
    let actions = data["actions"].as_array().cloned().unwrap_or_default();
    let line = |action: &Value| {
        let keys: Vec<_> = action["kv"]
            .as_object()
            .into_iter()
            .flat_map(|kv| kv.keys().cloned())
            .collect();
        let words = ["type", "name"].map(|field| action[field].as_str().unwrap().to_owned());
        format!(
            "{} {} {}",
            words.join(" "),
            keys.join(","),
            action["skip_restart"]
        )
        .replace("  ", " ")
    };
    (
        actions.iter().map(line).collect(),
        actions,
        data["message"].as_str().unwrap().to_owned(),
    )
}

fn linked(replicas: u16) -> World {
    let world = World::with_cluster(replicas);
    world.vd_ok(&["pg:link", "clowk-lp/db", "clowk-lp/web", "--reads"]);
    world
}

/// What mends it must not be kept from running by what is broken.
#[test]
fn a_config_that_somebody_spoilt_is_named_and_does_not_stop_its_repair() {
    let world = linked(3);
    world.seed("clowk-lp", "db", "POSTGRES_PASSWORD", "blank ");
    world.seed("clowk-lp", "db", "PG_EXPOSE_PUBLIC", "yes");
    for words in [
        &["info", "clowk-lp/db"][..],
        &["psql", "clowk-lp/db"],
        &["promote", "clowk-lp/db", "--replica", "0", "--dry-run"],
    ] {
        let answer = world.answer(words);
        let is_promote = words[0] == "promote";
        // New URLs cannot be made without a password, and that is said before anything changes.
        assert_eq!(answer.code, i32::from(is_promote), "{answer:?}");
    }
    let forced = [
        "promote",
        "clowk-lp/db",
        "--replica",
        "0",
        "--dry-run",
        "--force",
    ];
    let outlook = world.answer(&forced).data()["message"].to_string();
    assert!(
        outlook.contains(
            "the applications keep the URLs that they have: POSTGRES_PASSWORD in the config"
        ),
        "{outlook}"
    );
    let info = world.vd_ok(&["pg:info", "clowk-lp/db"]);
    assert!(
        info.contains("POSTGRES_PASSWORD in the config: the password starts or ends with a blank")
            && info.contains("vd pg:new-password clowk-lp/db sets another one"),
        "{info}"
    );
    let link = ["link", "clowk-lp/db", "clowk-lp/web"];
    let refusal = world.refused(
        &link,
        "POSTGRES_PASSWORD in the config: the password starts",
    );
    assert!(
        refusal.contains("vd pg:new-password clowk-lp/db"),
        "{refusal}"
    );
    let (lines, ..) = actions(&world, &SUPERUSER);
    assert_eq!(lines[0], "config_set db POSTGRES_PASSWORD true");
    world.vd_ok(&["pg:unexpose", "clowk-lp/db"]);
    assert_eq!(world.value("clowk-lp", "db", "PG_EXPOSE_PUBLIC"), None);
    world.seed("clowk-lp", "db", "POSTGRES_PASSWORD", "");
    world.vd_ok(&["pg:unlink", "clowk-lp/db", "clowk-lp/web"]);
    assert_eq!(world.value("clowk-lp", "web", "DATABASE_URL"), None);
}

#[test]
fn the_role_comes_first_then_the_config_the_applications_and_the_pods() {
    let world = linked(3);
    let (lines, actions, message) = actions(&world, &SUPERUSER);
    let expected = [
        "config_set db POSTGRES_PASSWORD true",
        "config_set web DATABASE_READ_URL,DATABASE_URL null",
        "apply_manifest db null",
    ];
    assert_eq!(lines, expected);
    let password = actions[0]["kv"]["POSTGRES_PASSWORD"].as_str().unwrap();
    assert_eq!(password.len(), 64);
    let url = actions[1]["kv"]["DATABASE_URL"].as_str().unwrap();
    assert_eq!(
        url,
        format!("postgres://appuser:{password}@db-0.clowk-lp.voodu:5432/appdata")
    );
    let spec = &actions[2]["manifest"]["spec"];
    assert_eq!(spec["env"]["POSTGRES_PASSWORD"], password);
    assert!(spec["_asset_digests"].is_object(), "{spec}");
    assert!(
        !message.contains(password) && message.contains("clowk-lp/web: it restarts"),
        "{message}"
    );
    let sql = file(&world, "sql");
    assert!(
        sql.contains("ALTER ROLE \"appuser\" PASSWORD 'SCRAM-SHA-256$4096:"),
        "{sql}"
    );
    assert!(!sql.contains(password) && !world.docker_calls().contains(password));
    world.assert_only_asked();
}

#[test]
fn through_vd_the_applications_restart_and_then_the_pods_and_an_apply_agrees() {
    let world = linked(3);
    let before = world.rolled().len();
    world.vd_ok(&["pg:new-password", "clowk-lp/db"]);
    let pods = || world.rolled()[before..].to_vec();
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
    while pods().len() < 4 && std::time::Instant::now() < deadline {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let expected = [
        "clowk-lp-web.0",
        "clowk-lp-db.2",
        "clowk-lp-db.1",
        "clowk-lp-db.0",
    ];
    assert_eq!(pods(), expected);
    assert_eq!(
        world.apply(&format!("{}{WEB}", cluster(3, ""))),
        Vec::<String>::new()
    );
}

#[test]
fn without_a_restart_the_next_apply_brings_it() {
    let world = linked(2);
    let before = world.rolled().len();
    let printed = world.vd_ok(&["pg:new-password", "clowk-lp/db", "--no-restart"]);
    assert!(printed.contains("the pods were not restarted"), "{printed}");
    assert_eq!(world.rolled()[before..], ["clowk-lp-web.0"]);
    let rolled = world.apply(&format!("{}{WEB}", cluster(2, "")));
    assert_eq!(rolled, ["clowk-lp-db.1", "clowk-lp-db.0"]);
}

#[test]
fn without_proof_the_old_password_is_put_back() {
    let world = linked(1);
    world.prepare("login", REFUSES);
    let error = world.refused(
        &SUPERUSER,
        "the new password could not be proved: the server refuses it",
    );
    assert!(
        error.contains("the role appuser has its old password again"),
        "{error}"
    );
    let sql = file(&world, "sql");
    assert!(
        sql.trim_end()
            .ends_with("ALTER ROLE \"appuser\" PASSWORD 'SCRAM-SHA-256$4096:b2xk$b2xk:b2xk';"),
        "{sql}"
    );
}

#[test]
fn a_role_that_cannot_be_changed_changes_nothing() {
    let world = linked(1);
    world.prepare("alter", "ERROR:  canceling statement due to lock timeout\n");
    let error = world.refused(&SUPERUSER, "the role appuser could not be changed: ");
    assert!(
        error.contains("lock timeout; nothing was changed"),
        "{error}"
    );
    world.prepare("verifier", "");
    world.prepare("alter", "");
    world.prepare("login", REFUSES);
    world.refused(&SUPERUSER, "the new password could not be proved");
    assert!(
        file(&world, "sql").trim_end().ends_with("PASSWORD NULL;"),
        "a role without one has none again"
    );
}

#[test]
fn a_missing_password_is_no_obstacle() {
    let world = World::with_cluster(1);
    world.seed("clowk-lp", "db", "POSTGRES_PASSWORD", "");
    assert_eq!(
        world
            .value("clowk-lp", "db", "POSTGRES_PASSWORD")
            .unwrap_or_default(),
        ""
    );
    let (lines, _, _) = actions(&world, &[&SUPERUSER[..], &["--no-restart"]].concat());
    assert_eq!(lines, ["config_set db POSTGRES_PASSWORD true"]);
}

#[test]
fn an_application_that_is_gone_or_has_its_own_url_is_named() {
    let world = linked(1);
    world.seed("clowk-lp", "web", "DATABASE_URL", "postgres://pooler/x");
    world.seed(
        "clowk-lp",
        "db",
        "POSTGRES_LINKED_CONSUMERS",
        "clowk-lp/gone,clowk-lp/web",
    );
    let (lines, _, message) = actions(&world, &SUPERUSER);
    assert_eq!(
        lines,
        [
            "config_set db POSTGRES_PASSWORD true",
            "apply_manifest db null"
        ]
    );
    assert!(
        message.contains("clowk-lp/gone does not exist at present"),
        "{message}"
    );
    assert!(
        message.contains("clowk-lp/web keeps its DATABASE_URL, which link had not set"),
        "{message}"
    );
}

#[test]
fn the_replication_password_reaches_every_pod_before_the_role_changes() {
    let world = World::with_cluster(3);
    let (lines, actions, message) = actions(&world, &REPLICATION);
    assert_eq!(lines, ["config_set db POSTGRES_REPLICATION_PASSWORD true"]);
    let password = actions[0]["kv"]["POSTGRES_REPLICATION_PASSWORD"]
        .as_str()
        .unwrap();
    for pod in 0..3 {
        let name = format!("passfile-clowk-lp-db.{pod}");
        assert_eq!(
            file(&world, &name),
            format!("*:*:*:replicator:{password}\n")
        );
    }
    let calls = world.docker_calls();
    let last = |what: &str| calls.rfind(what).unwrap();
    assert!(
        last("mktemp") < last("bash -c SESSION session socket"),
        "{calls}"
    );
    assert!(calls.contains("replication=true") && !calls.contains(password));
    assert!(
        message.contains("nothing was restarted") && !message.contains(password),
        "{message}"
    );
    world.vd_ok(&["pg:new-password", "clowk-lp/db", "--replication"]);
    assert_eq!(world.rolled(), Vec::<String>::new());
    world.assert_only_asked();
}

#[test]
fn pods_that_do_not_run_get_it_through_their_volume() {
    let world = World::with_cluster(3);
    world.becomes(1, "paused");
    world.becomes(2, "absent");
    let (lines, _, message) = actions(&world, &REPLICATION);
    assert_eq!(
        (lines.len(), &file(&world, "passfile-volume")[..]),
        (1, ""),
        "no volumes"
    );
    world.prepare("volumes", "");
    let (_, actions, _) = actions(&world, &REPLICATION);
    let password = actions[0]["kv"]["POSTGRES_REPLICATION_PASSWORD"]
        .as_str()
        .unwrap();
    let line = format!("*:*:*:replicator:{password}\n");
    assert_eq!(file(&world, "passfile-volume"), line.repeat(2));
    let calls = world.docker_calls();
    assert!(
        calls.contains("--volume voodu-clowk-lp-db-data-1:/var/lib/postgresql/data postgres:17 -c"),
        "{calls}"
    );
    assert!(
        message.contains("clowk-lp-db.1 is paused; the new password is in its volume"),
        "{message}"
    );
    assert!(
        message.contains("clowk-lp-db.2 does not exist"),
        "{message}"
    );
}

#[test]
fn a_standby_that_cannot_log_in_is_named_and_all_of_them_undo_it() {
    let world = World::with_cluster(2);
    world.prepare("proof-clowk-lp-db.1", "psql: error: timeout expired\n");
    let (_, _, message) = actions(&world, &REPLICATION);
    assert!(
        message.contains("clowk-lp-db.1 has the new password and could not log in with it: "),
        "{message}"
    );
    world.prepare(
        "proof-clowk-lp-db.0",
        "psql: error: FATAL:  no pg_hba.conf entry for replication connection\n",
    );
    let error = world.refused(&REPLICATION, "the new password could not be proved: ");
    assert!(error.contains("no pg_hba.conf entry"), "{error}");
    assert!(
        error.contains("the role replicator has its old password again"),
        "{error}"
    );
    let old = world
        .value("clowk-lp", "db", "POSTGRES_REPLICATION_PASSWORD")
        .unwrap();
    assert!(file(&world, "passfile-clowk-lp-db.1").ends_with(&format!("*:*:*:replicator:{old}\n")));
}

#[test]
fn a_config_that_could_not_be_written_is_repaired_by_the_next_run() {
    for name in ["db", "web"] {
        let world = linked(1);
        let before = world.value("clowk-lp", "web", "DATABASE_URL");
        world.platform.set_fault(Fault::BucketOf(name));
        let output = world.vd(&["pg:new-password", "clowk-lp/db", "--no-restart"]);
        assert!(
            output.status == 1 && output.stderr.contains("(config_set)"),
            "{output:?}"
        );
        assert_eq!(world.value("clowk-lp", "web", "DATABASE_URL"), before);
        world.platform.set_fault(None);
        world.forget_answers();
        world.vd_ok(&["pg:new-password", "clowk-lp/db", "--no-restart"]);
        let password = world.value("clowk-lp", "db", "POSTGRES_PASSWORD").unwrap();
        let url = world.value("clowk-lp", "web", "DATABASE_URL").unwrap();
        assert!(url.contains(&password), "both have the last one");
    }
}

/// Killed between the role and the config, where the server asks for the password on the socket too.
#[test]
fn a_password_that_the_config_never_got_is_not_lost() {
    let world = linked(1);
    let left = world
        .bin()
        .join("../backups/.voodu-postgres/clowk-lp.db.password");
    world.prepare("socket-password", "hunter/2");
    for killed_before_the_role in [false, true] {
        // Nobody stores what it answers.
        let (_, actions, _) = actions(&world, &SUPERUSER);
        let lost = actions[0]["kv"]["POSTGRES_PASSWORD"].as_str().unwrap();
        let mode = fs::metadata(&left).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert!(!file(&world, "sql").contains(lost) && !world.docker_calls().contains(lost));
        if !killed_before_the_role {
            world.prepare("socket-password", lost);
        }
    }
    world.vd_ok(&["pg:new-password", "clowk-lp/db", "--no-restart"]);
    let stored = world.value("clowk-lp", "db", "POSTGRES_PASSWORD").unwrap();
    assert!(fs::read_to_string(&left).unwrap().contains(&stored));
    world.prepare("socket-password", &stored);
    world.vd_ok(&["pg:link", "clowk-lp/db", "clowk-lp/web"]);
    assert!(!left.exists(), "the config has it");
    fs::create_dir(&left).unwrap();
    let before = file(&world, "sql").matches("ALTER").count();
    world.refused(
        &SUPERUSER,
        "the new password cannot be kept until the config has it: ",
    );
    assert_eq!(file(&world, "sql").matches("ALTER").count(), before);
}

#[test]
fn by_hand_it_is_refused_because_nobody_would_carry_it_out() {
    let world = World::with_cluster(1);
    let mut plugin = plugin();
    plugin.env("VOODU_CONTROLLER_URL", world.platform.url());
    plugin.env("PATH", format!("{}:/usr/bin:/bin", world.bin().display()));
    let error = run(plugin.args(SUPERUSER)).error();
    assert!(
        error.ends_with("run it as vd pg:new-password clowk-lp/db"),
        "{error}"
    );
    assert_eq!(world.docker_calls(), "");
}

#[test]
fn what_is_not_in_its_role_is_refused() {
    let world = World::with_cluster(2);
    let path = world.record_path("clowk-lp", "db");
    let steady = fs::read_to_string(&path).unwrap();
    for (state, expected) in [
        ("maintenance", "in maintenance"),
        ("handover\ntarget=1", "in the middle of a handover"),
    ] {
        fs::write(&path, steady.replace("steady", state)).unwrap();
        for words in [&SUPERUSER[..], &REPLICATION] {
            let error = world.refused(words, "clowk-lp/db: the cluster is ");
            assert!(error.contains(expected), "{error}");
        }
    }
    fs::write(&path, steady).unwrap();
    world.says(0, &[standby()]);
    world.refused(&REPLICATION, "pod 0, the primary, does not accept writes");
    world.prepare("record_format", "1");
    world.refused(
        &REPLICATION,
        "pod clowk-lp-db.0 was started by an older version",
    );
    world.becomes(0, "exited");
    for words in [&SUPERUSER[..], &REPLICATION] {
        world.refused(words, "pod clowk-lp-db.0 is not running, it is exited");
    }
    assert_eq!(file(&world, "sql").matches("ALTER").count(), 0);
    world.refused(
        &["new-password", "clowk-lp/nope"],
        "clowk-lp/nope: there is no",
    );
}
