use super::*;
use crate::cluster::handover::fixture::{World, server};
use crate::cluster::silence::Silence;

const CLEAN: Way = Way::HandOver { behind: 0 };

fn lost(why: &str, lost: Option<u64>) -> Way {
    Way::TakeOver {
        why: why.to_owned(),
        lost,
    }
}

#[test]
fn a_healthy_cluster_hands_over() {
    let world = World::new();
    let expected = Plan {
        way: CLEAN,
        notes: Vec::new(),
        effects: Effects::default(),
    };
    assert_eq!(world.plan(), Ok(expected));
    World::new().force().goes(&CLEAN);
}

#[test]
fn what_is_no_standby_of_the_cluster_is_refused() {
    let mut single = World::new().target("0");
    single.survey.pods.truncate(1);
    single.refused("s/db: has one pod", "replicas = 2");
    World::new()
        .target("3")
        .refused("no pod 3, the cluster has 3 pods", "0 to 2");
}

#[test]
fn a_record_in_another_state_decides() {
    World::new().target("0").goes(&Way::Finish);
    let running = || World::new().record("steady", "handover\ntarget=2");
    running().target("2").goes(&Way::Resume);
    running().refused(
        "pod 0 is handing over to pod 2",
        "vd pg:promote s/db --replica 2",
    );
    running()
        .target("0")
        .refused("pod 0 is handing over to pod 2", "");
    World::new()
        .record("steady", "maintenance")
        .refused("for a restore", "wait");
}

/// The old primary and the target died in the middle, and for good.
#[test]
fn a_handover_that_nobody_carries_on_is_given_up_with_force() {
    let gone = || Container::Stopped("exited".to_owned());
    let dead = |state: &str| {
        let world = World::new().record("steady", state).target("2");
        world.is(0, gone()).is(1, gone())
    };
    let stopped = || dead("handover\ntarget=1\nstopped_at=0/5000248");
    for seconds in [0, 29] {
        let young = stopped().since(seconds);
        young.refused("is handing over to pod 1 at this moment", "--replica 1");
        let refused = young.force();
        refused.refused("is handing over to pod 1 at this moment", "--replica 1");
    }
    stopped().since(180).refused(
        "pod 0 was to hand over to pod 1, and nothing has happened for 3 min",
        "when both pods are gone for good: vd pg:promote s/db --replica 2 --force",
    );
    let way = lost("s-db.0 is exited", Some(256));
    stopped().since(30).force().goes(&way);
    let running = dead("handover\ntarget=1").since(30).force();
    running.goes(&lost("s-db.0 is exited", None));
    stopped()
        .since(30)
        .force()
        .target("0")
        .refused("is handing over to pod 1", "--replica 1");
    // A standby that has more is not passed over here either.
    stopped()
        .since(30)
        .force()
        .pod(1, |pod| *pod = PodReport::answering("1", server(true)))
        .server(1, |server| server.received = "0/5000248".parse().ok())
        .refused("s-db.1 has 256 B more", "--replica 1 --force");
}

#[test]
fn a_pod_of_the_older_plugin_is_named() {
    for pod in [0, 1, 2] {
        World::new()
            .force()
            .pod(pod, |pod| pod.is_ours = false)
            .refused(
                &format!("s-db.{pod} was started by an older version of the plugin"),
                "vd apply",
            );
    }
    // A pod that does not exist was started by nobody.
    let absent = World::new()
        .pod(2, |pod| pod.is_ours = false)
        .is(2, Container::Absent);
    assert_eq!(absent.plan().unwrap().notes, ["s-db.2 does not exist"]);
}

#[test]
fn a_target_that_cannot_replay_is_refused() {
    let exited = || Container::Stopped("exited".to_owned());
    for force in [false, true] {
        let world = || {
            if force {
                World::new().force()
            } else {
                World::new()
            }
        };
        world().is(1, Container::Paused).refused(
            "s-db.1 is not running, it is paused",
            "docker unpause s-db.1",
        );
        world()
            .is(1, exited())
            .refused("s-db.1 is not running, it is exited", "docker logs s-db.1");
        world()
            .is(1, Container::Absent)
            .refused("s-db.1 does not exist", "vd apply");
        world()
            .pod(1, |pod| pod.server = Err(Silence::Hangs))
            .refused("s-db.1 did not answer in time", "docker top s-db.1");
        world()
            .pod(1, |pod| {
                pod.server = Err(Silence::Refuses("starting up".to_owned()));
            })
            .refused(
                "s-db.1 does not accept sessions: starting up",
                "docker logs",
            );
        world()
            .server(1, |server| server.replay_paused = true)
            .refused("s-db.1 does not replay", "pg_wal_replay_resume");
        world().server(1, |found| *found = server(false)).refused(
            "s-db.1 accepts writes, although the record names pod 0",
            "docker logs",
        );
        world().server(2, |found| *found = server(false)).refused(
            "s-db.2 accepts writes, although the record names pod 0",
            "docker logs",
        );
    }
}

#[test]
fn a_target_that_is_behind_needs_leave() {
    let behind =
        |bytes| World::new().server(0, move |server| server.standbys[0].lag_bytes = Some(bytes));
    behind(16 << 20).goes(&Way::HandOver { behind: 16 << 20 });
    behind((16 << 20) + 1).refused(
        "s-db.1 is 16.0 MB behind the primary, and 16.0 MB are allowed",
        "--max-lag",
    );
    behind(1 << 30)
        .force()
        .goes(&Way::HandOver { behind: 1 << 30 });
    let catching_up =
        || World::new().server(0, |server| server.standbys[0].state = "catchup".to_owned());
    catching_up().refused("s-db.1 is still catching up", "in a while");
    catching_up().force().goes(&CLEAN);
}

#[test]
fn a_target_that_replays_late_by_its_settings_is_refused() {
    let late = |seconds| World::new().server(1, move |server| server.replay_delay = seconds);
    let next = "take recovery_min_apply_delay out";
    for world in [late(300.0), late(5.0).force()] {
        world.refused("(recovery_min_apply_delay)", next);
    }
    late(0.5).goes(&CLEAN);
    // A promotion ends the delay.
    let dead = late(300.0).force().is(0, Container::Paused);
    dead.goes(&lost("s-db.0 is paused", None));
}

#[test]
fn a_primary_that_cannot_hand_over_needs_force() {
    let cut_off = || {
        World::new().server(0, |server| {
            server.standbys.remove(0);
            server.written = "0/5000248".parse().ok();
        })
    };
    cut_off().refused(
        "pod 0 cannot hand over to pod 1: s-db.1 is not connected to it",
        "vd pg:promote s/db --replica 1 --force",
    );
    // What the other standby has in addition is known to the primary only.
    cut_off()
        .force()
        .goes(&lost("s-db.1 is not connected to it", Some(256)));
    for (state, words) in [
        (Container::Paused, "s-db.0 is paused"),
        (Container::Absent, "s-db.0 is absent"),
        (
            Container::Stopped("restarting".to_owned()),
            "s-db.0 is restarting",
        ),
    ] {
        World::new().is(0, state.clone()).refused(words, "--force");
        World::new().is(0, state).force().goes(&lost(words, None));
    }
    let hangs = || World::new().pod(0, |pod| pod.server = Err(Silence::Hangs));
    hangs()
        .force()
        .goes(&lost("s-db.0 did not answer in time", None));
    let unfinished = World::new().server(0, |server| server.in_recovery = true);
    unfinished.refused("s-db.0 is still in recovery", "--force");
    World::new()
        .server(0, |server| server.standbys[0].state = "startup".to_owned())
        .refused("s-db.1 is connected to it in state startup", "--force");
    World::new()
        .server(0, |server| server.standbys[0].lag_bytes = None)
        .refused("s-db.1 has just connected", "run this again");
}

#[test]
fn somebody_elses_data_is_never_promoted() {
    for world in [World::new(), World::new().force()] {
        world
            .server(1, |server| server.system = "8".to_owned())
            .refused("s-db.1 holds another database than pod 0", "volumes");
    }
}

#[test]
fn the_others_are_named_when_they_are_not_well() {
    let notes = |world: World| world.plan().unwrap().notes.join("; ");
    let paused = World::new().is(2, Container::Paused);
    assert!(notes(paused).starts_with("s-db.2 is paused"));
    let hangs = World::new().pod(2, |pod| pod.server = Err(Silence::Hangs));
    assert_eq!(notes(hangs), "s-db.2 did not answer in time");
    let cut_off = World::new().server(0, |server| drop(server.standbys.pop()));
    assert!(notes(cut_off).starts_with("s-db.2 does not stream"));
    let slow = World::new().server(0, |server| server.standbys[1].lag_bytes = Some(1 << 30));
    assert_eq!(notes(slow), "s-db.2 is 1.0 GB behind");
    // A forced one does not know of the primary's connections.
    let exited = || Container::Stopped("exited".to_owned());
    let silent = World::new().force().is(0, exited()).is(2, exited());
    assert!(notes(silent).starts_with("s-db.2 is exited, and whether it has more"));
}
