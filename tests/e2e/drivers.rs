//! The URLs of `link` in drivers that read them in ways of their own.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::json;
use voodu_standin::Vars;

use crate::support::{Cluster, Plan, application, docker_ok};

const DRIVERS: [&str; 4] = ["psycopg[binary]", "psycopg2-binary", "asyncpg", "pg8000"];

/// Where this machine's python finds the drivers, installed at the first use.
fn installed() -> String {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("drivers");
    let ready = directory.join("ready");
    if !ready.exists() {
        let mut pip = Command::new("python3");
        pip.args(["-m", "pip", "install", "--quiet", "--target"]);
        let status = pip.arg(&directory).args(DRIVERS).status();
        assert!(
            status.is_ok_and(|status| status.success()),
            "this test needs python3 with pip, and a package index"
        );
        std::fs::write(ready, "").expect("mark the drivers as installed");
    }
    directory.display().to_string()
}

#[test]
#[ignore = "installs python drivers: make faults"]
fn link_carries_any_password_to_other_drivers() {
    let bucket = Vars::from([("POSTGRES_PASSWORD".to_owned(), "first".to_owned())]);
    let plan = Plan {
        replicas: 1,
        bucket,
        ..Plan::default()
    };
    let Some(cluster) = Cluster::up(plan) else {
        return;
    };
    let format = "{{(index .NetworkSettings.Networks \"voodu0\").IPAddress}}";
    let address = docker_ok(&["inspect", "-f", format, &cluster.pod(0)]);
    // This machine does not know the network's names.
    let host = format!("db-0.{}.voodu", cluster.scope);
    let cases = application::urls_of_any_password(&cluster, 100);
    let lines = cases.into_iter().map(|(password, url)| {
        let url = url.replace(&host, &address);
        json!({"password": password, "url": url}).to_string()
    });
    let lines = lines.collect::<Vec<_>>().join("\n") + "\n";
    let script = include_str!("support/drivers.py");
    let first = format!("postgres://appuser:first@{address}:5433/appdata");
    let mut child = Command::new("python3")
        .args(["-c", script, &first])
        .env("PYTHONPATH", installed())
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("start python3");
    let mut stdin = child.stdin.take().expect("a pipe");
    stdin.write_all(lines.as_bytes()).ok();
    drop(stdin);
    let output = child.wait_with_output().expect("wait for python3");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}");
}
