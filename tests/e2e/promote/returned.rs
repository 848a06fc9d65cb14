//! Two faults one after the other: the primary fails, and then the pod that took over loses its volume.

use crate::support::{Cluster, Plan, docker, docker_ok, eventually, holds};

#[test]
fn a_former_primary_returns_when_its_successor_lost_its_volume_on_17() {
    returned(17);
}

#[test]
fn a_former_primary_returns_when_its_successor_lost_its_volume_on_15() {
    returned(15);
}

fn returned(major: u16) {
    let Some(cluster) = Cluster::up(Plan {
        major,
        replicas: 2,
        ..Plan::default()
    }) else {
        return;
    };
    cluster.sql(0, "CREATE TABLE t AS SELECT 1 AS i");
    cluster.wait_until_caught_up(0);
    cluster.kill_for_good(0);
    cluster.promote(1, &["--force"]);
    docker_ok(&["start", &cluster.pod(0)]);
    cluster.wait_for_log(0, &["split-brain guard"]);
    cluster.sql(1, "INSERT INTO t VALUES (2)");

    // While the successor has data, nothing passes over it.
    cluster.kill_for_good(1);
    let refused = |flags: &[&str]| {
        let before = cluster.record();
        let output = cluster.pg("promote", flags);
        assert_eq!(output.status, 1, "{output:?}");
        assert_eq!(cluster.record(), before);
        output.stderr
    };
    refused(&["--replica", "0", "--force"]);
    let volume = format!("voodu-{}-db-data-1", cluster.scope);
    docker(&["rm", "-f", &cluster.pod(1)]);
    docker_ok(&["volume", "rm", &volume]);
    cluster.apply();
    cluster.wait_for_log(1, &["volume is empty"]);

    let why = refused(&["--replica", "0"]);
    assert!(!why.contains("--force"), "{why}");
    let plan = cluster.pg("promote", &["--replica", "0", "--force", "--dry-run"]);
    assert!(plan.stdout.contains("pod 1 has none any more"), "{plan:?}");
    let printed = cluster.promote(0, &["--force"]);
    assert!(
        printed.contains("what was committed there alone is lost"),
        "{printed}"
    );
    assert_eq!(cluster.sql(0, "SELECT array_agg(i) FROM t"), "{1}");
    // The pod without data copies it by itself.
    cluster.wait_until_formed_around(0);
    cluster.wait_until_caught_up(0);
    assert_eq!(cluster.sql(1, "SELECT array_agg(i) FROM t"), "{1}");
    eventually(30, "info without a problem", || {
        let check = cluster.pg("info", &["--check"]);
        holds(check.status == 0, || format!("{check:?}"))
    });
    // The number of the lost history is not given to another one.
    let newest = cluster.record();
    let newest = newest
        .lines()
        .find_map(|line| line.strip_prefix("timeline="));
    let newest: u32 = newest.and_then(|it| it.parse().ok()).expect("a timeline");
    cluster.promote(1, &[]);
    let timeline = cluster.sql(1, "SELECT timeline_id FROM pg_control_checkpoint()");
    assert_eq!(timeline, (newest + 1).to_string());
}
