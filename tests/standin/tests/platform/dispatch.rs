//! The table of exit codes and outputs, and what a command is given.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use voodu_standin::Fault;

use crate::support::World;

#[track_caller]
fn case(stdout: &str, stderr: &str, exit: &str, status: u16, expected: &Value) {
    let world = World::new();
    world.prepare("stdout", "run", stdout);
    world.prepare("stderr", "run", stderr);
    world.prepare("exit", "run", exit);
    let (got, reply) = world.http("POST", "/plugin/fk/run", "{\"args\":[\"x\"]}");
    assert_eq!((got, &reply), (status, expected));
}

fn message(text: &str) -> Value {
    json!({"status": "ok", "data": {"message": text, "applied": []}})
}

fn error(text: &str) -> Value {
    json!({"status": "error", "error": text})
}

#[test]
fn a_clean_exit() {
    let answer = r#"{"status":"ok","data":{"message":"hi"}}"#;
    case(answer, "lost", "0", 200, &message("hi"));
    case(r#"{"status":"fine"}"#, "", "0", 200, &message(""));
    let failed = r#"{"status":"error","error":"no"}"#;
    case(failed, "", "0", 400, &error("plugin \"fk\" run: no"));
}

#[test]
fn a_clean_exit_without_envelope_is_a_message_and_runs_no_action() {
    case("plain\ntext\n\n", "", "0", 200, &message("plain\ntext"));
    let set = r#"{"status":"ok","data":{"actions":[{"type":"exec_local","command":["x"]}]}}"#;
    for stdout in [
        format!("debug\n{set}"),
        format!("{set}{set}"),
        set.replace("status", "state"),
    ] {
        case(&stdout, "", "0", 200, &message(&stdout));
    }
}

#[test]
fn a_failed_exit_names_the_first_that_speaks() {
    let failed = r#"{"status":"error","error":"said so"}"#;
    case(
        failed,
        "err",
        "3",
        400,
        &error("plugin \"fk\" run exited 3: said so"),
    );
    case(
        "out",
        "err\n",
        "3",
        400,
        &error("plugin \"fk\" run exited 3: err"),
    );
    case(
        "out\n",
        "",
        "3",
        400,
        &error("plugin \"fk\" run exited 3: out"),
    );
    case(
        "",
        "",
        "1",
        400,
        &error("plugin \"fk\" run exited 1: no output"),
    );
    let raw = format!("plugin \"fk\" run exited 1: {failed}");
    case("", failed, "1", 400, &error(&raw));
}

#[test]
fn the_invocation() {
    let world = World::with(|builder| builder.env("VOODU_BACKUPS_ROOT", "/somewhere"));
    world.prepare("stdout", "a:b", "ok");
    world.http("POST", "/plugin/fk/a:b", r#"{"args":["s/n","--x","a b"]}"#);
    assert_eq!(world.given("argv", "a:b"), "a:b\ns/n\n--x\na b\n");
    let context: Value = serde_json::from_str(&world.given("seen", "a:b")).unwrap();
    assert_eq!(context["plugin"], "fk");
    assert_eq!(context["command"], "a:b");
    assert_eq!(context["controller_url"], world.platform.url());
    assert_eq!(context["node_name"], "voodu-0");
    let directory = context["plugin_dir"].as_str().unwrap();
    let env = world.given("env", "a:b");
    for line in [
        "VOODU_NODE=voodu-0".to_owned(),
        "VOODU_ETCD_CLIENT=http://127.0.0.1:2379".to_owned(),
        "VOODU_BACKUPS_ROOT=/somewhere".to_owned(),
        format!("VOODU_PLUGIN_DIR={directory}"),
        format!("VOODU_ROOT={}", directory.trim_end_matches("/fake")),
    ] {
        assert!(
            env.lines().any(|have| have == line),
            "{line} is not in\n{env}"
        );
    }
}

#[test]
fn commands_that_do_not_exist() {
    let world = World::new();
    let (status, reply) = world.http("POST", "/plugin/fake/zz", "");
    assert_eq!(status, 400);
    assert_eq!(
        reply["error"],
        "plugin \"fake\" has no command \"zz\" (available: a:b, expand, help, run)"
    );
    let (status, reply) = world.http("POST", "/plugin/zz/run", "");
    assert_eq!(status, 400);
    assert!(reply["error"].as_str().unwrap().contains("not found in"));
}

#[test]
fn a_plugin_that_takes_too_long_is_killed_and_changes_nothing() {
    let world = World::with(|builder| builder.plugin_timeout(Duration::from_millis(300)));
    world.prepare("sleep", "run", "20");
    let (status, reply) = world.http("POST", "/plugin/fake/run", "");
    assert_eq!(status, 500);
    assert_eq!(
        reply["error"],
        "invoke plugin: plugin \"fake\": timeout after 300ms"
    );
    world.prepare("sleep", "expand", "20");
    let error = world
        .platform
        .apply_hcl("fake \"s\" \"db\" {}")
        .unwrap_err();
    assert!(error.to_string().contains("timeout after 300ms"));
}

#[test]
fn local_work_is_handed_over_and_not_done() {
    let world = World::new();
    world.answer(
        "run",
        &json!([
            {"type": "exec_local", "command": ["touch", "x"], "summary": "touching"},
            {"type": "fetch_file", "remote_path": "/a", "dest_path": "b", "size_bytes": 3},
        ]),
    );
    let (_, reply) = world.http("POST", "/plugin/fake/run", "");
    assert_eq!(
        reply["data"],
        json!({"message": "done",
            "applied": ["touching", "fetch_file /a → b (deferred to CLI)"],
            "exec_local": [{"command": ["touch", "x"]}],
            "fetch_file": [{"remote_path": "/a", "dest_path": "b", "size_bytes": 3}]})
    );
}

#[test]
fn a_bad_controller_is_bad_to_everybody_but_the_caller() {
    let world = World::new();
    world.prepare("stdout", "run", "ran");
    world.platform.set_fault(Fault::Status(503));
    assert_eq!(world.http("GET", "/health", ""), (503, Value::from("no\n")));
    world.platform.set_fault(Fault::Garbage);
    assert_eq!(
        world.http("GET", "/health", ""),
        (200, Value::from("<html>\n"))
    );
    world.platform.set_fault(Fault::Down);
    assert_eq!(world.http("POST", "/plugin/fk/run", "").0, 200);
    let context: Value = serde_json::from_str(&world.given("seen", "run")).unwrap();
    assert_eq!(context["controller_url"], "http://127.0.0.1:9");
    world.platform.set_fault(None);
    assert_eq!(world.http("GET", "/health?x=1", "").1["status"], "ok");
    assert_eq!(
        world.platform.requests(),
        [
            "GET /health",
            "GET /health",
            "POST /plugin/fk/run",
            "GET /health?x=1"
        ]
    );
}

#[test]
fn a_plugin_can_talk_to_the_controller_while_it_runs() {
    let world = World::new();
    world.apply_statefulset(json!({"image": "i", "replicas": 2}));
    world.commands();
    world.prepare("call", "run", "DELETE /resource?scope=s&name=db&ordinal=1");
    world.answer(
        "run",
        &json!([{"type": "config_set", "scope": "s", "name": "db", "kv": {"A": "1"}}]),
    );
    assert_eq!(world.http("POST", "/plugin/fk/run", "").0, 200);
    let reply = world.given("reply", "run");
    assert!(reply.contains("\"action\":\"rebootstrap\""), "{reply}");
    assert_eq!(
        world.steps(),
        [
            "stop s-db.1",
            "rm -f s-db.1",
            "run s-db.1",
            "stop s-db.1",
            "rm -f s-db.1",
            "run s-db.1",
            "stop s-db.0",
            "rm -f s-db.0",
            "run s-db.0"
        ]
    );
}

#[test]
fn hanging_up_kills_the_plugin() {
    let world = World::new();
    world.prepare("sleep", "run", "20");
    let started = Instant::now();
    let reply = std::thread::scope(|scope| {
        let call = scope.spawn(|| world.http("POST", "/plugin/fake/run", ""));
        while !world.was_given("env", "run") {
            std::thread::sleep(Duration::from_millis(5));
        }
        world.platform.hang_up();
        call.join().unwrap()
    });
    assert!(started.elapsed() < Duration::from_secs(10));
    assert_eq!(
        reply.1["error"],
        "invoke plugin: plugin \"fake\": context canceled"
    );
}
