//! Another image and other settings under the same data.

use crate::support::{Cluster, Plan, docker, eventually, holds};

#[test]
fn another_major_is_refused_in_one_sentence_and_the_old_one_works_again() {
    let Some(mut cluster) = Cluster::up(Plan {
        major: 15,
        replicas: 2,
        ..Plan::default()
    }) else {
        return;
    };
    cluster.sql(0, "CREATE TABLE t AS SELECT 1 AS i");
    cluster.plan.major = 17;
    cluster.apply();
    for pod in [0, 1] {
        eventually(20, "the refusal", || {
            let log = cluster.log(pod);
            let sentence = "voodu: the data in this volume is of postgres 15 and the image is postgres 17: set image to a postgres:15 image";
            holds(log.contains(sentence), || log.clone())
        });
    }
    cluster.plan.major = 15;
    cluster.apply();
    cluster.wait_until_formed();
    cluster.wait_until_caught_up(0);
    assert_eq!(cluster.sql(1, "SELECT i FROM t"), "1");
}

#[test]
fn limits_can_be_lowered_and_raised_again() {
    let limits = |connections: u16, locks: u16| {
        format!(
            "pg_config = {{ max_connections = {connections}, max_locks_per_transaction = {locks}, max_prepared_transactions = {} }}",
            connections / 2
        )
    };
    let Some(mut cluster) = Cluster::up(Plan {
        block: limits(90, 100),
        ..Plan::default()
    }) else {
        return;
    };
    for (connections, locks) in [(40, 64), (120, 128)] {
        cluster.plan.block = limits(connections, locks);
        let report = cluster.apply();
        assert_eq!(report.changes.rolled.len(), 3);
        cluster.wait_until_formed();
        assert_eq!(
            cluster.sql(0, "SHOW max_connections"),
            connections.to_string()
        );
    }
    assert_eq!(cluster.sql(2, "SHOW max_connections"), "120");
}

#[test]
fn a_mistyped_setting_does_not_take_the_database_down() {
    let good = "pg_config = { work_mem = \"9MB\" }";
    let Some(mut cluster) = Cluster::up(Plan {
        replicas: 2,
        block: good.into(),
        ..Plan::default()
    }) else {
        return;
    };
    // They are kept once the server accepts sessions.
    let kept = "/var/lib/postgresql/data/.voodu-good-conf/voodu-99-overrides.conf";
    eventually(20, "the settings that the pods keep", || {
        let there = |pod| {
            docker(&["exec", &cluster.pod(pod), "test", "-e", kept])
                .status
                .success()
        };
        holds(there(0) && there(1), || "not yet".to_owned())
    });
    for (bad, word) in [
        ("pg_config = { max_conections = 10 }", "max_conections"),
        ("pg_config = { work_mem = \"lots\" }", "work_mem"),
        // Not found out before the server starts.
        (
            "pg_config = { shared_preload_libraries = \"pg_stat_statemnts\" }",
            "pg_stat_statemnts",
        ),
    ] {
        cluster.plan.block = bad.into();
        cluster.apply();
        cluster.wait_until_formed();
        for pod in [0, 1] {
            assert_eq!(
                cluster.sql(pod, "SHOW work_mem"),
                "9MB",
                "pod {pod} runs with the last good settings"
            );
            let log = cluster.log(pod);
            assert!(log.contains("voodu: ") && log.contains(word), "{log}");
        }
        let check = cluster
            .platform
            .vd(["pg:info", &format!("{}/db", cluster.scope), "--check"]);
        let found = check.stdout.matches("runs with older settings").count();
        assert_eq!((check.status, found), (1, 2), "{check:?}");
    }
    cluster.plan.block = "pg_config = { work_mem = \"5MB\" }".into();
    cluster.apply();
    cluster.wait_until_formed();
    assert_eq!(cluster.sql(0, "SHOW work_mem"), "5MB");
}

#[test]
fn a_mistyped_setting_on_the_first_boot_still_gives_a_database() {
    let block = "pg_config = { max_conections = 10 }";
    let Some(cluster) = Cluster::up(Plan {
        replicas: 2,
        block: block.into(),
        ..Plan::default()
    }) else {
        return;
    };
    assert_eq!(cluster.sql(0, "SHOW wal_log_hints"), "on");
    assert!(cluster.log(0).contains("max_conections"));
}
