//! Jobs and cronjobs.

use serde_json::{Value, json};
use voodu_standin::{ApplyOptions, Event, Kind};

use crate::support::{World, manifest, vars};

fn store(world: &World, kind: &str, spec: Value) {
    world
        .platform
        .apply(
            vec![manifest(kind, "s", "j", spec)],
            ApplyOptions::default(),
        )
        .unwrap();
}

#[test]
fn the_run_line_of_a_job() {
    let world = World::new();
    world
        .platform
        .seed_bucket("s", "j", &vars(&[("FROM", "bucket")]))
        .unwrap();
    store(
        &world,
        "job",
        json!({"image": "i", "command": ["x"], "env": {"A": "1"},
            "labels": {"voodu.role": "backup", "voodu.kind": "evil", "mine": "1"}}),
    );
    assert_eq!(world.commands(), Vec::<String>::new());
    let (status, reply) = world.http("POST", "/jobs/run?name=j", "");
    assert_eq!(status, 200);
    let run_id = reply["data"]["run_id"].as_str().unwrap().to_owned();
    let commands = world.commands();
    let created = commands[0].split("voodu.created_at=").nth(1).unwrap();
    let created = created.split(' ').next().unwrap();
    let root = world.platform.root().display().to_string();
    let expected = format!(
        "run -d --name s-j.{run_id} --label createdby=voodu --label voodu.kind=job \
         --label voodu.scope=s --label voodu.name=j --label voodu.replica_id={run_id} \
         --label voodu.created_at={created} --label voodu.role=job --label mine=1 \
         --label voodu.role=backup --add-host host.docker.internal:host-gateway \
         --network voodu0 --env-file {root}/apps/s-j/shared/.env \
         --ulimit nofile=65536:65536 --ulimit nproc=4096:4096 --log-opt max-size=10m \
         --log-opt max-file=3 i x"
    );
    assert_eq!(commands[0], expected);
    assert_eq!(commands[1], format!("wait s-j.{run_id}"));
    let env = std::fs::read_to_string(format!("{root}/apps/s-j/shared/.env")).unwrap();
    assert_eq!(env, "A=1\nFROM=bucket\n");
}

#[test]
fn a_failed_run_answers_with_an_error_and_its_record() {
    let world = World::new();
    store(&world, "job", json!({"image": "i"}));
    world.memory.set_exit_code(7);
    let (status, reply) = world.http("POST", "/jobs/run?scope=s&name=j", "");
    assert_eq!(status, 500);
    assert_eq!(reply["data"]["exit_code"], 7);
    assert_eq!(reply["data"]["status"], "failed");
    assert!(reply["error"].as_str().unwrap().ends_with("exited 7"));
    let (status, reply) = world.http("POST", "/jobs/run?scope=s&name=none", "");
    assert_eq!(status, 500);
    assert_eq!(reply["error"], "job/s-none not found — apply it first");
}

#[test]
fn old_runs_are_collected() {
    let world = World::new();
    store(&world, "job", json!({"image": "i"}));
    for _ in 0..5 {
        world.http("POST", "/jobs/run?scope=s&name=j", "");
    }
    let status = world.platform.status(Kind::Job, "s", "j").unwrap();
    assert_eq!(status["history"].as_array().unwrap().len(), 3);
    let (_, reply) = world.http("GET", "/pods?kind=job&name=j", "");
    assert_eq!(reply["data"]["pods"].as_array().unwrap().len(), 3);
}

#[test]
fn an_action_runs_a_job_in_the_background() {
    let world = World::new();
    world.answer(
        "run",
        &json!([
            {"type": "apply_manifest", "scope": "s", "name": "j",
                "manifest": {"kind": "job", "scope": "s", "name": "j", "spec": {"image": "i"}}},
            {"type": "run_job", "scope": "s", "name": "j"},
            {"type": "run_job", "scope": "s", "name": "absent"},
        ]),
    );
    let (status, _) = world.http("POST", "/plugin/fake/run", "");
    assert_eq!(status, 200);
    world.platform.wait_for_jobs();
    let events = world.platform.events();
    let finished = |event: &Event| matches!(event, Event::RunFinished { exit_code: 0, .. });
    assert!(events.iter().any(finished), "{events:?}");
    let warned = |event: &Event| {
        matches!(event, Event::Warning { message }
        if message.contains("job/s-absent not found"))
    };
    assert!(events.iter().any(warned), "{events:?}");
}

#[test]
fn a_cronjob_runs_on_demand_unless_suspended() {
    let world = World::new();
    let spec = |suspend: bool| {
        json!({"schedule": "@daily", "suspend": suspend,
            "job": {"image": "i", "network_mode": "host", "labels": {"mine": "1"}}})
    };
    store(&world, "cronjob", spec(false));
    assert_eq!(
        world.http("POST", "/cronjobs/run?scope=s&name=j", "").0,
        200
    );
    let line = world.commands().remove(0);
    assert!(line.contains(" --network host "), "{line}");
    assert!(!line.contains("mine=1"), "{line}");
    store(&world, "cronjob", spec(true));
    let (status, reply) = world.http("POST", "/cronjobs/run?scope=s&name=j", "");
    assert_eq!((status, &reply["data"]["run_id"]), (200, &json!("")));
}
