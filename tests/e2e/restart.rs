//! Applying again and restarting: what stays as it was.

use crate::support::{Cluster, Plan, docker_ok};
use voodu_standin::Vars;

#[test]
fn applying_again_touches_no_container_whatever_the_bookkeeping() {
    let Some(cluster) = Cluster::up(Plan {
        replicas: 2,
        ..Plan::default()
    }) else {
        return;
    };
    let before = [0, 1].map(|pod| (cluster.container_id(pod), cluster.started_at(pod)));
    let report = cluster.apply();
    assert!(report.changes.is_empty(), "{:?}", report.changes);

    for (key, value) in [
        ("POSTGRES_LINKED_CONSUMERS", "shop/web,shop/worker"),
        ("POSTGRES_LINKED_READERS", "shop/web"),
        ("PG_EXPOSE_PUBLIC", "false"),
        ("BACKUP_KEEP", "7"),
        ("BACKUP_MAX_AGE", "14d"),
        ("BACKUP_COMPRESS", "zstd:3"),
        ("PG_PRIMARY_ORDINAL", "1"),
        ("POSTGRES_LINKED_CONSUMERS", ""),
    ] {
        let vars: Vars = [(key.to_owned(), value.to_owned())].into();
        cluster
            .platform
            .seed_bucket(&cluster.scope, "db", &vars)
            .unwrap();
        let report = cluster.apply();
        assert!(
            report.changes.is_empty(),
            "{key}={value}: {:?}",
            report.changes
        );
    }
    assert_eq!(
        [0, 1].map(|pod| (cluster.container_id(pod), cluster.started_at(pod))),
        before
    );
    cluster.wait_until_formed();
}

#[test]
fn restarts_keep_data_and_roles() {
    let Some(cluster) = Cluster::up(Plan::default()) else {
        return;
    };
    cluster.sql(0, "CREATE TABLE t AS SELECT generate_series(1, 100) AS i");
    for pod in [2, 0, 1] {
        docker_ok(&["restart", &cluster.pod(pod)]);
        cluster.wait_until_formed();
    }
    let pods = [0, 1, 2].map(|pod| cluster.pod(pod));
    docker_ok(&["restart", &pods[0], &pods[1], &pods[2]]);
    cluster.wait_until_formed();
    docker_ok(&["stop", &pods[0], &pods[1], &pods[2]]);
    for pod in &pods {
        assert_eq!(
            docker_ok(&["inspect", "-f", "{{.State.ExitCode}}", pod]),
            "0",
            "{pod} stopped cleanly"
        );
    }
    // Standbys first, the primary last: they wait for it.
    docker_ok(&["start", &pods[2], &pods[1], &pods[0]]);
    cluster.wait_until_formed();
    cluster.wait_until_caught_up(0);
    assert_eq!(
        [0, 1, 2].map(|pod| cluster.sql(pod, "SELECT count(*) FROM t")),
        ["100", "100", "100"]
    );
    assert_eq!(
        cluster.sql(0, "SELECT timeline_id FROM pg_control_checkpoint()"),
        "1"
    );
}
