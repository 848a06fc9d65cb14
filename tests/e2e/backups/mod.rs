//! Backups of real databases: captured, listed, killed half way, and kept or deleted.

mod capture;
mod killed;
mod schedule;
mod standby;

use std::fs;

use serde_json::Value;
use voodu_standin::cli::CliOutput;

use crate::support::{Cluster, Plan};

fn plan(major: u16, replicas: u16) -> Plan {
    Plan {
        major,
        replicas,
        ..Plan::default()
    }
}

/// Runs `pg:backups:…` on the cluster.
fn vd(cluster: &Cluster, command: &str, words: &[&str]) -> CliOutput {
    let db = format!("{}/db", cluster.scope);
    let command = format!("pg:{command}");
    let output = cluster.platform.vd([&[&command[..], &db], words].concat());
    assert!(
        !format!("{output:?}").contains(&password(cluster)),
        "a secret is shown"
    );
    output
}

/// Runs one that must succeed; answers what it printed.
#[track_caller]
fn ok(cluster: &Cluster, command: &str, words: &[&str]) -> String {
    let output = vd(cluster, command, words);
    assert_eq!(output.status, 0, "{output:?}");
    output.stdout
}

/// Captures, and waits for the end of it.
#[track_caller]
fn capture(cluster: &Cluster, words: &[&str]) -> String {
    ok(cluster, "backups:capture", &[&["--follow"], words].concat())
}

/// Every backup as `b001 complete verified`.
#[track_caller]
fn list(cluster: &Cluster) -> Vec<String> {
    let document: Value = serde_json::from_str(&ok(cluster, "backups", &["--json"])).unwrap();
    let line = |backup: &Value| {
        let (id, status) = (
            backup["id"].as_str().unwrap(),
            backup["status"].as_str().unwrap(),
        );
        let verified = if backup["verified"] == true {
            " verified"
        } else {
            ""
        };
        format!("{id} {status}{verified}")
    };
    document["backups"]
        .as_array()
        .unwrap()
        .iter()
        .map(line)
        .collect()
}

/// The files of backups, whole and in parts, sorted.
fn files(cluster: &Cluster) -> Vec<String> {
    let entries = fs::read_dir(cluster.backups()).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let of_backups = |name: &String| name.contains(".dump") || name.ends_with(".password");
    let mut names: Vec<_> = names.filter(of_backups).collect();
    names.sort();
    names
}

/// The container of a capture.
fn container(cluster: &Cluster, id: &str) -> String {
    format!("{}-db-backup-{id}", cluster.scope)
}

fn password(cluster: &Cluster) -> String {
    cluster.platform.bucket(&cluster.scope, "db")["POSTGRES_PASSWORD"].clone()
}

/// Fills a table whose dump takes about a second for each 20.
fn fill(cluster: &Cluster, thousands: u32) {
    cluster.sql(
        0,
        &format!(
            "CREATE TABLE big AS SELECT n AS id, md5(n::text) AS a, repeat(md5((n * 7)::text), 3) AS b \
             FROM generate_series(1, {thousands}000) n"
        ),
    );
}
