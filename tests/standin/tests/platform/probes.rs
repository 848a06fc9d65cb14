//! Probes on pods that only exist in memory: a command probe passes while the pod runs.

use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;
use voodu_standin::Event;
use voodu_standin::engine::Engine;

use crate::support::World;

fn world() -> World {
    let world = World::with(|builder| builder.probes(true));
    let probe = json!({"exec": {"command": ["true"]}, "period": "20ms", "failure_threshold": 2});
    world.apply_statefulset(json!({"image": "i",
        "probes": {"liveness": probe, "readiness": probe}}));
    world
}

#[track_caller]
fn eventually(what: &str, holds: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !holds() {
        assert!(Instant::now() < deadline, "never: {what}");
        thread::sleep(Duration::from_millis(5));
    }
}

fn restarts(world: &World) -> usize {
    let events = world.platform.events();
    let restarts = events.iter().filter(
        |event| matches!(event, Event::LivenessRestart { container } if container == "s-db.0"),
    );
    restarts.count()
}

#[test]
fn liveness_starts_a_stopped_container_again_once() {
    let world = world();
    eventually("ready", || {
        world.http("GET", "/pods/s-db.0/ready", "").0 == 200
    });
    world.memory.stop("s-db.0").unwrap();
    eventually("restarted", || restarts(&world) == 1);
    assert!(world.memory.containers(&[]).unwrap()[0].running);
    thread::sleep(Duration::from_millis(150));
    assert_eq!(restarts(&world), 1);
}

#[test]
fn freezing_does_not_stop_the_probes() {
    let world = world();
    world.http("POST", "/pods/s-db.0/stop", "");
    eventually("restarted", || restarts(&world) == 1);
}

#[test]
fn deleting_the_resource_stops_them() {
    let world = world();
    assert_eq!(world.http("GET", "/pods/s-db.0/ready", "").0, 200);
    world.platform.destroy("s", "db", false).unwrap();
    assert_eq!(world.http("GET", "/pods/s-db.0/ready", "").0, 404);
    thread::sleep(Duration::from_millis(100));
    assert_eq!(restarts(&world), 0);
}
