//! The long repetitions: whatever dies or hangs at whatever moment, nothing is lost, and one pod
//! writes at a time.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;
use std::thread;
use std::time::Duration;

use super::{assert_nothing_lost, cluster, killed_at, rejoin, there_and_back, turn};
use crate::daemon::restart_daemon;
use crate::support::{Cluster, Load, Plan, docker_ok, eventually, holds};

/// Every pod hands over to every other one.
const TWENTY: [u16; 20] = [1, 2, 0, 2, 1, 0, 1, 0, 2, 0, 1, 2, 1, 0, 2, 1, 2, 0, 1, 0];

#[test]
#[ignore = "20 promotes; make faults runs it"]
fn twenty_promotes_on_17() {
    let Some(cluster) = cluster(17, 3) else {
        return;
    };
    there_and_back(&cluster, &TWENTY);
}

#[test]
#[ignore = "20 promotes; make faults runs it"]
fn twenty_promotes_on_15() {
    let Some(cluster) = cluster(15, 3) else {
        return;
    };
    there_and_back(&cluster, &TWENTY);
}

#[test]
#[ignore = "30 promotes; make faults runs it"]
fn thirty_kills_of_the_plugin() {
    let Some(cluster) = cluster(17, 2) else {
        return;
    };
    killed_at(&cluster, (0..30).map(|n| 50 + n * 977 % 2_300));
}

/// What is killed, of which pod.
#[derive(Debug, Clone, Copy)]
enum Victim {
    Supervisor(u16),
    Server(u16),
}

impl Victim {
    fn process(self, cluster: &Cluster) -> String {
        let (Self::Supervisor(pod) | Self::Server(pod)) = self;
        let supervisor = docker_ok(&["inspect", "-f", "{{.State.Pid}}", &cluster.pod(pod)]);
        let children = Command::new("pgrep")
            .args(["-P", &supervisor, "-x", "postgres"])
            .output()
            .expect("start pgrep");
        let server = String::from_utf8_lossy(&children.stdout).trim().to_owned();
        match self {
            Self::Supervisor(_) => supervisor,
            Self::Server(_) => server,
        }
    }
}

/// Kills a process as soon as the record says this, while a promotion runs.
fn crash(cluster: &Cluster, target: u16, victim: Victim, when: &str) {
    let process = victim.process(cluster);
    eprintln!("---- {victim:?} dies at {when:?}, target {target}");
    thread::scope(|scope| {
        scope.spawn(|| cluster.pg("promote", &["--replica", &target.to_string()]));
        for _ in 0..2_000 {
            if cluster.record().contains(when) {
                break;
            }
            thread::sleep(Duration::from_millis(5));
        }
        // A server that stopped meanwhile has nothing more to lose.
        let there = std::fs::read_to_string(format!("/proc/{process}/comm"));
        if there.is_ok_and(|name| ["postgres\n", "bash\n"].contains(&&name[..])) {
            let killed = Command::new("kill").args(["-9", &process]).status();
            assert!(killed.expect("start kill").success());
        }
    });
    // The first one may have called it off.
    eventually(90, "the promotion", || {
        let output = cluster.pg("promote", &["--replica", &target.to_string()]);
        holds(output.status == 0, || output.stderr.clone())
    });
    cluster.wait_until_formed_around(target);
}

fn crashes(major: u16) {
    let Some(cluster) = cluster(major, 3) else {
        return;
    };
    let load = Load::start(&cluster);
    let mut turns = vec![0];
    for kind in [Victim::Supervisor, Victim::Server] {
        for role in 0..3 {
            for state in ["state=handover", "stopped_at=", "state=steady"] {
                let old = turns[turns.len() - 1];
                let target = (old + 1) % 3;
                let when = match state {
                    "state=steady" => format!("primary={target}\n"),
                    state => state.to_owned(),
                };
                crash(&cluster, target, kind((old + role) % 3), &when);
                load.await_writes(20);
                turns.push(target);
            }
        }
    }
    let seen = load.stop();
    assert_nothing_lost(&cluster, &seen);
    assert_eq!(seen.writers(), turns);
}

#[test]
#[ignore = "18 crashes; make faults runs it"]
fn a_crash_of_anybody_at_any_state_on_17() {
    crashes(17);
}

#[test]
#[ignore = "18 crashes; make faults runs it"]
fn a_crash_of_anybody_at_any_state_on_15() {
    crashes(15);
}

#[test]
#[ignore = "restarts the docker daemon under everything that runs on it; make faults runs it"]
fn the_docker_daemon_restarts_in_the_middle() {
    let Some(cluster) = cluster(17, 3) else {
        return;
    };
    cluster.sql(0, "CREATE TABLE t AS SELECT 1 AS i");
    for (target, wait) in [(1, 700), (2, 1_000), (0, 1_300)] {
        thread::scope(|scope| {
            scope.spawn(|| cluster.pg("promote", &["--replica", &target.to_string()]));
            thread::sleep(Duration::from_millis(wait));
            restart_daemon();
        });
        eventually(90, "the promotion", || {
            let output = cluster.pg("promote", &["--replica", &target.to_string()]);
            holds(output.status == 0, || output.stderr.clone())
        });
        cluster.wait_until_formed_around(target);
        let others: Vec<_> = (0..3)
            .filter(|pod| *pod != target)
            .map(|pod| cluster.in_recovery(pod))
            .collect();
        assert_eq!(others, [Ok("t".to_owned()), Ok("t".to_owned())]);
        cluster.sql(target, "INSERT INTO t VALUES (1)");
    }
    assert_eq!(cluster.sql(0, "SELECT count(*) FROM t"), "4");
}

#[test]
#[ignore = "waits for time limits; make faults runs it"]
fn a_paused_sibling_and_a_primary_that_does_not_stop() {
    let Some(cluster) = cluster(17, 3) else {
        return;
    };
    let load = Load::start(&cluster);
    docker_ok(&["pause", &cluster.pod(2)]);
    let printed = cluster.promote(1, &[]);
    assert!(
        printed.contains("nothing was lost") && printed.contains("pod 2 is paused"),
        "{printed}"
    );
    docker_ok(&["unpause", &cluster.pod(2)]);
    cluster.wait_until_formed_around(1);
    // A session that cannot end keeps the primary from stopping.
    let sleep = [
        "psql",
        "-p",
        "5433",
        "-U",
        "appuser",
        "-d",
        "appdata",
        "-c",
        "SELECT pg_sleep(1000)",
    ];
    docker_ok(&[&["exec", "-d", &cluster.pod(1)][..], &sleep].concat());
    let find = "SELECT pid FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(1000)'";
    let session = eventually(10, "the session", || {
        let pid = cluster.sql(1, find);
        holds(!pid.is_empty(), || "no session".to_owned())?;
        Ok(pid)
    });
    docker_ok(&["exec", &cluster.pod(1), "kill", "-STOP", &session]);
    let output = cluster.pg("promote", &["--replica", "0"]);
    assert!(
        output.status == 1 && output.stderr.contains("called off"),
        "{output:?}"
    );
    load.await_writes(20);
    cluster.wait_until_formed_around(1);
    turn(&cluster, &load, 0);
    let seen = load.stop();
    assert_nothing_lost(&cluster, &seen);
    assert_eq!(seen.writers(), [0, 1, 0]);
}

#[test]
#[ignore = "several clusters; make faults runs it"]
fn commits_that_wait_for_standbys_do_not_hang_it() {
    let Some(cluster) = Cluster::up(Plan {
        block: "pg_config = { synchronous_standby_names = \"*\" }".into(),
        ..Plan::default()
    }) else {
        return;
    };
    let load = Load::start(&cluster);
    for target in [1, 2, 0] {
        let printed = cluster.promote(target, &[]);
        assert!(printed.contains("nothing was lost"), "{printed}");
        cluster.wait_until_formed_around(target);
        load.await_writes(20);
    }
    let seen = load.stop();
    assert_nothing_lost(&cluster, &seen);
    assert_eq!(seen.writers(), [0, 1, 2, 0]);
}

/// Promotes with force until it is done: a dead connection counts for some seconds more.
fn take_over(cluster: &Cluster, target: u16) -> String {
    let target = target.to_string();
    eventually(60, "the takeover", || {
        let output = cluster.pg("promote", &["--replica", &target, "--force", "--allow-lag"]);
        holds(output.status == 0, || output.stderr.clone())?;
        Ok(output.stdout)
    })
}

#[test]
#[ignore = "waits for time limits; make faults runs it"]
fn a_paused_or_cut_off_primary_never_writes_again() {
    let Some(cluster) = cluster(17, 2) else {
        return;
    };
    let load = Load::start(&cluster);
    for (old, new, verb) in [(0, 1, "pause"), (1, 0, "cut off")] {
        if verb == "pause" {
            docker_ok(&["pause", &cluster.pod(old)]);
        } else {
            cluster.unplug(old);
        }
        let plain = cluster.pg("promote", &["--replica", &new.to_string()]);
        assert_eq!(plain.status, 1, "{plain:?}");
        let printed = take_over(&cluster, new);
        assert!(printed.contains("without a handover"), "{printed}");
        load.await_writes(20);
        docker_ok(&["start", &cluster.pod(old)]);
        cluster.wait_for_log(old, &["split-brain guard"]);
        rejoin(&cluster, old);
        cluster.wait_until_formed_around(new);
    }
    let seen = load.stop();
    assert_eq!(seen.writers(), [0, 1, 0]);
}

#[test]
#[ignore = "several clusters; make faults runs it"]
fn generations_after_a_scale_up() {
    let Some(mut cluster) = cluster(17, 2) else {
        return;
    };
    let load = Load::start(&cluster);
    turn(&cluster, &load, 1);
    drop(load.stop());
    cluster.plan.replicas = 5;
    cluster.apply();
    cluster.wait_until_formed_around(1);
    cluster.sql(1, "DROP TABLE load");
    let load = Load::start(&cluster);
    let targets = [4, 2, 3, 0, 1];
    for target in targets {
        turn(&cluster, &load, target);
    }
    let seen = load.stop();
    assert_nothing_lost(&cluster, &seen);
    assert_eq!(seen.writers(), [&[1], &targets[..]].concat());
}

/// A cluster whose pod 0 was left behind with commits of its own.
fn left_behind() -> Option<Cluster> {
    let cluster = cluster(17, 2)?;
    cluster.sql(0, "CREATE TABLE t AS SELECT g AS i, repeat(md5(g::text), 20) AS pad FROM generate_series(1, 100000) g");
    cluster.wait_until_caught_up(0);
    cluster.unplug(1);
    cluster.sql(
        0,
        "INSERT INTO t SELECT 900000 + g FROM generate_series(1, 2000) g",
    );
    cluster.kill_for_good(0);
    cluster.plug_in(1);
    let printed = take_over(&cluster, 1);
    assert!(
        printed.contains("LOST unless you save them: 1 transaction"),
        "{printed}"
    );
    cluster.sql(1, "INSERT INTO t VALUES (-1)");
    Some(cluster)
}

fn assert_equal(cluster: &Cluster) {
    cluster.wait_until_formed_around(1);
    cluster.wait_until_caught_up(1);
    let sum = "SELECT count(*), min(i), max(i), sum(hashtext(pad)::bigint) FROM t";
    assert_eq!(cluster.sql(0, sum), cluster.sql(1, sum));
}

#[test]
#[ignore = "several clusters; make faults runs it"]
fn a_rejoin_without_the_wal_or_the_room_for_two_copies() {
    let Some(cluster) = left_behind() else {
        return;
    };
    let ruin =
        "cd /v/pgdata/pg_wal && for f in 0000*; do [ ${#f} = 24 ] && truncate -s 0 $f; done; true";
    cluster.on_data(0, ruin);
    // Its disk has no room for a second copy.
    let df = cluster.backups().join("df");
    std::fs::write(
        &df,
        "#!/bin/sh\nprintf 'F 1k-blocks U A C M\\nx 1 1 10 1 /\\n'\n",
    )
    .expect("write df");
    std::fs::set_permissions(&df, Permissions::from_mode(0o755)).expect("make df executable");
    let to = format!("{}:/usr/local/bin/df", cluster.pod(0));
    docker_ok(&["cp", df.to_str().expect("a path"), &to]);
    docker_ok(&["start", &cluster.pod(0)]);
    cluster.wait_for_log(0, &["split-brain guard"]);
    let why = cluster.refused("rejoin", &["--replica", "0"]);
    assert!(why.contains("is unknown") && why.contains("--yes"), "{why}");
    rejoin(&cluster, 0);
    assert_equal(&cluster);
    cluster.wait_for_log(
        0,
        &[
            "cannot be rewound",
            "no room for a copy beside the old data",
        ],
    );
}

#[test]
#[ignore = "several clusters; make faults runs it"]
fn an_interrupted_rejoin_is_run_again() {
    let Some(cluster) = left_behind() else {
        return;
    };
    for delay in [700, 1_200, 1_700, 2_300] {
        thread::scope(|scope| {
            scope.spawn(|| cluster.pg("rejoin", &["--replica", "0", "--yes"]));
            thread::sleep(Duration::from_millis(delay));
            cluster.platform.hang_up();
            cluster.kill_pod(0);
        });
    }
    rejoin(&cluster, 0);
    assert_equal(&cluster);
}
