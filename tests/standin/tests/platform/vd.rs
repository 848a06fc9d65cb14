//! The CLI: rendering, local commands, files, and its own verbs.

use std::fs;
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{World, vars};

#[test]
fn text_is_the_message_then_a_tick_per_action() {
    let world = World::new();
    world.answer(
        "run",
        &json!([{"type": "config_set", "scope": "s", "name": "n", "kv": {"A": "1"}}]),
    );
    let output = world
        .platform
        .vd(["fk:run", "s/n", "-r", "eaten", "--x", "12:30"]);
    assert_eq!(output.stdout, "done\n  ✓ config_set s/n: A\n");
    assert_eq!((output.status, output.stderr.as_str()), (0, ""));
    assert_eq!(world.given("argv", "run"), "run\ns/n\n--x\n12\n30\n");
}

#[test]
fn json_is_the_reply_verbatim_and_nothing_is_done() {
    let world = World::new();
    world.answer(
        "run",
        &json!([{"type": "exec_local", "command": ["false"]}]),
    );
    let output = world.platform.vd(["fk:run", "s/n", "-o", "json"]);
    assert_eq!(output.status, 0);
    let reply: Value = serde_json::from_str(&output.stdout).unwrap();
    assert_eq!(reply["data"]["exec_local"][0]["command"][0], "false");
    assert_eq!(world.given("argv", "run"), "run\ns/n\n-o\njson\n");
}

#[test]
fn errors_go_to_stderr_with_exit_code_one() {
    let world = World::new();
    world.prepare(
        "stdout",
        "run",
        r#"{"status":"error","error":"no such cluster"}"#,
    );
    let output = world.platform.vd(["fk:run"]);
    assert_eq!((output.status, output.stdout.as_str()), (1, ""));
    assert_eq!(output.stderr, "plugin \"fk\" run: no such cluster\n");
    assert_eq!(world.platform.vd(["nonsense"]).status, 1);
}

#[test]
fn local_commands_run_in_order_until_one_fails() {
    let world = World::with(|builder| builder.env("FROM_BUILDER", "yes"));
    world.answer(
        "run",
        &json!([
            {"type": "exec_local", "command": ["bash", "-c", "cat; echo $FROM_BUILDER"],
                "summary": "one"},
            {"type": "exec_local", "command": ["bash", "-c", "echo two >&2; exit 4"],
                "summary": "two"},
            {"type": "exec_local", "command": ["echo", "three"], "summary": "three"},
        ]),
    );
    let output = world
        .platform
        .shim()
        .with_stdin("typed\n")
        .capture(["fk:run"]);
    assert_eq!(
        output.stdout,
        "done\n  ✓ one\n  ✓ two\n  ✓ three\ntyped\nyes\n"
    );
    assert_eq!((output.status, output.stderr.as_str()), (4, "two\n"));
}

#[test]
fn files_are_copied_and_never_overwritten() {
    let world = World::new();
    let directory = tempfile::tempdir().unwrap();
    let source = directory.path().join("source");
    fs::write(&source, "content").unwrap();
    world.answer(
        "run",
        &json!([{"type": "fetch_file", "remote_path": source, "dest_path": "copy"}]),
    );
    let shim = world.platform.shim().in_directory(directory.path());
    let output = shim.capture(["fk:run"]);
    assert!(
        output.stdout.ends_with("  ✓ wrote copy (7 bytes)\n"),
        "{output:?}"
    );
    assert_eq!(fs::read(directory.path().join("copy")).unwrap(), b"content");
    let again = shim.capture(["fk:run"]);
    assert_eq!(again.status, 1);
    assert!(
        again
            .stderr
            .contains("fetch_file copy: file already exists")
    );
}

#[test]
fn a_killed_plugin_reads_as_an_unreachable_controller() {
    let world = World::with(|builder| builder.plugin_timeout(Duration::from_millis(200)));
    world.prepare("sleep", "run", "20");
    let output = world.platform.vd(["fk:run"]);
    assert_eq!(output.status, 1);
    let expected = format!(
        "dispatch fk:run: controller at {}/plugin/fk/run unreachable \
         (context deadline exceeded after 200ms)\n",
        world.platform.url()
    );
    assert_eq!(output.stderr, expected);
}

#[test]
fn apply_diff_and_delete_a_file() {
    let world = World::new();
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("f.voodu"), "fake \"s\" \"db\" {}").unwrap();
    let shim = world.platform.shim().in_directory(directory.path());
    let expands = |env: &str| {
        let spec = json!({"image": "i", "env": {"K": env}});
        let manifest = json!({"kind": "statefulset", "scope": "s", "name": "db", "spec": spec});
        world.expands_to(&json!([manifest]), &json!([]));
    };
    expands("one");
    let output = shim.capture(["diff", "-f", "f.voodu"]);
    assert_eq!(output.stdout, "+ statefulset/s/db\n");
    let output = shim.capture(["apply", "-f", "f.voodu"]);
    assert_eq!(output.stdout, "  ✓ statefulset/s/db\n    s-db.0 created\n");
    let output = shim.capture(["diff", "-f", "f.voodu"]);
    assert_eq!(output.stdout, "= statefulset/s/db\n");
    expands("two");
    let output = shim.capture(["diff", "-f", "f.voodu"]);
    assert_eq!(
        output.stdout,
        "~ statefulset/s/db\n    spec.env.K: \"one\" → \"two\"\n"
    );
    let output = shim.capture(["apply", "-y", "-f", "f.voodu"]);
    assert_eq!(output.stdout, "  ✓ statefulset/s/db\n    s-db.0 replaced\n");
    let output = shim.capture(["delete", "-f", "f.voodu"]);
    assert_eq!(output.stdout, "  ✓ deleted statefulset/s/db\n");
    assert!(world.platform.manifests().is_empty());
}

#[test]
fn variables_come_from_the_environment_and_from_buckets() {
    let world = World::with(|builder| builder.env("SET_HERE", "here"));
    world.expands_to(&json!([]), &json!([]));
    world
        .platform
        .seed_bucket("s", "db", &vars(&[("IN_BUCKET", "there")]))
        .unwrap();
    let directory = tempfile::tempdir().unwrap();
    let text = "fake \"s\" \"db\" {\n x = \"${SET_HERE} ${IN_BUCKET}\"\n}";
    fs::write(directory.path().join("f.voodu"), text).unwrap();
    let shim = world.platform.shim().in_directory(directory.path());
    assert_eq!(shim.capture(["apply", "-f", "f.voodu"]).status, 0);
    let request: Value = serde_json::from_str(&world.given("seen", "expand")).unwrap();
    assert_eq!(request["spec"]["x"], "here there");
}

#[test]
fn config_describe_and_restart() {
    let world = World::new();
    world.apply_statefulset(json!({"image": "i"}));
    let vd = |line: &str| world.platform.vd(line.split(' '));
    assert_eq!(vd("config s/db set A=1 B=a=b").stdout, "A=1\nB=a=b\n");
    assert_eq!(vd("config:set s/db C=3").stdout, "C=3\n");
    assert_eq!(vd("config s/db get b").stdout, "B=a=b\n");
    assert_eq!(vd("config s/db unset B").stdout, "Unset B\n");
    assert_eq!(vd("config s/db").stdout, "A=1\nC=3\n");
    assert_eq!(vd("config s/db get zz").status, 1);
    assert_eq!(vd("restart s/db").stdout, "restarted statefulset/s/db\n");
    let described: Value =
        serde_json::from_str(&vd("describe statefulset s/db -o json").stdout).unwrap();
    assert_eq!(described["data"]["manifest"]["name"], "db");
    assert!(
        vd("describe statefulset/s/db")
            .stdout
            .contains("\"replicas\": 1")
    );
    assert_eq!(vd("describe statefulset s/no").status, 1);
}

#[test]
fn help_of_a_plugin_is_its_command() {
    let world = World::new();
    world.prepare("stdout", "help", "all about it\n");
    assert_eq!(world.platform.vd(["fake", "-h"]).stdout, "all about it\n");
}
