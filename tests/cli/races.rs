//! Two commands at once, or a command and an apply: neither undoes the other.

use std::fs;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use voodu_standin::Kind;

use crate::support::actors::{STOPS, TAKES_OVER};
use crate::support::world::{WEB, World, cluster};

const LINK: [&str; 3] = ["pg:link", "clowk-lp/db", "clowk-lp/web"];
const PROMOTE: [&str; 4] = ["pg:promote", "clowk-lp/db", "--replica", "1"];
const ROTATE: [&str; 3] = ["pg:new-password", "clowk-lp/db", "--no-restart"];

/// A healthy cluster whose pod 1 can take over, with the application linked.
fn linked(replicas: u16) -> World {
    let world = World::with_cluster(replicas);
    let others: Vec<_> = (0..replicas).filter(|pod| *pod != 1).collect();
    world.will_follow(&others);
    let name = |pod| format!("voodu-postgres-standby-{pod}\n");
    let standbys: String = (1..replicas).map(name).collect();
    world.prepare("follow-clowk-lp-db.0", &standbys);
    world.vd_ok(&LINK);
    world
}

fn password(world: &World) -> String {
    world.value("clowk-lp", "db", "POSTGRES_PASSWORD").unwrap()
}

fn url(world: &World, application: &str) -> String {
    let url = world.value("clowk-lp", application, "DATABASE_URL");
    url.unwrap_or_default()
}

fn consumers(world: &World) -> String {
    let list = world.value("clowk-lp", "db", "POSTGRES_LINKED_CONSUMERS");
    list.unwrap_or_default()
}

fn deployed(world: &World) -> Value {
    let manifest = world.platform.manifest(Kind::Statefulset, "clowk-lp", "db");
    manifest.unwrap().spec
}

/// Another command that holds the lease.
fn holder(world: &World, command: &str) -> Child {
    let path = world.backups("clowk-lp", "db").join(".lease");
    fs::write(&path, format!("command={command}\n")).unwrap();
    let mut child = Command::new("flock")
        .arg("-o")
        .arg(&path)
        .args(["sh", "-c", "echo; sleep 30"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = [0];
    std::io::Read::read_exact(child.stdout.as_mut().unwrap(), &mut line).unwrap();
    child
}

#[test]
fn a_rotation_during_a_promotion_is_refused_and_the_application_logs_in() {
    let world = linked(2);
    let rotation = std::sync::Mutex::new(None);
    let printed = world.while_pods(&[STOPS, TAKES_OVER], || {
        world.at(
            "txid_current()",
            || *rotation.lock().unwrap() = Some(world.vd(&ROTATE)),
            || world.vd_ok(&PROMOTE),
        )
    });
    assert!(printed.contains("pod 1 is now the primary"), "{printed}");
    let refused = rotation.into_inner().unwrap().unwrap();
    assert!(
        refused.status == 1 && refused.stderr.contains("vd pg:promote is at work"),
        "{refused:?}"
    );
    let encoded = password(&world).replace('/', "%2F");
    let expected = format!("postgres://appuser:{encoded}@db-1.clowk-lp.voodu:5432/appdata");
    assert_eq!(url(&world, "web"), expected);
    // Afterwards it goes through at once.
    let began = Instant::now();
    world.vd_ok(&ROTATE);
    assert!(began.elapsed() < Duration::from_secs(3));
    assert!(url(&world, "web").contains(&password(&world)));
}

/// As an operator does with `vd config`, which takes no lease.
#[test]
fn a_promotion_publishes_the_password_and_the_applications_of_its_end() {
    let world = linked(2);
    world.apply(&WEB.replace("web", "api"));
    world.while_pods(&[STOPS, TAKES_OVER], || {
        world.at(
            "txid_current()",
            || {
                world.seed("clowk-lp", "db", "POSTGRES_PASSWORD", "newer");
                let both = "clowk-lp/api,clowk-lp/web";
                world.seed("clowk-lp", "db", "POSTGRES_LINKED_CONSUMERS", both);
                world.prepare("password", "newer");
            },
            || world.vd_ok(&PROMOTE),
        )
    });
    for application in ["web", "api"] {
        let expected = "postgres://appuser:newer@db-1.clowk-lp.voodu:5432/appdata";
        assert_eq!(url(&world, application), expected);
    }
}

#[test]
fn a_password_that_does_not_log_in_is_not_published() {
    let world = linked(2);
    world.apply(&WEB.replace("web", "api"));
    world.prepare("password", "another one");
    let before = url(&world, "web");
    let error = world.refused(
        &["link", "clowk-lp/db", "clowk-lp/api"],
        "POSTGRES_PASSWORD in the config of clowk-lp/db does not log in to pod 0 as appuser",
    );
    assert!(error.contains("vd pg:new-password clowk-lp/db"), "{error}");
    let printed = world.while_pods(&[STOPS, TAKES_OVER], || world.vd_ok(&PROMOTE));
    assert!(
        printed.contains("pod 1 is now the primary")
            && printed.contains(
                "the applications keep the URLs that they have: POSTGRES_PASSWORD in the config"
            )
            && printed.contains("vd pg:promote clowk-lp/db --replica 1"),
        "{printed}"
    );
    assert_eq!(url(&world, "web"), before);
    assert_eq!(
        world.value("clowk-lp", "db", "PG_PRIMARY_ORDINAL").unwrap(),
        "0"
    );
    // It is the config's turn, and then the same line ends it.
    world.seed("clowk-lp", "db", "POSTGRES_PASSWORD", "another one");
    world.vd_ok(&PROMOTE);
    assert!(url(&world, "web").contains("another%20one@db-1."));
    assert_eq!(
        world.value("clowk-lp", "db", "PG_PRIMARY_ORDINAL").unwrap(),
        "1"
    );
}

/// The password is the best that is known then, and the message says that nothing proved it.
#[test]
fn a_primary_that_does_not_answer_is_no_reason_not_to_link() {
    let world = World::with_cluster(2);
    world.prepare(
        "login",
        "psql: error: FATAL:  sorry, too many clients already\n",
    );
    let printed = world.vd_ok(&LINK);
    assert!(
        printed.contains("the password in the URLs was not tried: ")
            && printed.contains("too many clients already"),
        "{printed}"
    );
    assert!(url(&world, "web").contains("hunter%2F2@"));
}

#[test]
fn applications_that_are_linked_at_the_same_moment_are_all_tracked() {
    linked_at_the_same_moment(&World::with_cluster(1));
}

/// Where the plugin cannot reach the backups directory, and where there is none yet.
#[test]
fn applications_of_a_cluster_without_a_backups_directory_are_all_tracked_as_well() {
    let volume = World::with_cluster(1);
    volume.apply(&cluster(1, "volumes = [\"vault:/backups\"]"));
    linked_at_the_same_moment(&volume);
    let new = World::with_cluster(1);
    fs::remove_dir_all(new.backups("clowk-lp", "db")).unwrap();
    linked_at_the_same_moment(&new);
}

fn linked_at_the_same_moment(world: &World) {
    let names: Vec<_> = (0..6).map(|number| format!("app{number}")).collect();
    for name in &names {
        world.apply(&WEB.replace("web", name));
    }
    thread::scope(|scope| {
        for name in &names {
            let application = format!("clowk-lp/{name}");
            scope.spawn(move || world.vd_ok(&["pg:link", "clowk-lp/db", &application]));
        }
    });
    let all: Vec<_> = names
        .iter()
        .map(|name| format!("clowk-lp/{name}"))
        .collect();
    assert_eq!(consumers(world), all.join(","));
}

/// However it came about: the application's own config is what counts.
#[test]
fn an_application_that_fell_out_of_the_list_is_named_and_gets_the_next_password() {
    let world = linked(2);
    world.apply(&WEB.replace("web", "api"));
    world.vd_ok(&["pg:link", "clowk-lp/db", "clowk-lp/api", "--reads"]);
    let list = "POSTGRES_LINKED_CONSUMERS";
    let forget = || world.seed("clowk-lp", "db", list, "clowk-lp/web");
    forget();
    let info = world.vd_ok(&["pg:info", "clowk-lp/db"]);
    assert!(
        info.contains(
            "clowk-lp/api has a URL of this cluster and is not in its list of applications"
        ) && info.contains("vd pg:link clowk-lp/db clowk-lp/api --reads"),
        "{info}"
    );
    let printed = world.vd_ok(&ROTATE);
    assert!(
        printed.contains("clowk-lp/api has a URL of this cluster and was not in its list"),
        "{printed}"
    );
    assert!(url(&world, "api").contains(&password(&world)));
    assert_eq!(consumers(&world), "clowk-lp/api,clowk-lp/web");
    assert_eq!(
        world
            .value("clowk-lp", "db", "POSTGRES_LINKED_READERS")
            .unwrap(),
        "clowk-lp/api"
    );
    forget();
    world.while_pods(&[STOPS, TAKES_OVER], || world.vd_ok(&PROMOTE));
    assert!(url(&world, "api").contains("@db-1.clowk-lp.voodu:"));
    assert_eq!(consumers(&world), "clowk-lp/api,clowk-lp/web");
}

#[test]
fn an_apply_during_a_rotation_is_not_undone() {
    let world = World::with_cluster(1);
    world.at(
        "ALTER ROLE",
        || drop(world.apply(&cluster(2, ""))),
        || world.vd_ok(&["pg:new-password", "clowk-lp/db"]),
    );
    let spec = deployed(&world);
    assert_eq!(spec["replicas"], json!(2));
    assert_eq!(spec["env"]["POSTGRES_PASSWORD"], json!(password(&world)));
}

#[test]
fn an_apply_while_the_port_is_published_is_not_undone() {
    let world = World::with_cluster(1);
    let changed = |more: &str| cluster(1, &format!("port = 15987\n{more}"));
    world.apply(&changed(""));
    world.at(
        "ps --no-trunc",
        || drop(world.apply(&changed("env = { NOTE = \"new\" }"))),
        || world.vd_ok(&["pg:expose", "clowk-lp/db"]),
    );
    let spec = deployed(&world);
    assert_eq!(spec["env"]["NOTE"], json!("new"));
    assert_eq!(spec["ports"], json!(["0.0.0.0:15987:15987"]));
    // Several pods cannot share the port, and the apply that made them several came first.
    world.vd_ok(&["pg:unexpose", "clowk-lp/db"]);
    let refused = world.at(
        "ps --no-trunc",
        || drop(world.apply(&cluster(2, "port = 15987"))),
        || world.vd(&["pg:expose", "clowk-lp/db"]),
    );
    assert!(
        refused.stderr.contains("2 pods cannot share"),
        "{refused:?}"
    );
}

/// Each of them is refused, and docker is not even asked.
fn while_a_rotation_is_at_work(commands: &[&[&str]]) {
    let world = linked(2);
    let before = (world.platform.bucket("clowk-lp", "db"), world.record_text());
    let mut held = holder(&world, "new-password");
    let calls = world.docker_calls();
    thread::scope(|scope| {
        for words in commands {
            let world = &world;
            scope.spawn(move || {
                let refusal = world.answer_beside(world.platform.url(), words).error();
                let expected = "clowk-lp/db: vd pg:new-password is at work";
                assert!(refusal.starts_with(expected), "{words:?}: {refusal}");
                assert!(refusal.contains("nothing was changed"), "{refusal}");
            });
        }
    });
    assert_eq!(world.docker_calls(), calls);
    let after = (world.platform.bucket("clowk-lp", "db"), world.record_text());
    assert_eq!(before, after);
    held.kill().unwrap();
    held.wait().unwrap();
    world.vd_ok(&LINK);
}

#[test]
fn links_and_ports_wait_for_another_command_and_name_it() {
    while_a_rotation_is_at_work(&[
        &["link", "clowk-lp/db", "clowk-lp/web", "--reads"],
        &["unlink", "clowk-lp/db", "clowk-lp/web"],
        &["expose", "clowk-lp/db"],
        &["unexpose", "clowk-lp/db"],
    ]);
}

#[test]
fn roles_and_passwords_wait_for_another_command_and_name_it() {
    while_a_rotation_is_at_work(&[
        &["new-password", "clowk-lp/db"],
        &["new-password", "clowk-lp/db", "--replication"],
        &["promote", "clowk-lp/db", "--replica", "1"],
        &["rejoin", "clowk-lp/db", "--replica", "1"],
    ]);
    while_a_rotation_is_at_work(&[
        &["restore", "clowk-lp/db", "--from", "/srv/b/db.tar", "--yes"],
        &["promote", "clowk-lp/db", "--replica", "1", "--force"],
    ]);
}

/// Both would say who is the primary after it.
#[test]
fn a_restore_is_not_taken_back_during_a_promotion() {
    let world = linked(2);
    world.next_record("primary=0\nstate=maintenance\n");
    let before = world.record_text();
    let mut held = holder(&world, "promote");
    let cancel = ["backups:cancel", "clowk-lp/db", "r001"];
    let error = world.answer_beside(world.platform.url(), &cancel).error();
    assert!(
        error.starts_with("clowk-lp/db: vd pg:promote is at work")
            && error.ends_with("run it again to take the restore back"),
        "{error}"
    );
    assert_eq!(world.record_text(), before);
    held.kill().unwrap();
    held.wait().unwrap();
}

#[test]
fn what_changes_nothing_waits_for_no_other_command() {
    let world = linked(2);
    let mut held = holder(&world, "promote");
    let began = Instant::now();
    for words in [
        &["pg:info", "clowk-lp/db"][..],
        &["pg:backups", "clowk-lp/db"],
        &["pg:promote", "clowk-lp/db", "--replica", "1", "--dry-run"],
    ] {
        world.vd_ok(words);
    }
    assert!(began.elapsed() < Duration::from_secs(6));
    held.kill().unwrap();
    held.wait().unwrap();
}

#[test]
fn a_password_is_not_changed_while_a_restore_runs() {
    let world = linked(2);
    let running = "clowk-lp-db-restore-r003\trunning\tUp 3 seconds\tclowk-lp\tdb\t\n";
    world.prepare("restores", running);
    for words in [
        &["new-password", "clowk-lp/db"][..],
        &["new-password", "clowk-lp/db", "--replication"],
    ] {
        let error = world.refused(words, "clowk-lp/db: a restore is running, r003");
        assert!(
            error.contains("vd pg:backups:logs clowk-lp/db r003"),
            "{error}"
        );
    }
    assert!(
        !fs::read_to_string(world.bin().join("sql"))
            .unwrap_or_default()
            .contains("ALTER")
    );
    world.prepare("restores", &running.replace("running", "exited"));
    world.vd_ok(&ROTATE);
}

/// The controller stores a reply's actions after the plugin has exited.
#[test]
fn the_next_command_waits_for_what_the_last_one_answered() {
    let world = linked(1);
    world.apply(&WEB.replace("web", "api"));
    let lease = world.backups("clowk-lp", "db").join(".lease");
    world.vd_ok(&ROTATE);
    let stored = fs::read_to_string(&lease).unwrap();
    assert!(
        stored.contains("last=clowk-lp/web DATABASE_URL "),
        "{stored}"
    );
    // The controller takes its time with it, as on a busy host.
    let url = url(&world, "web");
    world.seed("clowk-lp", "web", "DATABASE_URL", "postgres://not/yet");
    thread::scope(|scope| {
        let second = scope.spawn(|| world.vd_ok(&["pg:link", "clowk-lp/db", "clowk-lp/api"]));
        thread::sleep(Duration::from_secs(6));
        assert!(!second.is_finished());
        world.seed("clowk-lp", "web", "DATABASE_URL", &url);
        let began = Instant::now();
        second.join().unwrap();
        assert!(began.elapsed() < Duration::from_secs(2));
    });
}
