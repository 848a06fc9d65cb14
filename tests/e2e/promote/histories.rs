//! Two faults in a row: histories that part twice, records that are lost in between. A pod is a
//! standby of its primary only when its history is a part of the primary's.

use std::fs;

use crate::support::{Cluster, Plan, docker_ok, eventually, holds};

fn cluster(major: u16, replicas: u16) -> Option<Cluster> {
    Cluster::up(Plan {
        major,
        replicas,
        ..Plan::default()
    })
}

fn rows(cluster: &Cluster, pod: u16) -> Result<String, String> {
    cluster.try_sql(
        pod,
        "SELECT string_agg(DISTINCT who, ',' ORDER BY who) FROM t",
    )
}

fn insert(cluster: &Cluster, pod: u16, who: &str, count: u32) {
    for _ in 0..count {
        cluster.sql(pod, &format!("INSERT INTO t VALUES ('{who}')"));
    }
}

fn timeline(cluster: &Cluster, pod: u16) -> u32 {
    let name = "SELECT ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::int";
    cluster.sql(pod, name).parse().expect("a timeline")
}

/// Two forced promotions whose pods never saw each other.
fn two_forced(major: u16) {
    let Some(cluster) = cluster(major, 3) else {
        return;
    };
    cluster.sql(0, "CREATE TABLE t (who text)");
    insert(&cluster, 0, "zero", 1);
    cluster.wait_until_caught_up(0);
    docker_ok(&["stop", &cluster.pod(2)]);
    cluster.kill_for_good(0);
    cluster.promote(1, &["--force"]);
    insert(&cluster, 1, "one", 200);
    let first = timeline(&cluster, 1);
    cluster.kill_for_good(1);
    docker_ok(&["start", &cluster.pod(2)]);
    eventually(20, "pod 2", || {
        cluster
            .in_recovery(2)
            .and_then(|it| holds(it == "t", || it))
    });
    cluster.promote(2, &["--force"]);
    insert(&cluster, 2, "two", 30);
    assert!(timeline(&cluster, 2) > first, "a number of its own");

    // What only pod 1 has is known, and it is not given up by accident.
    let why = cluster.refused("rejoin", &["--replica", "1"]);
    let words = why
        .split("holds ")
        .nth(1)
        .and_then(|rest| rest.split(' ').next());
    match words.and_then(|word| word.parse::<u32>().ok()) {
        Some(commits) => assert!(commits >= 200, "{why}"),
        // What is not known is not nothing.
        None => assert!(why.contains("is unknown: "), "{why}"),
    }
    assert!(why.contains("--yes"), "{why}");
    docker_ok(&["start", &cluster.pod(1)]);
    cluster.wait_for_log(1, &["split-brain guard"]);
    let checked = cluster.pg("info", &["--check"]);
    assert_ne!(checked.status, 0, "{checked:?}");
    for pod in [1, 0] {
        let pod = pod.to_string();
        let output = cluster.pg("rejoin", &["--replica", &pod, "--yes"]);
        assert_eq!(output.status, 0, "{output:?}");
    }
    cluster.wait_until_formed_around(2);
    cluster.wait_until_caught_up(2);
    for pod in 0..3 {
        assert_eq!(rows(&cluster, pod).as_deref(), Ok("two,zero"), "pod {pod}");
    }
}

#[test]
fn two_forced_promotions_never_share_a_timeline_on_17() {
    two_forced(17);
}

#[test]
fn two_forced_promotions_never_share_a_timeline_on_15() {
    two_forced(15);
}

/// A planned promotion that pod 2 missed, then a forced one of pod 2: the old primary was a standby
/// meanwhile, and has rows that pod 2 never got.
#[test]
fn a_former_standby_does_not_follow_another_history_by_itself() {
    let Some(cluster) = cluster(17, 3) else {
        return;
    };
    cluster.sql(0, "CREATE TABLE t (who text)");
    insert(&cluster, 0, "zero", 1);
    cluster.wait_until_caught_up(0);
    docker_ok(&["stop", &cluster.pod(2)]);
    cluster.promote(1, &[]);
    eventually(15, "pod 0 follows", || {
        let standbys = cluster.streaming_from(1)?;
        holds(standbys.len() == 1, || format!("{standbys:?}"))
    });
    insert(&cluster, 1, "one", 20);
    eventually(10, "the rows on pod 0", || {
        rows(&cluster, 0).and_then(|it| holds(it == "one,zero", || it))
    });
    cluster.kill_for_good(1);
    docker_ok(&["stop", &cluster.pod(0)]);
    docker_ok(&["start", &cluster.pod(2)]);
    eventually(20, "pod 2", || {
        cluster
            .in_recovery(2)
            .and_then(|it| holds(it == "t", || it))
    });
    // What the stopped pod has is nowhere else.
    let refused = cluster.pg("promote", &["--replica", "2", "--force"]);
    let why = &refused.stderr;
    assert!(
        refused.status == 1
            && why.contains("db.0 holds WAL of a newer timeline than pod 2 has")
            && why.contains("--allow-lag"),
        "{why}"
    );
    cluster.promote(2, &["--force", "--allow-lag"]);
    insert(&cluster, 2, "two", 20);
    docker_ok(&["start", &cluster.pod(0)]);
    cluster.wait_for_log(0, &["WAL that pod 2 never got"]);
    let checked = cluster.pg("info", &["--check"]);
    assert!(
        checked.status != 0 && checked.stdout.contains("db.0 "),
        "{checked:?}"
    );
    assert_eq!(cluster.streaming_from(2), Ok(Vec::new()));
    let output = cluster.pg("rejoin", &["--replica", "0", "--yes"]);
    assert_eq!(output.status, 0, "{output:?}");
    eventually(20, "the rows on pod 0", || {
        rows(&cluster, 0).and_then(|it| holds(it == "two,zero", || it))
    });
}

/// The record is lost after a handover was taken back, and the target saw neither.
#[test]
fn a_target_does_not_take_over_by_its_copy_of_the_record() {
    let Some(cluster) = cluster(17, 2) else {
        return;
    };
    cluster.sql(0, "CREATE TABLE t (who text)");
    cluster.wait_until_caught_up(0);
    cluster.sql(1, "SELECT pg_wal_replay_pause()");
    cluster.hand_over_to(1);
    eventually(6, "the stop of the old primary", || {
        holds(cluster.record().contains("stopped_at="), || {
            cluster.record()
        })
    });
    eventually(3, "the target's copy", || {
        let copy = docker_ok(&[
            "exec",
            &cluster.pod(1),
            "cat",
            "/var/lib/postgresql/data/.topology",
        ]);
        holds(copy.contains("stopped_at="), || copy)
    });
    // A busy machine does not freeze a container at once.
    eventually(10, "the pause", || {
        let paused = crate::support::docker(&["pause", &cluster.pod(1)]);
        holds(paused.status.success(), || format!("{paused:?}"))
    });
    eventually(25, "the role's return", || {
        cluster
            .in_recovery(0)
            .and_then(|it| holds(it == "f", || it))
    });
    insert(&cluster, 0, "zero", 40);
    docker_ok(&["stop", &cluster.pod(0)]);
    fs::remove_file(cluster.backups().join(".topology")).expect("remove the record");
    docker_ok(&["unpause", &cluster.pod(1)]);
    cluster.sql(1, "SELECT pg_wal_replay_resume()");
    // It has all that it would need to take over by the record that it saw.
    std::thread::sleep(std::time::Duration::from_secs(8));
    assert_eq!(cluster.in_recovery(1).as_deref(), Ok("t"));
    assert!(
        !cluster.record().contains("primary=1"),
        "{}",
        cluster.record()
    );
    docker_ok(&["start", &cluster.pod(0)]);
    cluster.wait_until_formed_around(0);
    cluster.wait_until_caught_up(0);
    for pod in 0..2 {
        assert_eq!(cluster.sql(pod, "SELECT count(*) FROM t"), "40");
    }
}

/// The first handover's pod is still down when the second one comes.
#[test]
fn each_pod_that_stopped_cleanly_is_remembered() {
    let Some(cluster) = cluster(17, 3) else {
        return;
    };
    cluster.sql(0, "CREATE TABLE t (who text)");
    insert(&cluster, 0, "zero", 1);
    cluster.wait_until_caught_up(0);
    // Pod 0 is gone before it can become a standby.
    let pod = cluster.pod(0);
    std::thread::scope(|scope| {
        let killer = scope.spawn(|| {
            eventually(20, "the stop of pod 0", || {
                let record = cluster.record();
                holds(
                    record.contains("stopped_at=") || record.contains("primary=1"),
                    || record,
                )
            });
            docker_ok(&["kill", &pod]);
        });
        cluster.hand_over_to(1);
        killer.join().expect("the killer");
    });
    cluster.wait_until_primary(1);
    eventually(20, "pod 2 follows", || {
        let standbys = cluster.streaming_from(1)?;
        holds(standbys.len() == 1, || format!("{standbys:?}"))
    });
    insert(&cluster, 1, "one", 1);
    cluster.promote(2, &[]);
    insert(&cluster, 2, "two", 1);
    docker_ok(&["start", &pod]);
    cluster.wait_until_formed_around(2);
    cluster.wait_until_caught_up(2);
    for pod in 0..3 {
        assert_eq!(
            rows(&cluster, pod).as_deref(),
            Ok("one,two,zero"),
            "pod {pod}"
        );
    }
    assert!(
        !cluster.log(0).contains("split-brain"),
        "{}",
        cluster.log(0)
    );
}
