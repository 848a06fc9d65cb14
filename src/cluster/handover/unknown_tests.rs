use super::*;
use crate::cluster::handover::fixture::World;
use crate::cluster::silence::Silence;

/// Nothing offers to do without a handover because an answer is missing; an operator may still
/// decide it.
#[test]
fn for_want_of_an_answer_force_is_not_offered() {
    let words = || "FATAL:  no".to_owned();
    for (silence, why, next) in [
        (
            Silence::Hangs,
            "did not answer in time",
            "docker top s-db.0",
        ),
        (
            Silence::Down,
            "postgres does not run in it",
            "docker logs s-db.0",
        ),
        (
            Silence::NotReady(words()),
            "does not accept sessions yet: FATAL:  no",
            "docker logs s-db.0",
        ),
        (
            Silence::CannotLogIn(words()),
            "does not let the plugin log in: FATAL:  no",
            "pg_hba.conf",
        ),
        (
            Silence::Crowded(words()),
            "has no connection left: FATAL:  no",
            "max_connections",
        ),
        (
            Silence::Refuses(words()),
            "does not accept sessions: FATAL:  no",
            "docker logs s-db.0",
        ),
    ] {
        let world = || World::new().pod(0, |pod| pod.server = Err(silence.clone()));
        let refusal = world().plan().unwrap_err();
        let text = format!("{refusal}; {}", refusal.next());
        assert!(
            text.starts_with("it is not known whether pod 0 can hand over to pod 1: s-db.0 "),
            "{text}"
        );
        assert!(text.contains(why) && text.contains(next), "{text}");
        assert!(!text.contains("--force"), "{text}");
        let Way::TakeOver { why: known, lost } = world().force().plan().unwrap().way else {
            panic!("{silence:?}")
        };
        assert!(known.contains(why) && lost.is_none(), "{known}");
        // The standby that has more is named, without the way to it.
        let ahead = world()
            .force()
            .server(2, |server| server.received = "0/5000248".parse().ok());
        let refusal = ahead.plan().unwrap_err();
        assert!(refusal.next().contains("--allow-lag") && !refusal.next().contains("--force"));
        // Nor does a handover that stands still become a reason.
        let stuck = world().record("steady", "handover\ntarget=1").since(180);
        stuck
            .target("2")
            .refused("nothing has happened", "once both do not run");
    }
}

#[test]
fn without_a_record_only_force_makes_a_primary_and_only_where_none_runs() {
    let mut world = World::new();
    world.record = None;
    let mut idle = World::new()
        .pod(0, |pod| pod.server = Err(Silence::Down))
        .pod(1, |pod| pod.server = Err(Silence::Down))
        .is(2, Container::Paused);
    idle.record = None;
    idle.refused("no record says who is primary", "add --force");
    idle.pod(0, |pod| pod.server = Err(Silence::Hangs))
        .refused("no record says who is primary", "first boot");
    world.refused("no record says who is primary", "first boot");
    let mut world = world.force();
    world.refused("s-db.0 accepts writes", "again");
    world = world.is(0, Container::Running).is(1, Container::Running);
    world.goes(&Way::Establish);
    world
        .is(1, Container::Paused)
        .refused("it is paused", "docker unpause");
}
