//! Planned changes, as often as `make test` affords.

use super::{cluster, killed_at, there_and_back};
use crate::support::{Cluster, docker_ok};

#[test]
fn planned_promotes_lose_nothing_on_17_and_refusals_change_nothing() {
    let Some(cluster) = cluster(17, 3) else {
        return;
    };
    there_and_back(&cluster, &[1, 0, 1, 0]);
    refusals(&cluster);
}

#[test]
fn planned_promotes_lose_nothing_on_15() {
    let Some(cluster) = cluster(15, 2) else {
        return;
    };
    there_and_back(&cluster, &[1, 0]);
}

fn refusals(cluster: &Cluster) {
    let promote = |pod| ["--replica", pod];
    let why = cluster.refused("promote", &promote("3"));
    assert!(why.contains("there is no pod 3"), "{why}");

    cluster.sql(1, "SELECT pg_wal_replay_pause()");
    let why = cluster.refused("promote", &promote("1"));
    assert!(why.contains("does not replay"), "{why}");
    cluster.sql(1, "SELECT pg_wal_replay_resume()");

    // The primary shows the connection for some seconds more, and it is dead at once.
    cluster.cut_off(1);
    let why = cluster.refused("promote", &promote("1"));
    assert!(
        why.contains("does not arrive at pod 1") || why.contains("is not connected"),
        "{why}"
    );
    // The others can go on without it.
    let printed = cluster.promote(2, &[]);
    assert!(
        printed.contains("nothing was lost") && printed.contains("pod 1 does not stream yet"),
        "{printed}"
    );
    let why = cluster.refused("promote", &promote("1"));
    assert!(why.contains("is not connected"), "{why}");
    cluster.reconnect(1);
    cluster.wait_until_formed_around(2);

    docker_ok(&["pause", &cluster.pod(2)]);
    let output = cluster.pg("promote", &promote("0"));
    assert!(
        output.stderr.contains("is paused") && output.status == 1,
        "{output:?}"
    );
    docker_ok(&["unpause", &cluster.pod(2)]);
    cluster.wait_until_formed_around(2);
    // Done before: the mirror and the URLs are seen to, and nothing else.
    let before = cluster.record();
    let printed = cluster.promote(2, &[]);
    assert!(printed.contains("already the primary"), "{printed}");
    assert_eq!(cluster.record(), before);
}

#[test]
fn a_killed_plugin_leaves_what_the_next_one_finishes() {
    let Some(cluster) = cluster(17, 2) else {
        return;
    };
    let instants = [150, 400, 600, 800, 1_100, 1_600];
    killed_at(&cluster, instants);
}
