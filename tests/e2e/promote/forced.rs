//! The primary is dead: what is lost is said, kept, and given up only on request.

use super::{assert_linked_to, cluster, rejoin};
use crate::support::{Cluster, Load, docker_ok, eventually, holds};

/// The number that a message gives for transactions that only the old primary has.
fn reported(printed: &str) -> usize {
    let rest = printed.split("unless you save them: ").nth(1);
    let number = rest.and_then(|rest| rest.split(' ').next());
    number.map_or(0, |number| number.parse().expect("a number"))
}

#[test]
fn a_forced_promotion_says_what_is_lost_and_the_old_primary_rejoins_on_17() {
    let Some(cluster) = cluster(17, 3) else {
        return;
    };
    forced(&cluster);
}

#[test]
fn a_forced_promotion_says_what_is_lost_and_the_old_primary_rejoins_on_15() {
    let Some(cluster) = cluster(15, 2) else {
        return;
    };
    forced(&cluster);
}

fn forced(cluster: &Cluster) {
    let load = Load::start(cluster);
    // Each has more than the one before, and what is written in the end reaches nobody.
    let standbys = 1..cluster.plan.replicas;
    for pod in standbys.clone() {
        cluster.unplug(pod);
        load.await_writes(50);
    }
    cluster.kill_for_good(0);
    standbys.for_each(|pod| cluster.plug_in(pod));
    let output = cluster.pg("promote", &["--replica", "1"]);
    assert!(
        output.status == 1 && output.stderr.contains("--force"),
        "{output:?}"
    );
    let three = cluster.plan.replicas == 3;
    if three {
        let why = cluster.pg("promote", &["--replica", "1", "--force"]).stderr;
        assert!(
            why.contains("db.2 has ") && why.contains("--allow-lag"),
            "{why}"
        );
    }
    let printed = cluster.promote(1, &["--force", "--allow-lag"]);
    load.await_writes(50);
    assert_linked_to(cluster, 1);
    // It comes back while nobody looks.
    docker_ok(&["start", &cluster.pod(0)]);
    cluster.wait_for_log(0, &["split-brain guard"]);
    load.await_writes(20);
    let seen = load.stop();
    assert_eq!(seen.writers(), [0, 1]);
    let lost = seen.lost(cluster, 1);
    eprintln!(
        "{} of {} writes lost, {} reported",
        lost.len(),
        seen.count(),
        reported(&printed)
    );
    // The probe's transactions count too, and one that nobody was told of.
    assert!(
        lost.len() >= 50 && reported(&printed) >= lost.len(),
        "{}: {printed}",
        lost.len()
    );

    let why = cluster.refused("rejoin", &["--replica", "0"]);
    assert!(
        why.contains("transactions in ") && why.contains("--yes"),
        "{why}"
    );
    let in_neither = seen.lost_in_copy(cluster, 0);
    assert!(lost.is_disjoint(&in_neither), "the old primary kept them");
    let rejoined = rejoin(cluster, 0);
    assert!(rejoined.contains("pg_rewind moved"), "{rejoined}");
    if three {
        assert!(
            printed.contains("db.2 has more than pod 1, and can follow it once"),
            "{printed}"
        );
        // It does not come up again by itself either.
        docker_ok(&["restart", &cluster.pod(2)]);
        cluster.wait_for_log(2, &["WAL that pod 1 never got"]);
        rejoin(cluster, 2);
        cluster.wait_for_log(2, &["voodu: rewound this pod's data"]);
    }
    cluster.wait_until_formed_around(1);
    cluster.wait_until_caught_up(1);
    assert!(cluster.log(0).contains("voodu: rewound this pod's data"));
    let sum = "SELECT count(*), sum(n) FROM load";
    for pod in 0..cluster.plan.replicas {
        assert_eq!(cluster.sql(pod, sum), cluster.sql(1, sum));
    }
    eventually(15, "the end of the request", || {
        holds(!cluster.record().contains("rejoin"), || cluster.record())
    });
    let again = cluster.pg("rejoin", &["--replica", "0"]);
    assert!(again.stdout.contains("there is nothing to do"), "{again:?}");
}

/// Both pods of a handover are gone for good after the old primary had stopped for it.
#[test]
fn a_handover_without_its_pods_ends_and_the_third_pod_takes_over() {
    let Some(cluster) = cluster(17, 3) else {
        return;
    };
    cluster.sql(0, "CREATE TABLE t AS SELECT 1 AS i");
    cluster.wait_until_caught_up(0);
    // Pod 1 would give the role back after 5 s.
    cluster.sql(1, "SELECT pg_wal_replay_pause()");
    cluster.hand_over_to(1);
    eventually(4, "the stop of the old primary", || {
        holds(cluster.record().contains("stopped_at="), || {
            cluster.record()
        })
    });
    cluster.kill_for_good(0);
    cluster.kill_for_good(1);
    // No pod is up whose role could be looked at.
    let refused = |flags: &[&str], words: &str| {
        let before = cluster.record();
        let output = cluster.pg("promote", flags);
        assert!(
            output.status == 1 && output.stderr.contains(words),
            "{output:?}"
        );
        assert_eq!(cluster.record(), before);
    };
    refused(&["--replica", "2", "--force"], "at this moment");
    // The command that is named there ends it, although nobody else does.
    let waited = cluster.pg("promote", &["--replica", "1"]);
    assert_eq!(waited.status, 1, "{waited:?}");
    assert!(
        waited.stderr.contains("pod 1 did not take over in time"),
        "{waited:?}"
    );
    assert!(
        cluster.record().contains("primary=0\nstate=steady\n"),
        "{}",
        cluster.record()
    );
    // An old one is given up at once.
    cluster.hand_over_to(1);
    cluster.age_record(60);
    refused(&["--replica", "2"], "--replica 2 --force");
    let printed = cluster.promote(2, &["--force"]);
    assert!(printed.starts_with("pod 2 is now the primary"), "{printed}");
    assert_linked_to(&cluster, 2);
    assert_eq!(cluster.sql(2, "SELECT count(*) FROM t"), "1");
}

/// Without a primary a standby says itself on which timeline it is, checkpoint or not.
#[test]
fn after_a_promote_the_standby_that_has_the_most_is_known_without_a_primary() {
    let Some(cluster) = cluster(17, 3) else {
        return;
    };
    cluster.promote(1, &[]);
    cluster.wait_until_formed_around(1);
    cluster.sql(1, "CREATE TABLE t AS SELECT 1 AS i");
    cluster.wait_until_caught_up(1);
    cluster.sql(2, "CHECKPOINT");
    cluster.kill_for_good(1);
    for pod in ["0", "2"] {
        let plan = cluster.pg("promote", &["--replica", pod, "--force", "--dry-run"]);
        assert_eq!(plan.status, 0, "{plan:?}");
        assert!(!plan.stdout.contains("has more than"), "{plan:?}");
    }
}
