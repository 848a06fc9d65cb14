//! An old primary comes back as a standby, as far as the record allows it.

use crate::support::{Cluster, Plan, docker_ok, eventually, holds};

/// A cluster whose pod 0 was killed with a commit that pod 1, the primary since, never got.
fn diverged(major: u16) -> Option<Cluster> {
    let cluster = Cluster::up(Plan {
        major,
        replicas: 2,
        ..Plan::default()
    })?;
    diverge(&cluster);
    Some(cluster)
}

fn diverge(cluster: &Cluster) {
    cluster.sql(0, "CREATE TABLE t AS SELECT g AS i, repeat(md5(g::text), 20) AS pad FROM generate_series(1, 50000) g");
    cluster.wait_until_caught_up(0);
    cluster.cut_off(1);
    cluster.sql(
        0,
        "INSERT INTO t SELECT 900000 + g FROM generate_series(1, 2000) g",
    );
    cluster.kill_for_good(0);
    cluster.reconnect(1);
    cluster.move_record(1);
    cluster.wait_until_primary(1);
    cluster.sql(1, "INSERT INTO t VALUES (-1)");
    docker_ok(&["start", &cluster.pod(0)]);
    cluster.wait_for_log(0, &["split-brain guard"]);
}

/// Truncates the segments that a rewind of pod 0 has to read: as good as gone.
fn ruin_wal(cluster: &Cluster) {
    let ruin =
        "cd /v/pgdata/pg_wal && for f in 0000*; do [ ${#f} = 24 ] && truncate -s 0 $f; done; true";
    docker_ok(&["stop", &cluster.pod(0)]);
    cluster.on_data(0, ruin);
    docker_ok(&["start", &cluster.pod(0)]);
}

/// Has pod 0 rejoin and compares it with pod 1.
fn rejoins(cluster: &Cluster) {
    cluster.ask_to_rejoin(0);
    cluster.wait_until_formed_around(1);
    cluster.wait_until_caught_up(1);
    let sum = "SELECT count(*), min(i), max(i), sum(hashtext(pad)::bigint) FROM t";
    assert_eq!(cluster.sql(0, sum), cluster.sql(1, sum));
    assert_eq!(
        cluster.sql(0, "SELECT max(i) FROM t"),
        "50000",
        "what was given up is gone"
    );
    eventually(30, "the end of the request", || {
        holds(!cluster.record().contains("rejoin"), || cluster.record())
    });
    assert!(cluster.record().contains("primary=1\n"));
}

#[test]
fn a_diverged_primary_is_rewound_on_17() {
    let Some(cluster) = diverged(17) else {
        return;
    };
    rejoins(&cluster);
    assert!(cluster.log(0).contains("voodu: rewound this pod's data"));
    assert!(!cluster.log(0).contains("copying pod"));
}

#[test]
fn a_diverged_primary_is_rewound_on_15() {
    let Some(cluster) = diverged(15) else {
        return;
    };
    rejoins(&cluster);
    assert!(cluster.log(0).contains("voodu: rewound this pod's data"));
}

#[test]
fn without_the_wal_for_a_rewind_the_primary_is_copied_beside_the_old_data() {
    let Some(cluster) = diverged(17) else {
        return;
    };
    ruin_wal(&cluster);
    rejoins(&cluster);
    let log = cluster.log(0);
    assert!(
        log.contains("cannot be rewound") && log.contains("voodu: copied pod 1"),
        "{log}"
    );
    let left = docker_ok(&[
        "exec",
        &cluster.pod(0),
        "bash",
        "-c",
        "ls -A /var/lib/postgresql/data",
    ]);
    assert!(
        !left.contains("beside") && !left.contains("replaced"),
        "{left}"
    );
}

/// A copy beside the old data would want the directories of the old data's tablespaces.
#[test]
fn a_primary_with_tablespaces_is_copied_over_the_old_data() {
    let Some(cluster) = Cluster::up(Plan {
        replicas: 2,
        ..Plan::default()
    }) else {
        return;
    };
    cluster.add_tablespace();
    cluster.sql(0, "CREATE TABLE there TABLESPACE fast AS SELECT 1 AS i");
    diverge(&cluster);
    ruin_wal(&cluster);
    rejoins(&cluster);
    let log = cluster.log(0);
    assert!(log.contains("has tablespaces"), "{log}");
    assert_eq!(cluster.sql(0, "SELECT i FROM there"), "1");
}

#[test]
fn kills_during_a_rejoin_end_in_a_standby() {
    let Some(cluster) = diverged(17) else {
        return;
    };
    cluster.ask_to_rejoin(0);
    for delay in [200, 500, 350, 900] {
        std::thread::sleep(std::time::Duration::from_millis(delay));
        cluster.kill_pod(0);
    }
    cluster.wait_until_formed_around(1);
    cluster.wait_until_caught_up(1);
    let sum = "SELECT count(*), sum(i) FROM t";
    assert_eq!(cluster.sql(0, sum), cluster.sql(1, sum));
}

#[test]
fn a_primary_that_left_cleanly_follows_without_a_copy() {
    let Some(cluster) = Cluster::up(Plan {
        replicas: 2,
        ..Plan::default()
    }) else {
        return;
    };
    cluster.sql(0, "CREATE TABLE t AS SELECT 1 AS i");
    docker_ok(&["stop", &cluster.pod(0)]);
    // A fast shutdown sends the standbys everything, its own checkpoint included.
    cluster.move_record_with(1, "clean=0\n");
    cluster.wait_until_primary(1);
    docker_ok(&["start", &cluster.pod(0)]);
    cluster.wait_until_formed_around(1);
    let log = cluster.log(0);
    assert!(
        !log.contains("cloning") && !log.contains("rewinding"),
        "{log}"
    );
    // And a clean mark that no longer tells the truth is not believed.
    assert_eq!(cluster.sql(0, "SELECT i FROM t"), "1");
}

#[test]
fn a_standby_that_has_what_the_new_primary_never_got_says_so_and_rejoins_when_asked() {
    let Some(cluster) = Cluster::up(Plan::default()) else {
        return;
    };
    cluster.sql(0, "CREATE TABLE t AS SELECT 1 AS i");
    cluster.wait_until_caught_up(0);
    cluster.cut_off(1);
    cluster.sql(0, "INSERT INTO t VALUES (666)");
    eventually(30, "what pod 1 never gets", || {
        let rows = cluster.try_sql(2, "SELECT count(*) FROM t")?;
        holds(rows == "2", || rows.clone())
    });
    cluster.kill_for_good(0);
    cluster.reconnect(1);
    cluster.move_record(1);
    cluster.wait_until_primary(1);
    cluster.sql(1, "INSERT INTO t VALUES (2)");
    let started = cluster.started_at(2);
    cluster.wait_for_log(2, &["this standby has WAL that pod 1 never got", "rejoin"]);
    assert_eq!(
        cluster.sql(2, "SELECT count(*) FROM t"),
        "2",
        "nothing is given up unasked"
    );

    cluster.ask_to_rejoin(2);
    eventually(30, "the rows of pod 1", || {
        let rows = cluster.try_sql(2, "SELECT string_agg(i::text, ',' ORDER BY i) FROM t")?;
        holds(rows == "1,2", || rows.clone())
    });
    eventually(30, "the end of the request", || {
        holds(!cluster.record().contains("rejoin"), || cluster.record())
    });
    assert!(cluster.log(2).contains("voodu: rewound this pod's data"));
    assert_eq!(cluster.started_at(2), started, "in the same container");
}
