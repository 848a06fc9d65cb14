//! `info`: the truth about a cluster, also about one whose pods do not answer.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::{Cluster, Plan, docker_ok, eventually, holds};

/// A pod that does not answer is asked again for that long.
const LIMIT: Duration = Duration::from_secs(22);

/// The lines of the check, without the CLI's own, and its exit code.
fn check(cluster: &Cluster) -> (i32, Vec<String>) {
    let before = Instant::now();
    let output = cluster
        .platform
        .vd(["pg:info", &format!("{}/db", cluster.scope), "--check"]);
    assert!(before.elapsed() < LIMIT, "{:?}", before.elapsed());
    let lines = output
        .stdout
        .lines()
        .filter(|line| !line.starts_with("  ✓ "));
    (output.status, lines.map(str::to_owned).collect())
}

/// Waits until the check says exactly this much; the beginnings of its lines.
#[track_caller]
fn finds(cluster: &Cluster, expected: &[&str]) {
    eventually(60, "what the check finds", || {
        let (status, lines) = check(cluster);
        let all = lines.len() == expected.len()
            && lines
                .iter()
                .zip(expected)
                .all(|(line, start)| line.starts_with(start));
        holds(all && status == 1, || lines.join("\n"))
    });
}

#[track_caller]
fn is_well(cluster: &Cluster) {
    eventually(20, "a healthy cluster", || {
        let (status, lines) = check(cluster);
        holds(status == 0, || lines.join("\n"))
    });
}

fn document(cluster: &Cluster) -> Value {
    let output = cluster
        .platform
        .vd(["pg:info", &format!("{}/db", cluster.scope), "--json"]);
    serde_json::from_str(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"))
}

/// Stops or continues every postgres process of a pod; its container goes on running.
fn signal(cluster: &Cluster, pod: u16, name: &str) {
    let kill = format!(
        "for p in /proc/[0-9]*; do case $(cat $p/comm 2>/dev/null) in postgres) kill -{name} ${{p#/proc/}};; esac; done"
    );
    docker_ok(&["exec", &cluster.pod(pod), "bash", "-c", &kill]);
}

#[test]
fn info_tells_what_is_wrong_in_time() {
    let Some(cluster) = Cluster::up(Plan::default()) else {
        return;
    };
    let [zero, one, two] = [0, 1, 2].map(|pod| cluster.pod(pod));
    is_well(&cluster);

    cluster.sql(0, "CREATE DATABASE analytics");
    cluster.sql(0, "CREATE ROLE analyst");
    let known = document(&cluster);
    assert_eq!(known["other_databases"], serde_json::json!(["analytics"]));
    assert_eq!(known["other_roles"], serde_json::json!(["analyst"]));
    assert_eq!(known["pods"][2]["role"], "standby");
    assert!(
        known["pods"][0]["data_bytes"].as_u64().unwrap() > 1 << 20,
        "{known}"
    );

    docker_ok(&["pause", &two]);
    finds(
        &cluster,
        &[&format!("{two} is paused; run docker unpause {two}")],
    );
    docker_ok(&["unpause", &two]);
    is_well(&cluster);

    signal(&cluster, 1, "STOP");
    finds(&cluster, &[&format!("{one} did not answer in time; ")]);
    signal(&cluster, 1, "CONT");
    is_well(&cluster);

    // What the primary does is not known then, and nothing is to be given up for that.
    signal(&cluster, 0, "STOP");
    let unknown = "it is not known whether pod 0, the primary, accepts writes; ";
    finds(
        &cluster,
        &[unknown, &format!("{zero} did not answer in time; ")],
    );
    let refused = cluster.pg("promote", &["--replica", "1"]);
    signal(&cluster, 0, "CONT");
    let refusal = format!(
        "it is not known whether pod 0 can hand over to pod 1: {zero} did not answer in time"
    );
    assert!(refused.stderr.contains(&refusal), "{refused:?}");
    assert!(!refused.stderr.contains("--force"), "{refused:?}");
    is_well(&cluster);

    cluster.sql(1, "SELECT pg_wal_replay_pause()");
    finds(&cluster, &[&format!("the replay is paused in {one}; ")]);
    cluster.sql(1, "SELECT pg_wal_replay_resume()");

    cluster.sql(0, "ALTER SYSTEM SET max_connections = 77");
    cluster.sql(0, "SELECT pg_reload_conf()");
    finds(
        &cluster,
        &[&format!(
            "{zero} runs with max_connections = 100, and the configuration gives 77; "
        )],
    );
    cluster.sql(0, "ALTER SYSTEM RESET max_connections");
    cluster.sql(0, "SELECT pg_reload_conf()");

    // As if the image had another version of the C library.
    cluster.sql(
        0,
        "UPDATE pg_database SET datcollversion = '0' WHERE datname = 'appdata'",
    );
    finds(
        &cluster,
        &["the image sorts text in another way than the databases appdata were made with"],
    );
    cluster.sql(
        0,
        "UPDATE pg_database SET datcollversion = NULL WHERE datname = 'appdata'",
    );

    cluster.sql(0, "ALTER ROLE appuser PASSWORD 'another'");
    finds(
        &cluster,
        &["POSTGRES_PASSWORD in the config is not the one that the server takes; "],
    );
    let psql = [
        "psql", "-qX", "-p", "5433", "-U", "appuser", "-d", "postgres",
    ];
    let drop = ["-c", "DROP DATABASE appdata WITH (FORCE)"];
    docker_ok(&[&["exec", &zero][..], &psql, &drop].concat());
    finds(
        &cluster,
        &[
            "the server has no database appdata, ",
            "POSTGRES_PASSWORD in the config",
        ],
    );
    docker_ok(&["stop", &zero]);
    finds(
        &cluster,
        &[
            "no pod accepts writes; ",
            &format!("{zero} is exited; "),
            &format!("{one} does not stream"),
            &format!("{two} does not stream"),
            "the server has no database appdata, ",
        ],
    );
}
