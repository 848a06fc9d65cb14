//! `link`: the URLs that reach an application let it in, whatever is in the password, and follow
//! the primary.

use std::io::Write as _;
use std::process::{Command, Stdio};

use voodu_standin::Vars;

use crate::support::{Cluster, Plan, application, eventually, holds};

/// Every kind of character that has a meaning somewhere in a URL.
const PASSWORD: &str = "p@s/s:w?r#d%41 [+&=]'\"\\é";

fn plan(major: u16, replicas: u16) -> Plan {
    Plan {
        major,
        replicas,
        bucket: Vars::from([("POSTGRES_PASSWORD".to_owned(), PASSWORD.to_owned())]),
        ..Plan::default()
    }
}

fn vd(cluster: &Cluster, words: &[&str]) -> String {
    let output = cluster.platform.vd(words);
    assert_eq!(output.status, 0, "{output:?}");
    output.stdout
}

fn link(cluster: &Cluster, flags: &[&str]) {
    application::link(cluster, "app", flags);
}

fn ask(cluster: &Cluster, variable: &str, sql: &str) -> Result<String, String> {
    application::ask(cluster, "app", variable, sql)
}

#[track_caller]
fn answers(cluster: &Cluster, variable: &str, sql: &str, expected: &str) {
    application::answers(cluster, "app", variable, sql, expected);
}

#[test]
fn link_reaches_primary_and_standbys_on_17() {
    let Some(cluster) = Cluster::up(plan(17, 3)) else {
        return;
    };
    application::apply(&cluster, "app", cluster.plan.major);
    let before: Vec<_> = (0..3).map(|pod| cluster.container_id(pod)).collect();
    link(&cluster, &["--reads", "--load-balance"]);
    answers(&cluster, "DATABASE_URL", "SELECT pg_is_in_recovery()", "f");
    ask(&cluster, "DATABASE_URL", "CREATE TABLE t (n int)").expect("write");
    answers(
        &cluster,
        "DATABASE_READ_URL",
        "SELECT pg_is_in_recovery()",
        "t",
    );
    answers(&cluster, "DATABASE_READ_URL", "SELECT count(*) FROM t", "0");
    assert_eq!(cluster.apply().changes.rolled, Vec::<String>::new());
    let after: Vec<_> = (0..3).map(|pod| cluster.container_id(pod)).collect();
    assert_eq!(before, after, "the database was not touched");

    cluster.wait_until_caught_up(0);
    cluster.move_record(1);
    eventually(30, "pod 1 becoming the primary", || {
        let role = cluster.in_recovery(1)?;
        holds(role == "f", || role)
    });
    link(&cluster, &["--reads"]);
    answers(
        &cluster,
        "DATABASE_URL",
        "INSERT INTO t VALUES (1) RETURNING n",
        "1",
    );
    let mirror = cluster.platform.bucket(&cluster.scope, "db");
    assert_eq!(mirror["PG_PRIMARY_ORDINAL"], "1");

    let (db, app) = (
        format!("{}/db", cluster.scope),
        format!("{}/app", cluster.scope),
    );
    vd(&cluster, &["pg:unlink", &db, &app]);
    assert!(cluster.platform.bucket(&cluster.scope, "app").is_empty());
}

#[test]
fn link_reaches_primary_and_standbys_on_15() {
    let Some(cluster) = Cluster::up(plan(15, 2)) else {
        return;
    };
    application::apply(&cluster, "app", cluster.plan.major);
    link(&cluster, &["--reads"]);
    answers(&cluster, "DATABASE_URL", "SELECT pg_is_in_recovery()", "f");
    answers(
        &cluster,
        "DATABASE_READ_URL",
        "SELECT pg_is_in_recovery()",
        "t",
    );
}

#[test]
fn link_carries_any_password() {
    any_password(25);
}

#[test]
#[ignore = "takes minutes; make faults runs it"]
fn link_carries_a_thousand_passwords() {
    any_password(1_000);
}

/// Gives the role one generated password after the other, and logs in with the URL that `link`
/// stores for it.
fn any_password(count: usize) {
    let Some(cluster) = Cluster::up(plan(17, 1)) else {
        return;
    };
    let mut script = vec!["set -e".to_owned()];
    for (password, url) in application::urls_of_any_password(&cluster, count) {
        let sql = format!("ALTER ROLE appuser PASSWORD $pw${password}$pw$");
        let (sql, url) = (word(&sql), word(&url));
        script.push(format!("psql -XAtq -U appuser -d appdata -p 5433 -c {sql}"));
        script.push(format!("test \"$(psql -XAtqw {url} -c 'SELECT 1')\" = 1"));
    }
    let mut child = Command::new("docker")
        .args(["exec", "-i", &cluster.pod(0), "bash"])
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("start docker");
    let mut stdin = child.stdin.take().expect("a pipe");
    let script = script.join("\n") + "\n";
    stdin
        .write_all(script.as_bytes())
        .expect("write the script");
    drop(stdin);
    let output = child.wait_with_output().expect("wait");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}");
}

fn word(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}
