//! The pods' part of a handover: what each does when the record says so, whoever wrote it.

use std::time::{Duration, Instant};

use crate::support::{Cluster, Plan, docker_ok, eventually, holds};

/// Waits until the record is steady again, and gives its text.
#[track_caller]
fn decided(cluster: &Cluster, within: u64) -> String {
    eventually(within, "a decision", || {
        let record = cluster.record();
        holds(record.contains("state=steady"), || record.clone())?;
        Ok(record)
    })
}

#[test]
fn writes_move_to_the_target_and_back_and_nothing_is_restarted() {
    let Some(cluster) = Cluster::up(Plan {
        probes: true,
        ..Plan::default()
    }) else {
        return;
    };
    cluster.sql(0, "CREATE TABLE t AS SELECT 1 AS i");
    let before = [0, 1, 2].map(|pod| cluster.started_at(pod));
    for (old, new) in [(0, 2), (2, 1), (1, 0)] {
        let asked = Instant::now();
        cluster.hand_over_to(new);
        let record = decided(&cluster, 10);
        assert!(record.contains(&format!("primary={new}\n")), "{record}");
        let clean = record.lines().find(|line| line.starts_with("clean="));
        let entry = format!("{old}@");
        assert!(clean.is_some_and(|it| it.contains(&entry)), "{record}");
        cluster.wait_until_primary(new);
        cluster.sql(new, "INSERT INTO t VALUES (2)");
        cluster.wait_until_formed_around(new);
        let took = asked.elapsed();
        eprintln!("{old} to {new}: everything streams after {took:?}");
        assert!(took < Duration::from_secs(8), "{took:?}");
    }
    cluster.wait_until_caught_up(0);
    assert_eq!(cluster.sql(1, "SELECT count(*) FROM t"), "4");
    assert_eq!([0, 1, 2].map(|pod| cluster.started_at(pod)), before);
    for pod in 0..3 {
        assert!(!cluster.log(pod).contains("cloned pod 2"), "no copy");
    }
}

#[test]
fn without_a_target_the_old_primary_takes_the_role_back() {
    let Some(cluster) = Cluster::up(Plan::default()) else {
        return;
    };
    let takes_back = |pod: u16, words: &str| {
        // A target that freezes once the old primary stops costs it wal_sender_timeout, and 10 s for the decision.
        let record = decided(&cluster, 35);
        assert!(
            record.contains("primary=0\n") && !record.contains("clean="),
            "{record}"
        );
        cluster.wait_until_primary(0);
        cluster.sql(0, "SELECT txid_current()");
        cluster.wait_for_log(pod, &[words]);
    };
    // One that is frozen never decides.
    docker_ok(&["pause", &cluster.pod(1)]);
    cluster.hand_over_to(1);
    takes_back(0, "pod 1 did not take over within 10 s");
    docker_ok(&["unpause", &cluster.pod(1)]);
    cluster.wait_until_formed();

    // One whose replay is held up says so in time.
    cluster.sql(2, "SELECT pg_wal_replay_pause()");
    cluster.hand_over_to(2);
    takes_back(2, "giving the role back to pod 0");
    cluster.sql(2, "SELECT pg_wal_replay_resume()");
    cluster.wait_until_formed();

    // A crash in the middle leaves nothing that can be handed over.
    cluster.sql(0, "CREATE TABLE t AS SELECT 1 AS i");
    docker_ok(&["pause", &cluster.pod(0)]);
    cluster.hand_over_to(1);
    cluster.kill_pod(0);
    docker_ok(&["unpause", &cluster.pod(0)]);
    takes_back(0, "was not shut down cleanly");
    cluster.wait_until_formed();
    assert_eq!(cluster.sql(0, "SELECT count(*) FROM t"), "1");
}

#[test]
fn a_pod_that_boots_into_a_handover_goes_on_with_it() {
    let Some(cluster) = Cluster::up(Plan {
        replicas: 2,
        major: 15,
        ..Plan::default()
    }) else {
        return;
    };
    // Stopped before it heard of it: its clean shutdown counts all the same.
    docker_ok(&["stop", &cluster.pod(0)]);
    cluster.hand_over_to(1);
    docker_ok(&["start", &cluster.pod(0)]);
    let record = decided(&cluster, 20);
    assert!(
        record.contains("primary=1\nstate=steady\ntimeline=2\nclean=0@0/"),
        "{record}"
    );
    cluster.wait_until_formed_around(1);

    // With the target away it waits for a decision, and then takes the role back.
    docker_ok(&["stop", &cluster.pod(1), &cluster.pod(0)]);
    cluster.hand_over_to(0);
    docker_ok(&["start", &cluster.pod(1)]);
    let record = decided(&cluster, 25);
    assert!(record.contains("primary=1\n"), "{record}");
    cluster.wait_for_log(1, &["pod 0 did not take over within 10 s"]);
    docker_ok(&["start", &cluster.pod(0)]);
    cluster.wait_until_formed_around(1);
}
