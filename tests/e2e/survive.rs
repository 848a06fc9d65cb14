//! Whatever kills a pod, it comes back alone in its role.

use std::thread::sleep;
use std::time::Duration;

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

use crate::support::{Cluster, Plan, docker, docker_ok, eventually, holds};

/// Moments in milliseconds, the same ones in every run.
fn moments(count: usize, longest: u64) -> Vec<u64> {
    let mut runner = TestRunner::deterministic();
    prop::collection::vec(0..longest, count)
        .new_tree(&mut runner)
        .unwrap()
        .current()
}

/// Kills a pod now and again while it does what `action` started.
fn kill_at(cluster: &Cluster, pod: u16, moments: &[u64]) {
    for moment in moments {
        sleep(Duration::from_millis(*moment));
        cluster.kill_pod(pod);
    }
}

#[test]
fn kills_during_the_first_boot() {
    for delays in moments(10, 1800).chunks(2) {
        let Some(cluster) = Cluster::new(Plan {
            replicas: 1,
            probes: true,
            ..Plan::default()
        }) else {
            return;
        };
        cluster.apply();
        kill_at(&cluster, 0, delays);
        cluster.wait_until_formed();
        cluster.sql(0, "CREATE TABLE t AS SELECT 1 AS i");
        cluster.kill_pod(0);
        cluster.wait_until_formed();
        assert_eq!(cluster.sql(0, "SELECT i FROM t"), "1");
    }
}

#[test]
fn kills_during_a_clone_of_300_megabytes() {
    let plan = Plan {
        replicas: 1,
        probes: true,
        ..Plan::default()
    };
    let Some(mut cluster) = Cluster::up(plan) else {
        return;
    };
    cluster.sql(0, "CREATE TABLE big AS SELECT g, repeat(md5(g::text), 8) AS t FROM generate_series(1, 900000) g");
    cluster.sql(0, "CHECKPOINT");
    cluster.plan.replicas = 2;
    cluster.apply();
    kill_at(&cluster, 1, &moments(6, 2500));
    cluster.wait_until_formed();
    let sum = "SELECT count(*), sum(hashtext(t)::bigint) FROM big";
    cluster.wait_until_caught_up(0);
    assert_eq!(cluster.sql(1, sum), cluster.sql(0, sum));
    let left = "ls /var/lib/postgresql/data/.voodu-clone 2>/dev/null | wc -l";
    assert_eq!(docker_ok(&["exec", &cluster.pod(1), "sh", "-c", left]), "0");
}

#[test]
fn kills_at_random_moments_under_load() {
    let Some(cluster) = Cluster::up(Plan {
        replicas: 2,
        probes: true,
        ..Plan::default()
    }) else {
        return;
    };
    cluster.sql(0, "CREATE TABLE log (n int PRIMARY KEY)");
    let mut acknowledged = 0;
    for (round, moment) in moments(14, 900).into_iter().enumerate() {
        let until = std::time::Instant::now() + Duration::from_millis(300 + moment);
        while std::time::Instant::now() < until {
            if cluster
                .try_sql(0, &format!("INSERT INTO log VALUES ({})", acknowledged + 1))
                .is_ok()
            {
                acknowledged += 1;
            }
        }
        cluster.kill_pod(u16::from(round % 3 == 2));
        eventually(60, "the primary's return", || cluster.in_recovery(0));
        // A commit can be in the table although its acknowledgement was lost.
        acknowledged = cluster
            .sql(0, "SELECT max(n) FROM log")
            .parse::<i64>()
            .unwrap()
            .max(acknowledged);
        assert_eq!(
            cluster.sql(0, "SELECT count(*) FROM log"),
            acknowledged.to_string()
        );
    }
    cluster.wait_until_formed();
    cluster.wait_until_caught_up(0);
    assert_eq!(
        cluster.sql(1, "SELECT count(*) FROM log"),
        acknowledged.to_string()
    );
}

#[test]
fn wal_replay_after_a_crash_is_left_alone_by_the_probes() {
    let block = "pg_config = { max_wal_size = \"4GB\", checkpoint_timeout = \"1h\" }";
    let plan = Plan {
        replicas: 1,
        probes: true,
        block: block.into(),
        ..Plan::default()
    };
    let Some(cluster) = Cluster::up(plan) else {
        return;
    };
    cluster.sql(0, "CREATE TABLE big (g int, t text)");
    for _ in 0..3 {
        cluster.sql(
            0,
            "INSERT INTO big SELECT g, repeat('x', 250) FROM generate_series(1, 1000000) g",
        );
    }
    for moment in [0, 700, 1500] {
        cluster.kill_pod(0);
        sleep(Duration::from_millis(moment));
    }
    cluster.wait_until_formed();
    assert_eq!(cluster.sql(0, "SELECT count(*) FROM big"), "3000000");
}

#[test]
fn all_pods_at_the_same_instant_with_and_without_the_record() {
    let Some(cluster) = Cluster::up(Plan::default()) else {
        return;
    };
    cluster.sql(0, "CREATE TABLE t AS SELECT 1 AS i");
    cluster.wait_until_caught_up(0);
    // After a move of the primary the copies of the record differ in age.
    let record = cluster.record();
    for without_record in [false, true, true] {
        let pods = [2, 0, 1].map(|pod| cluster.pod(pod));
        docker_ok(&["kill", &pods[0], &pods[1], &pods[2]]);
        if without_record {
            std::fs::remove_dir_all(cluster.backups()).unwrap();
            std::fs::create_dir_all(cluster.backups()).unwrap();
        }
        docker_ok(&["start", &pods[0], &pods[1], &pods[2]]);
        cluster.wait_until_formed();
        eventually(5, "the record's return", || {
            holds(cluster.record() == record, || cluster.record())
        });
        assert_eq!(cluster.sql(2, "SELECT i FROM t"), "1");
    }
}

#[test]
fn an_outdated_copy_loses_against_a_newer_one() {
    let Some(cluster) = Cluster::up(Plan {
        replicas: 2,
        ..Plan::default()
    }) else {
        return;
    };
    docker_ok(&["kill", &cluster.pod(0)]);
    cluster.move_record(1);
    cluster.wait_until_primary(1);
    let newer = cluster.record();
    docker_ok(&["kill", &cluster.pod(1)]);
    std::fs::remove_file(cluster.backups().join(".topology")).unwrap();
    // Pod 0 has slept through the change: its copy still names itself.
    docker_ok(&["start", &cluster.pod(0)]);
    docker_ok(&["start", &cluster.pod(1)]);
    eventually(30, "the newer record", || {
        holds(cluster.record() == newer, || cluster.record())
    });
    cluster.wait_for_log(0, &["split-brain guard"]);
    cluster.wait_until_primary(1);
    assert!(cluster.in_recovery(0).is_err());
}

#[test]
fn a_stop_under_load_is_clean_and_the_exit_code_is_the_servers() {
    let block = "pg_config = { shared_buffers = \"200MB\", checkpoint_timeout = \"1h\" }";
    let Some(cluster) = Cluster::up(Plan {
        replicas: 1,
        block: block.into(),
        ..Plan::default()
    }) else {
        return;
    };
    cluster.sql(
        0,
        "CREATE TABLE big AS SELECT g, repeat('x', 100) AS t FROM generate_series(1, 900000) g",
    );
    let pod = cluster.pod(0);
    let mut idle = std::process::Command::new("docker")
        .args([
            "exec",
            &pod,
            "psql",
            "-p",
            "5433",
            "-U",
            "appuser",
            "-d",
            "appdata",
            "-c",
            "SELECT pg_sleep(300)",
        ])
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    sleep(Duration::from_millis(500));
    docker_ok(&["stop", &pod]);
    idle.wait().unwrap();
    assert_eq!(
        docker_ok(&[
            "inspect",
            "-f",
            "{{.State.ExitCode}} {{.State.OOMKilled}}",
            &pod
        ]),
        "0 false"
    );
    assert!(cluster.log(0).contains("database system is shut down"));

    docker_ok(&["update", "--restart=no", &pod]);
    docker_ok(&["start", &pod]);
    cluster.wait_until_formed();
    // SIGABRT ends the postmaster as a bug of its own would.
    docker_ok(&[
        "exec",
        &pod,
        "bash",
        "-c",
        "kill -ABRT $(head -1 $PGDATA/postmaster.pid)",
    ]);
    assert_eq!(docker_ok(&["wait", &pod]), (128 + 6).to_string());
}

#[test]
fn orphans_are_reaped_and_waiting_costs_next_to_nothing() {
    let Some(cluster) = Cluster::up(Plan {
        replicas: 2,
        ..Plan::default()
    }) else {
        return;
    };
    for pod in [0, 1] {
        let name = cluster.pod(pod);
        docker_ok(&[
            "exec",
            &name,
            "bash",
            "-c",
            "for i in {1..20}; do (sleep 0.1 &) ; done",
        ]);
    }
    let ticks = |pod: u16| -> u64 {
        let pid = docker_ok(&["inspect", "-f", "{{.State.Pid}}", &cluster.pod(pod)]);
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
        let fields: Vec<&str> = stat
            .rsplit(')')
            .next()
            .unwrap()
            .split_whitespace()
            .collect();
        // User and system time, own and of reaped children (proc(5), fields 14 to 17).
        fields[11..15]
            .iter()
            .map(|field| field.parse::<u64>().unwrap())
            .sum()
    };
    sleep(Duration::from_secs(2));
    let before = [ticks(0), ticks(1)];
    sleep(Duration::from_secs(20));
    for pod in [0, 1] {
        let used = ticks(pod) - before[usize::from(pod)];
        // A tick is 10 ms: 0.3 % of a core over 20 s are 6 of them. Busy neighbours blur the count.
        assert!(used <= 12, "pod {pod} used {used} ticks in 20 s");
        let states = docker(&["top", &cluster.pod(pod), "-eo", "pid,stat"]);
        assert!(
            !String::from_utf8_lossy(&states.stdout)
                .lines()
                .any(|line| line.contains(" Z")),
            "zombies in pod {pod}"
        );
    }
}
