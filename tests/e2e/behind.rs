//! Standbys that fall behind, and replicas that come and go.

use crate::support::{Cluster, Plan, docker, docker_ok};

/// Writes WAL until the primary's oldest segment is past what a standby at this moment needs.
fn outrun(cluster: &Cluster) {
    cluster.sql(0, "CREATE TABLE IF NOT EXISTS big (g int, t text)");
    let oldest = "SELECT min(substr(f, 9)) FROM pg_ls_dir('pg_wal') f WHERE f ~ '^[0-9A-F]{24}$'";
    let now = cluster.sql(0, "SELECT substr(pg_walfile_name(pg_current_wal_lsn()), 9)");
    for _ in 0..30 {
        cluster.sql(
            0,
            "INSERT INTO big SELECT g, repeat('x', 200) FROM generate_series(1, 250000) g",
        );
        cluster.sql(0, "CHECKPOINT");
        if cluster.sql(0, oldest) > now {
            return;
        }
    }
    panic!("the primary still has the segment {now}");
}

#[test]
fn standbys_that_were_stopped_or_cut_off_copy_the_primary_again() {
    // Less than the default gigabyte shows the same in less time; the faults run takes the default.
    let block = "pg_config = { wal_keep_size = \"64MB\", max_wal_size = \"64MB\", min_wal_size = \"32MB\" }";
    let Some(cluster) = Cluster::up(Plan {
        block: block.into(),
        ..Plan::default()
    }) else {
        return;
    };
    far_behind(&cluster);
}

#[test]
#[ignore = "writes more than 1.2 GB; make faults runs it"]
fn the_same_with_the_default_amount_of_kept_wal() {
    let block = "pg_config = { max_wal_size = \"128MB\" }";
    let Some(cluster) = Cluster::up(Plan {
        block: block.into(),
        ..Plan::default()
    }) else {
        return;
    };
    far_behind(&cluster);
}

fn far_behind(cluster: &Cluster) {
    let stopped = cluster.pod(1);
    let started = cluster.started_at(2);
    docker_ok(&["stop", &stopped]);
    cluster.cut_off(2);
    outrun(cluster);
    docker_ok(&["start", &stopped]);
    cluster.reconnect(2);
    cluster.wait_until_formed();
    assert_eq!(cluster.started_at(2), started, "healed while running");
    for pod in [1, 2] {
        assert!(
            cluster
                .log(pod)
                .contains("no longer has the WAL that this standby needs"),
            "pod {pod}"
        );
    }
    cluster.wait_until_caught_up(0);
    assert_eq!(
        cluster.sql(2, "SELECT count(*) FROM big"),
        cluster.sql(0, "SELECT count(*) FROM big")
    );
}

#[test]
fn a_standby_cut_off_for_a_moment_is_not_copied_again() {
    let Some(cluster) = Cluster::up(Plan {
        replicas: 2,
        ..Plan::default()
    }) else {
        return;
    };
    docker_ok(&["pause", &cluster.pod(0)]);
    std::thread::sleep(std::time::Duration::from_secs(22));
    assert_eq!(
        cluster.in_recovery(1).unwrap(),
        "t",
        "it serves reads meanwhile"
    );
    docker_ok(&["unpause", &cluster.pod(0)]);
    cluster.wait_until_formed();
    assert_eq!(
        cluster.log(1).matches("cloning pod").count(),
        1,
        "the first clone only"
    );
}

#[test]
fn replicas_come_and_go() {
    let Some(mut cluster) = Cluster::up(Plan {
        replicas: 1,
        ..Plan::default()
    }) else {
        return;
    };
    cluster.sql(0, "CREATE TABLE t AS SELECT 1 AS i");
    let first = cluster.started_at(0);
    for replicas in [3, 2, 3] {
        cluster.plan.replicas = replicas;
        cluster.apply();
        cluster.wait_until_formed();
    }
    assert_eq!(
        cluster.started_at(0),
        first,
        "the primary had no part in it"
    );

    // A standby's volume removed, and a pod deleted with its data, the platform's way.
    docker(&["rm", "-f", &cluster.pod(2)]);
    docker_ok(&[
        "volume",
        "rm",
        &format!("voodu-{}-db-data-2", cluster.scope),
    ]);
    cluster.apply();
    cluster.wait_until_formed();
    let deleted = cluster
        .platform
        .vd(&["delete", &format!("{}/db.1", cluster.scope), "--prune"]);
    assert_eq!(deleted.status, 0, "{deleted:?}");
    cluster.wait_until_formed();
    cluster.wait_until_caught_up(0);
    assert_eq!(cluster.sql(1, "SELECT i FROM t"), "1");
}

#[test]
fn the_primary_cannot_be_scaled_away() {
    let Some(mut cluster) = Cluster::up(Plan {
        replicas: 2,
        ..Plan::default()
    }) else {
        return;
    };
    cluster.move_record(1);
    cluster.wait_until_primary(1);
    let before = cluster.container_id(1);
    cluster.plan.replicas = 1;
    let refused = cluster.try_apply().unwrap_err().to_string();
    assert!(
        refused.contains("replicas") && refused.contains("promote"),
        "{refused}"
    );
    assert_eq!(cluster.container_id(1), before);
    cluster.plan.replicas = 2;
}
