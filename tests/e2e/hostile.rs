//! What an operator, a superuser or bad luck can do to a pod.

use crate::support::{Cluster, Plan, docker, docker_ok, eventually};

#[test]
fn a_stop_during_a_boot_is_quick_and_clean() {
    let Some(cluster) = Cluster::up(Plan {
        replicas: 2,
        ..Plan::default()
    }) else {
        return;
    };
    for pod in [1, 0] {
        for delay in [50, 150, 300, 450, 700] {
            docker_ok(&["stop", &cluster.pod(pod)]);
            docker_ok(&["start", &cluster.pod(pod)]);
            std::thread::sleep(std::time::Duration::from_millis(delay));
            let begun = std::time::Instant::now();
            docker_ok(&["stop", "-t", "20", &cluster.pod(pod)]);
            assert!(
                begun.elapsed().as_secs() < 12,
                "pod {pod}, stopped {delay} ms after its start: {:?}",
                begun.elapsed()
            );
            let code = docker_ok(&["inspect", "-f", "{{.State.ExitCode}}", &cluster.pod(pod)]);
            assert_ne!(code, "137", "killed after {delay} ms");
        }
        docker_ok(&["start", &cluster.pod(pod)]);
    }
    cluster.wait_until_formed();
}

#[test]
fn a_standby_promoted_behind_the_records_back_stops_at_once() {
    let Some(cluster) = Cluster::up(Plan {
        replicas: 2,
        ..Plan::default()
    }) else {
        return;
    };
    let _ = cluster.try_sql(1, "SELECT pg_promote(false)");
    cluster.wait_for_log(1, &["promoted without the record", "split-brain guard"]);
    assert!(cluster.try_sql(1, "SELECT 1").is_err());
    assert_eq!(cluster.in_recovery(0).unwrap(), "f");
    docker_ok(&["restart", &cluster.pod(0)]);
    eventually(30, "the rightful primary", || cluster.in_recovery(0));
}

#[test]
fn links_planted_by_the_superuser_lead_root_nowhere() {
    let Some(cluster) = Cluster::up(Plan {
        replicas: 2,
        ..Plan::default()
    }) else {
        return;
    };
    let secret = "cat /etc/shadow > /etc/secret; chmod 600 /etc/secret; stat -c %a%U /etc/secret";
    assert_eq!(
        docker_ok(&["exec", &cluster.pod(1), "bash", "-c", secret]),
        "600root"
    );
    // A tar: content, owner, mode and time of the file, of a stopped container too.
    let archived = || docker_ok(&["cp", &format!("{}:/etc/secret", cluster.pod(1)), "-"]);
    let before = archived();
    assert!(before.contains("root:"), "{before}");
    let plant = "cd $PGDATA && sed -i /replication/d pg_hba.conf && mv postgresql.conf postgresql.real &&
        ln -s /etc/secret postgresql.conf && rm -f voodu-runtime.conf && mkfifo voodu-runtime.conf &&
        ln -sf /etc/secret pg_hba.conf.voodu && ln -sf /etc/secret ../.voodu-passfile && ln -sfn /etc ../.voodu-good-conf2";
    cluster.as_postgres(1, plant);
    docker(&["restart", "-t", "10", &cluster.pod(1)]);
    std::thread::sleep(std::time::Duration::from_secs(4));
    docker_ok(&["stop", "-t", "20", &cluster.pod(1)]);
    let code = docker_ok(&["inspect", "-f", "{{.State.ExitCode}}", &cluster.pod(1)]);
    assert_ne!(code, "137", "a planted pipe does not hang process 1");
    assert_eq!(archived(), before);
    let volume = format!("voodu-{}-db-data-1:/v", cluster.scope);
    let search = "grep -rl 'root:.*:0:99999' /v 2>/dev/null | wc -l";
    assert_eq!(
        docker_ok(&[
            "run",
            "--rm",
            "-v",
            &volume,
            "postgres:17",
            "bash",
            "-c",
            search
        ]),
        "0"
    );
}

#[test]
fn another_database_in_the_primarys_place_costs_the_standby_nothing() {
    let block = "pg_config = { wal_keep_size = \"32MB\", max_wal_size = \"64MB\", min_wal_size = \"32MB\" }";
    let Some(cluster) = Cluster::up(Plan {
        replicas: 2,
        block: block.into(),
        ..Plan::default()
    }) else {
        return;
    };
    cluster.sql(
        0,
        "CREATE TABLE precious AS SELECT generate_series(1, 1000) AS i",
    );
    cluster.wait_until_caught_up(0);
    docker_ok(&["stop", &cluster.pod(1)]);
    docker_ok(&["rm", "-f", &cluster.pod(0)]);
    docker_ok(&[
        "volume",
        "rm",
        &format!("voodu-{}-db-data-0", cluster.scope),
    ]);
    std::fs::remove_file(cluster.backups().join(".topology")).unwrap();
    cluster.apply();
    eventually(60, "the new database", || cluster.in_recovery(0));
    for _ in 0..6 {
        cluster.sql(0, "CREATE TABLE big AS SELECT repeat('x', 200) FROM generate_series(1, 250000); DROP TABLE big");
        cluster.sql(0, "CHECKPOINT");
    }
    docker_ok(&["start", &cluster.pod(1)]);
    std::thread::sleep(std::time::Duration::from_secs(26));
    assert_eq!(cluster.sql(1, "SELECT count(*) FROM precious"), "1000");
}

#[test]
fn a_database_closed_to_the_public_still_gets_standbys_and_peer_checks() {
    let Some(mut cluster) = Cluster::up(Plan {
        replicas: 1,
        ..Plan::default()
    }) else {
        return;
    };
    cluster.sql(0, "REVOKE CONNECT ON DATABASE appdata FROM PUBLIC");
    cluster.plan.replicas = 2;
    cluster.apply();
    cluster.wait_until_formed();
}

#[test]
fn a_standby_with_a_tablespace_can_be_cloned_again() {
    let Some(cluster) = Cluster::up(Plan {
        replicas: 2,
        ..Plan::default()
    }) else {
        return;
    };
    cluster.add_tablespace();
    cluster.sql(0, "CREATE TABLE t TABLESPACE fast AS SELECT 1 AS i");
    cluster.wait_until_caught_up(0);
    cluster.as_postgres(1, "touch /var/lib/postgresql/data/.voodu-clone");
    docker_ok(&["restart", &cluster.pod(1)]);
    cluster.wait_until_formed();
    cluster.wait_until_caught_up(0);
    assert_eq!(cluster.sql(1, "SELECT i FROM t"), "1");
    assert_eq!(cluster.log(1).matches("voodu: cloned pod 0").count(), 2);
}
