//! `psql`: the command line that reaches the operator's side, and what it runs in.

use serde_json::{Value, json};

use crate::support::world::World;
use crate::support::{plugin, run};

fn command(world: &World, words: &[&str]) -> Vec<String> {
    let answer = world.answer(&[&["psql", "clowk-lp/db"][..], words].concat());
    let data = answer.data();
    assert_eq!(data["message"], Value::Null);
    let action = &data["actions"][0];
    assert_eq!(action["type"], "exec_local");
    serde_json::from_value(action["command"].clone()).unwrap()
}

#[test]
fn the_session_is_the_primary_s_with_the_block_s_user_and_database() {
    let world = World::with_cluster(3);
    let line = command(&world, &[]);
    assert_eq!(line[..2], ["sh", "-c"]);
    assert!(
        line[2].contains("docker exec -it \"$@\"") && line[2].contains("docker exec -i \"$@\"")
    );
    assert_eq!(line[3..7], ["sh", "clowk-lp-db.0", "bash", "-c"]);
    assert!(line[7].starts_with("# --- psql for an operator "));
    assert_eq!(line[8..], ["psql", "appuser", "5432", "appdata"]);
    world.record("clowk-lp", "db", 2);
    assert_eq!(command(&world, &[])[4], "clowk-lp-db.2");
    assert_eq!(command(&world, &["--replica", "1"])[4], "clowk-lp-db.1");
    world.assert_only_asked();
}

#[test]
fn statements_and_what_follows_the_dashes_are_verbatim() {
    let world = World::with_cluster(1);
    let sql = "-- it's \"$HOME\"\nSELECT 1";
    let line = command(
        &world,
        &[
            "-c",
            sql,
            "--command",
            "SELECT 2",
            "--",
            "-h",
            "-At",
            "--replica",
        ],
    );
    assert_eq!(
        line[12..],
        ["-c", sql, "-c", "SELECT 2", "-h", "-At", "--replica"]
    );
}

#[test]
fn the_output_is_clean_and_the_exit_code_is_psql_s() {
    let world = World::with_cluster(1);
    world.prepare("exit", "3");
    let shim = world.platform.shim().with_stdin("answer\n");
    let output = shim.capture(["pg:psql", "clowk-lp/db", "-c", "SELECT 1"]);
    assert_eq!(output.status, 3);
    assert_eq!(output.stdout, "  ✓ psql in clowk-lp-db.0\nanswer\n");
    assert!(
        world
            .docker_calls()
            .contains("exec -i clowk-lp-db.0 bash -c PSQL psql ")
    );
}

#[test]
fn by_hand_it_runs_here_with_what_was_piped_in() {
    let world = World::with_cluster(1);
    world.prepare("exit", "2");
    let mut plugin = plugin();
    plugin.env("VOODU_CONTROLLER_URL", world.platform.url());
    plugin.env("PATH", format!("{}:/usr/bin:/bin", world.bin().display()));
    let answer = run(plugin
        .args(["psql", "clowk-lp/db"])
        .write_stdin("SELECT 1;\n"));
    assert_eq!((answer.code, &answer.stdout[..]), (2, "SELECT 1;\n"));
}

#[test]
fn a_docker_that_hangs_costs_three_seconds() {
    let world = World::with_cluster(1);
    world.prepare("pods", "");
    let bin = world.bin();
    std::fs::remove_file(bin.join("pods")).unwrap();
    let made = std::process::Command::new("mkfifo")
        .arg(bin.join("pods"))
        .status();
    assert!(made.unwrap().success());
    let before = std::time::Instant::now();
    let error = world.answer(&["psql", "clowk-lp/db"]).error();
    assert!(
        error.contains("did not end within 3 s; see whether docker answers"),
        "{error}"
    );
    assert!(before.elapsed() < std::time::Duration::from_secs(8));
}

#[test]
fn a_pod_that_does_not_exist_or_does_not_run_is_refused() {
    let world = World::with_cluster(2);
    let usage = world.answer(&["psql", "clowk-lp/db", "--replica", "abc"]);
    assert_eq!(
        (usage.code, &usage.document()["status"]),
        (2, &json!("error"))
    );
    let out_of_range = "clowk-lp/db: there is no pod 2, the cluster has 2 pods";
    world.refused(&["psql", "clowk-lp/db", "--replica", "2"], out_of_range);
    world.refused(
        &["psql", "clowk-lp/nope"],
        "clowk-lp/nope: there is no postgres cluster",
    );
    world.prepare("pods", "clowk-lp-db.0\tpaused\t0\n");
    let paused = world.refused(
        &["psql", "clowk-lp/db"],
        "pod clowk-lp-db.0 is not running, it is paused",
    );
    assert!(paused.ends_with("docker unpause clowk-lp-db.0"), "{paused}");
    let replica = ["psql", "clowk-lp/db", "--replica", "1"];
    world.refused(&replica, "pod clowk-lp-db.1 does not exist");
}
