//! Never a second primary, never an empty one.

use crate::support::{Cluster, Plan, docker, docker_ok, eventually, holds};

/// Waits until a pod that refuses to start says so, and returns its last words.
#[track_caller]
fn refusal(cluster: &Cluster, pod: u16, words: &str) -> String {
    eventually(30, "the refusal", || {
        let log = cluster.log(pod);
        let line = log
            .lines()
            .rev()
            .find(|line| line.starts_with("voodu: ") && line.contains(words));
        line.map(str::to_owned).ok_or(log.clone())
    })
}

#[test]
fn the_record_moves_the_primary_and_the_old_one_stays_away() {
    let Some(cluster) = Cluster::up(Plan::default()) else {
        return;
    };
    cluster.sql(0, "CREATE TABLE t AS SELECT 1 AS i");
    cluster.wait_until_caught_up(0);
    let before = [1, 2].map(|pod| cluster.started_at(pod));

    cluster.move_record(1);
    eventually(15, "the promotion", || {
        let role = cluster.in_recovery(1)?;
        let streaming = cluster.streaming_from(1)?;
        holds(
            role == "f" && streaming == ["voodu-postgres-standby-2"],
            || format!("{role} {streaming:?}"),
        )
    });
    cluster.sql(1, "INSERT INTO t VALUES (2)");
    // Without a handover pod 1 may have met the old primary before that had stopped, and left again.
    let met = cluster.log(1).contains("already runs as a primary");
    for (pod, before) in [1, 2].into_iter().zip(before) {
        let stayed = cluster.started_at(pod) == before;
        assert!(stayed || (met && pod == 1), "pod {pod} was restarted");
    }
    let said = refusal(&cluster, 0, "split-brain guard");
    assert!(
        said.contains(&format!(
            "vd postgres:rejoin {}/db --replica 0",
            cluster.scope
        )),
        "{said}"
    );
    eventually(15, "the exit code", || {
        let state = [
            "inspect",
            "-f",
            "{{.State.Running}} {{.State.ExitCode}}",
            &cluster.pod(0),
        ];
        let state = docker_ok(&state);
        // Between two attempts: docker starts a pod that left again.
        holds(state == "false 1" || state == "true 1", || state.clone())
    });
    for pod in 0..3 {
        assert!(
            !cluster.log(pod).contains("password="),
            "the log of pod {pod} shows a connection string's password"
        );
    }
}

#[test]
fn an_empty_volume_does_not_replace_what_the_standbys_hold() {
    let Some(cluster) = Cluster::up(Plan {
        replicas: 2,
        ..Plan::default()
    }) else {
        return;
    };
    cluster.sql(0, "CREATE TABLE t AS SELECT 1 AS i");
    cluster.wait_until_caught_up(0);
    let volume = format!("voodu-{}-db-data-0", cluster.scope);
    for record_too in [false, true] {
        docker(&["rm", "-f", &cluster.pod(0)]);
        docker_ok(&["volume", "rm", &volume]);
        if record_too {
            // The standby has a copy and publishes it.
            std::fs::remove_file(cluster.backups().join(".topology")).unwrap();
        }
        cluster.apply();
        let said = refusal(&cluster, 0, "volume is empty");
        assert!(said.contains("vd postgres:promote"), "{said}");
        assert_eq!(cluster.sql(1, "SELECT i FROM t"), "1");
    }
}

#[test]
fn a_cluster_deleted_with_its_data_starts_anew_beside_its_old_record() {
    let Some(cluster) = Cluster::up(Plan {
        replicas: 2,
        ..Plan::default()
    }) else {
        return;
    };
    cluster.sql(0, "CREATE TABLE t AS SELECT 1 AS i");
    let old = cluster.record();
    cluster
        .platform
        .destroy(&cluster.scope, "db", true)
        .unwrap();
    assert_eq!(cluster.record(), old);
    cluster.apply();
    cluster.wait_until_formed();
    assert_ne!(cluster.record(), old);
    assert_eq!(cluster.sql(0, "SELECT to_regclass('t') IS NULL"), "t");
}

#[test]
fn a_pod_that_finds_another_primary_does_not_start_as_a_second_one() {
    let plan = Plan {
        replicas: 1,
        ..Plan::default()
    };
    let Some(cluster) = Cluster::up(plan) else {
        return;
    };
    // A writable server behind the cluster's shared name, with the cluster's replication role.
    let rogue = format!("{}-rogue", cluster.scope);
    let alias = format!("--network-alias=db.{}.voodu", cluster.scope);
    let bucket = cluster.platform.bucket(&cluster.scope, "db");
    let password = format!(
        "POSTGRES_PASSWORD={}",
        bucket["POSTGRES_REPLICATION_PASSWORD"]
    );
    let label = format!("--label=voodu.scope={}", cluster.scope);
    docker_ok(&[
        "run",
        "-d",
        "--name",
        &rogue,
        "--network=voodu0",
        &alias,
        "--label=createdby=voodu",
        &label,
        "-e",
        "POSTGRES_USER=repl",
        "-e",
        "POSTGRES_DB=appdata",
        "-e",
        &password,
        "postgres:17",
        "postgres",
        "-p",
        "5433",
    ]);
    eventually(60, "the other server", || {
        let login = [
            "exec",
            &rogue,
            "pg_isready",
            "-h",
            "127.0.0.1",
            "-p",
            "5433",
        ];
        let ready = docker(&login).status.success();
        holds(ready, || "not ready".to_owned())
    });
    docker_ok(&["restart", &cluster.pod(0)]);
    let said = refusal(&cluster, 0, "already runs as a primary");
    assert!(said.contains(&rogue), "{said}");
    assert!(cluster.in_recovery(0).is_err());

    docker_ok(&["rm", "-f", "-v", &rogue]);
    cluster.wait_until_formed();
}
