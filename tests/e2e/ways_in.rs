//! A server that nobody gets into in the usual way: every connection is taken, or the image's trust
//! in the socket is gone. Commands work all the same, and nothing is called dead that is not.

use crate::support::{Cluster, Plan, docker, docker_ok, eventually, holds};

/// An application takes every connection that there is, as the superuser that linked ones are.
fn crowd(cluster: &Cluster, pod: u16) {
    for _ in 0..14 {
        let psql = [
            "psql",
            "-p",
            "5433",
            "-U",
            "appuser",
            "-d",
            "appdata",
            "-c",
            "SELECT pg_sleep(300)",
        ];
        let exec = ["exec", "-d", "-e", "PGAPPNAME=web", &cluster.pod(pod)].map(str::to_owned);
        let words: Vec<_> = exec.iter().map(String::as_str).chain(psql).collect();
        docker_ok(&words);
    }
    eventually(20, "a full server", || {
        let refused = cluster.try_sql(pod, "SELECT 1").unwrap_err();
        holds(refused.contains("too many clients"), || refused)
    });
}

fn a_full_server_is_not_a_dead_one(major: u16) {
    let Some(cluster) = Cluster::up(Plan {
        major,
        replicas: 2,
        block: "pg_config = { max_connections = 12 }".to_owned(),
        ..Plan::default()
    }) else {
        return;
    };
    crowd(&cluster, 0);
    let taken = "all 12 connections are taken, 12 by appuser (web)";

    let check = cluster.pg("info", &["--check"]);
    let line = format!("{}: {taken}; end some of them (vd pg:psql ", cluster.pod(0));
    assert_eq!(check.status, 1);
    assert!(check.stdout.starts_with(&line), "{check:?}");
    assert_eq!(check.stdout.matches("; ").count(), 1, "{check:?}");
    assert!(!check.stdout.contains("--force"), "{check:?}");
    let info = cluster.pg("info", &[]).stdout;
    assert!(info.contains("0    primary  writable"), "{info}");

    let psql = cluster.pg("psql", &["-c", "SELECT 40 + 2", "--", "-At"]);
    assert!(
        psql.stdout.ends_with("42\n") && psql.stderr.contains("no connection is left"),
        "{psql:?}"
    );
    let capture = cluster.pg("backups:capture", &[]);
    let reason = format!("has no connection left for this: {taken}");
    assert!(
        capture.status == 1 && capture.stderr.contains(&reason),
        "{capture:?}"
    );
    let rotated = cluster.pg("new-password", &["--no-restart"]);
    assert_eq!(rotated.status, 0, "{rotated:?}");

    let printed = cluster.pg("promote", &["--replica", "1"]);
    assert!(printed.stdout.contains("nothing was lost"), "{printed:?}");
    cluster.wait_until_formed_around(1);

    // The standby is full, and whoever takes over from it can see that it is well.
    crowd(&cluster, 0);
    let printed = cluster.pg("promote", &["--replica", "0"]);
    assert!(printed.stdout.contains("nothing was lost"), "{printed:?}");
}

#[test]
fn a_full_server_says_who_fills_it_and_hands_over() {
    a_full_server_is_not_a_dead_one(17);
}

#[test]
fn a_full_server_of_15_says_who_fills_it_and_hands_over() {
    a_full_server_is_not_a_dead_one(15);
}

/// Asks for a password wherever the image trusts somebody.
fn trust_nobody(cluster: &Cluster) {
    for pod in 0..cluster.plan.replicas {
        let script = "sed -i 's/trust$/scram-sha-256/' $PGDATA/pg_hba.conf && kill -HUP $(head -1 $PGDATA/postmaster.pid)";
        docker_ok(&["exec", &cluster.pod(pod), "bash", "-c", script]);
        eventually(10, "a socket that asks for a password", || {
            let refused = cluster.try_sql(pod, "SELECT 1").err().unwrap_or_default();
            holds(refused.contains("no password supplied"), || refused)
        });
    }
}

/// The answer of a pod's server to somebody who knows the password of today.
fn asked(cluster: &Cluster, pod: u16, sql: &str) -> Result<String, String> {
    let password = &cluster.platform.bucket(&cluster.scope, "db")["POSTGRES_PASSWORD"];
    let password = format!("PGPASSWORD={password}");
    let psql = [
        "psql", "-XAtqw", "-p", "5433", "-U", "appuser", "-d", "appdata", "-c", sql,
    ];
    let container = cluster.pod(pod);
    let words = [&["exec", "-e", &password, &container][..], &psql].concat();
    let output = docker(&words);
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout)
            .trim_end()
            .to_owned());
    }
    Err(String::from_utf8_lossy(&output.stderr).into_owned())
}

#[track_caller]
fn follows(cluster: &Cluster, primary: u16) {
    eventually(60, "a primary with its standby", || {
        let sql = "SELECT pg_is_in_recovery(), (SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming')";
        let answer = asked(cluster, primary, sql)?;
        holds(answer == "f|1", || answer)
    });
}

#[test]
fn where_the_socket_asks_for_a_password_every_command_has_it() {
    let Some(cluster) = Cluster::up(Plan {
        replicas: 2,
        ..Plan::default()
    }) else {
        return;
    };
    trust_nobody(&cluster);
    let does = |command: &str, words: &[&str]| {
        let output = cluster.pg(command, words);
        assert_eq!(output.status, 0, "{command} {words:?}: {output:?}");
        output.stdout
    };
    does("info", &["--check"]);
    let printed = does("psql", &["-c", "SELECT 40 + 2", "--", "-At"]);
    assert!(printed.ends_with("42\n"), "{printed}");
    does("backups:capture", &["--follow"]);
    does("backups:restore", &["b001", "--yes", "--follow"]);
    does("promote", &["--replica", "1"]);
    follows(&cluster, 1);
    does("new-password", &["--replication"]);
    // From now on the containers were started with another password than today's.
    does("new-password", &["--no-restart"]);
    does("info", &["--check"]);
    does("backups:capture", &["--from-replica", "0", "--follow"]);
    docker_ok(&["stop", &cluster.pod(1)]);
    does("promote", &["--replica", "0", "--force"]);
    docker_ok(&["start", &cluster.pod(1)]);
    does("rejoin", &["--replica", "1"]);
    follows(&cluster, 0);
    does("promote", &["--replica", "1"]);
    follows(&cluster, 1);
}

/// A superuser whom the server does not let in is no reason to give a primary up.
#[test]
fn a_refused_login_is_not_a_dead_primary() {
    let Some(cluster) = Cluster::up(Plan {
        replicas: 2,
        ..Plan::default()
    }) else {
        return;
    };
    let deny = "sed -i '1i local all all reject\\nhost all appuser all reject' $PGDATA/pg_hba.conf && kill -HUP $(head -1 $PGDATA/postmaster.pid)";
    docker_ok(&["exec", &cluster.pod(0), "bash", "-c", deny]);
    let name = cluster.pod(0);
    eventually(20, "a refused login", || {
        let check = cluster.pg("info", &["--check"]);
        let unknown = "it is not known whether pod 0, the primary, accepts writes; let the superuser in again";
        let why = format!("{name} does not let the plugin log in: ");
        let all = check.stdout.starts_with(unknown) && check.stdout.contains(&why);
        holds(all && !check.stdout.contains("--force"), || check.stdout)
    });
    let refused = cluster.pg("promote", &["--replica", "1"]);
    let words = format!(
        "it is not known whether pod 0 can hand over to pod 1: {name} does not let the plugin log in"
    );
    assert!(
        refused.status == 1 && refused.stderr.contains(&words),
        "{refused:?}"
    );
    assert!(!refused.stderr.contains("--force"), "{refused:?}");
}
