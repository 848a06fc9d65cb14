//! Every command in front of a controller that is down, slow, broken or not one at all: one clear
//! sentence, in time, and nothing is changed.

use std::time::{Duration, Instant};

use voodu_standin::Fault;

use crate::support::world::{NOWHERE, World, breaks_off};

const COMMANDS: [&[&str]; 12] = [
    &["link", "clowk-lp/db", "clowk-lp/web"],
    &["unlink", "clowk-lp/db", "clowk-lp/web"],
    &["psql", "clowk-lp/db"],
    &["expose", "clowk-lp/db"],
    &["unexpose", "clowk-lp/db"],
    &["info", "clowk-lp/db"],
    &["info", "clowk-lp/db", "--check"],
    &["new-password", "clowk-lp/db"],
    &["backups:restore", "clowk-lp/db", "b001", "--yes"],
    &["backup", "clowk-lp/db", "--destination", "/srv/x.tar"],
    &["restore", "clowk-lp/db", "--from", "/srv/x.tar", "--yes"],
    &["new-password", "clowk-lp/db", "--replication"],
];

#[track_caller]
fn case(world: &World, url: &str, expected: &str) {
    for words in COMMANDS {
        let error = world.answer_to(url, words).error();
        assert!(error.contains(expected), "{words:?}: {error}");
        assert!(error.contains("nothing was changed"), "{words:?}: {error}");
        assert!(
            !error.contains("hunter") && error.lines().count() == 1,
            "{error}"
        );
    }
    assert_eq!(world.docker_calls(), "");
}

#[test]
fn down() {
    let world = World::with_cluster(1);
    case(
        &world,
        NOWHERE,
        "the controller at http://127.0.0.1:9 cannot be reached: Connection refused",
    );
}

#[test]
fn an_error_of_its_own() {
    let world = World::with_cluster(1);
    world.platform.set_fault(Fault::Status(500));
    case(&world, world.platform.url(), "answered 500");
}

#[test]
fn garbage() {
    let world = World::with_cluster(1);
    world.platform.set_fault(Fault::Garbage);
    case(
        &world,
        world.platform.url(),
        "is not a controller, or not a healthy one",
    );
}

#[test]
fn half_an_answer() {
    let world = World::with_cluster(1);
    case(
        &world,
        &breaks_off(),
        "broke off in the middle of its answer",
    );
}

#[test]
fn slow() {
    let world = World::with_cluster(1);
    world
        .platform
        .set_fault(Fault::Slow(Duration::from_secs(9)));
    std::thread::scope(|scope| {
        for words in COMMANDS {
            let world = &world;
            scope.spawn(move || {
                let before = Instant::now();
                let error = world.answer(words).error();
                assert!(error.contains("did not answer within 5 s"), "{error}");
                assert!(before.elapsed() < Duration::from_secs(9), "{words:?}");
            });
        }
    });
}
