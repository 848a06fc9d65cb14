use super::*;
use crate::cluster::handover::fixture::{World, server};
use crate::cluster::silence::Silence;

fn lost(why: &str, lost: Option<u64>) -> Way {
    Way::TakeOver {
        why: why.to_owned(),
        lost,
    }
}

fn exited() -> Container {
    Container::Stopped("exited".to_owned())
}

#[test]
fn a_standby_that_has_more_is_not_passed_over_silently() {
    let ahead = |timeline, position: &'static str| {
        World::new()
            .force()
            .is(0, Container::Paused)
            .server(2, move |server| {
                server.timeline = timeline;
                server.received = position.parse().ok();
            })
    };
    let way = lost("s-db.0 is paused", None);
    ahead(1, "0/5000148").goes(&way);
    ahead(1, "0/4000000").goes(&way);
    let next = "vd pg:promote s/db --replica 2 --force; or add --allow-lag";
    ahead(1, "0/5000248").refused(
        "s-db.2 has 256 B more of the primary's WAL than pod 1",
        next,
    );
    ahead(2, "0/4000000").refused("s-db.2 has WAL of a newer timeline than pod 1", next);
    let mut allowed = ahead(1, "0/5000248");
    allowed.wish.allow_lag = true;
    allowed.goes(&way);
    let note = &allowed.plan().unwrap().notes[0];
    assert!(
        note.contains("s-db.2 has more than pod 1")
            && note.ends_with("vd pg:rejoin s/db --replica 2"),
        "{note}"
    );
}

/// A standby that runs and does not say how far it is may have what the target lacks; one that is
/// stopped is a part of the outage.
#[test]
fn a_standby_that_does_not_say_how_far_it_is_may_have_more() {
    let dead = || World::new().force().is(0, exited());
    let way = lost("s-db.0 is exited", None);
    let refused = |world: World, why: &str, next: &str| {
        let reason =
            format!("whether pod s-db.2 has more than pod 1 is not known: pod s-db.2 {why}");
        world.refused(&reason, next);
        world.refused(&reason, "; or add --allow-lag");
        let mut allowed = world;
        allowed.wish.allow_lag = true;
        allowed.goes(&way);
        let notes = allowed.plan().unwrap().notes;
        assert!(notes[0].starts_with("s-db.2 "), "{notes:?}");
    };
    let words = || "FATAL:  no".to_owned();
    for (silence, why, next) in [
        (
            Silence::Hangs,
            "did not answer in time",
            "docker top s-db.2",
        ),
        (Silence::Down, "runs, and postgres", "docker logs s-db.2"),
        (Silence::NotReady(words()), "does not accept", "docker logs"),
        (Silence::CannotLogIn(words()), "does not let", "pg_hba.conf"),
        (Silence::Crowded(words()), "has no connection", "max_conn"),
    ] {
        let world = dead().pod(2, |pod| pod.server = Err(silence));
        refused(world, why, next);
    }
    let paused = dead().is(2, Container::Paused);
    refused(paused, "is not running, it is paused", "docker unpause");
    let restarting = Container::Stopped("restarting".to_owned());
    for state in [exited(), restarting, Container::Absent] {
        dead().is(2, state).goes(&way);
    }
    // The same of the old primary is measured apart.
    World::new()
        .force()
        .pod(0, |pod| pod.server = Err(Silence::Hangs))
        .goes(&lost("s-db.0 did not answer in time", None));
    // And a handover of a primary that works waits for nobody else.
    World::new()
        .force()
        .pod(2, |pod| pod.server = Err(Silence::Hangs))
        .goes(&Way::HandOver { behind: 0 });
}

/// A handover that was begun before takes the role from a primary that does not carry it out, too.
#[test]
fn a_handover_that_is_resumed_with_force_passes_over_nobody() {
    let world = || World::new().record("steady", "handover\ntarget=1");
    let ahead = |world: World| world.server(2, |server| server.received = "0/5000248".parse().ok());
    let next = "promote that one: vd pg:promote s/db --replica 2 --force; or add --allow-lag";
    let dead = || ahead(world()).is(0, exited());
    dead().goes(&Way::Resume);
    dead().force().refused(
        "s-db.2 has 256 B more of the primary's WAL than pod 1",
        next,
    );
    let mut allowed = dead().force();
    allowed.wish.allow_lag = true;
    allowed.goes(&Way::Resume);
    let notes = allowed.plan().unwrap().notes;
    assert!(notes[0].contains("s-db.2 has more than pod 1"), "{notes:?}");
    // While the primary works, it is asked again when it turns out not to.
    ahead(world()).force().goes(&Way::Resume);
    // It has taken over already.
    let done = dead().force().server(1, |found| *found = server(false));
    done.goes(&Way::Resume);
    // Nothing can be compared with a target that is silent.
    let silent = dead()
        .force()
        .pod(1, |pod| pod.server = Err(Silence::Hangs));
    silent.refused(
        "whether pod s-db.2 has more than pod 1 is not known: pod s-db.1 did not answer",
        "--allow-lag",
    );
    silent.is(2, exited()).goes(&Way::Resume);
}
