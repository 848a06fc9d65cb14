//! What cannot be restored is refused in a sentence, and the database is as it was.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use super::SAMPLE;
use crate::support::{Cluster, Plan, docker_ok, eventually, holds};

/// An index that takes as long as a setting says for each of its rows.
const SLOW: &str = "
CREATE TABLE slow AS SELECT generate_series(1, 100) AS n;
CREATE FUNCTION slowly(n int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS
  'BEGIN PERFORM pg_sleep(coalesce(current_setting(''test.nap'', true), ''0'')::float); RETURN n; END';
CREATE INDEX ON slow (slowly(n));
";

fn damaged(folder: &Path, name: &str, bytes: &[u8]) -> String {
    let path = folder.join(name);
    fs::write(&path, bytes).unwrap();
    path.display().to_string()
}

/// A session that has read a table and does not end its transaction.
fn idle_in_transaction(cluster: &Cluster) -> Child {
    let mut child = Command::new("docker")
        .args([
            "exec",
            "-i",
            &cluster.pod(0),
            "psql",
            "-Xqw",
            "-p",
            "5433",
            "-U",
            "appuser",
            "-d",
            "appdata",
        ])
        .env("PGAPPNAME", "the app")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let stdin = child.stdin.as_mut().unwrap();
    stdin
        .write_all(
            b"SET application_name = 'the app'; BEGIN; SELECT count(*) FROM app.customers;\n",
        )
        .unwrap();
    child
}

#[test]
fn restore_refuses_and_changes_nothing() {
    let plan = Plan {
        replicas: 1,
        block: "pg_config = { max_locks_per_transaction = 10, max_connections = 20 }".to_owned(),
        ..Plan::default()
    };
    let Some(cluster) = Cluster::up(plan) else {
        return;
    };
    cluster.run_sql(0, SAMPLE);
    let file = cluster.capture(&[]);
    let dump = cluster.backups().join(&file);
    let before = cluster.content(0);
    damaged_files(&cluster, &dump);
    what_the_dump_needs(&cluster);
    too_many_objects(&cluster);
    an_open_session(&cluster);
    assert_eq!(cluster.content(0), before);
    interrupted(&cluster);
}

fn damaged_files(cluster: &Cluster, dump: &Path) {
    let bytes = fs::read(dump).unwrap();
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(&cluster.scope);
    for percent in [10, 50, 99] {
        let cut = damaged(&folder, "cut.dump", &bytes[..bytes.len() * percent / 100]);
        cluster.restore_fails(&[&cut], "is damaged or cut off");
    }
    for (name, bytes, reason) in [
        ("empty", &b""[..], "empty is empty"),
        (
            "noise",
            b"hello\n",
            "noise is not a dump of pg_dump's custom format",
        ),
        (
            "plain.sql",
            b"--\n-- PostgreSQL database dump\n--\n",
            "is a plain SQL dump",
        ),
        ("gz", b"\x1f\x8b\x08\x00\x00", "is compressed as a whole"),
    ] {
        cluster.restore_fails(&[&damaged(&folder, name, bytes)], reason);
    }
    cluster.restore_fails(
        &["/no/such/file"],
        "there is no file /no/such/file on the host",
    );
    cluster.restore_fails(&["b042"], "there is no backup b042");
    // One byte in each of many places; the checksum beside the backup finds them all.
    let own = cluster.backups();
    for place in (0..bytes.len()).step_by(bytes.len() / 3) {
        let mut flipped = bytes.clone();
        flipped[place] ^= 1;
        fs::write(own.join(dump.file_name().unwrap()), flipped).unwrap();
        cluster.restore_fails(&["b001"], "; the database is as it was");
    }
    fs::write(dump, bytes).unwrap();
    let wrong = "0".repeat(64);
    cluster.restore_fails(&["b001", "--sha256", &wrong], "its sha256 is");
}

fn what_the_dump_needs(cluster: &Cluster) {
    cluster.sql(
        0,
        "CREATE TABLE newer (c int REFERENCES app.customers, t hstore)",
    );
    cluster.sql(0, "CREATE VIEW newest AS SELECT * FROM orders");
    let said = cluster.restore_fails(
        &["b001"],
        "objects that are not in the dump depend on some that it replaces",
    );
    for object in [
        "constraint newer_c_fkey on table public.newer",
        "column t of table public.newer",
        "view public.newest",
    ] {
        assert!(said.contains(object), "{said}");
    }
    cluster.sql(0, "DROP TABLE newer");
    cluster.sql(0, "DROP VIEW newest");

    let control = "/usr/share/postgresql/17/extension/pg_trgm.control";
    docker_ok(&["exec", &cluster.pod(0), "mv", control, "/tmp/"]);
    cluster.restore_fails(
        &["b001"],
        "the dump needs extensions that this server's image does not have: pg_trgm",
    );
    docker_ok(&[
        "exec",
        &cluster.pod(0),
        "mv",
        "/tmp/pg_trgm.control",
        control,
    ]);

    cluster.sql(0, "ALTER ROLE reader RENAME TO writer");
    cluster.restore_fails(
        &["b001"],
        "the dump needs roles that this server does not have: reader",
    );
    cluster.sql(0, "ALTER ROLE writer RENAME TO reader");
}

fn too_many_objects(cluster: &Cluster) {
    cluster.sql(0, "CREATE DATABASE many");
    let pod = cluster.pod(0);
    let inside = |command: &str| docker_ok(&["exec", &pod, "bash", "-c", command]);
    inside(
        "psql -qXAt -p 5433 -U appuser -d many -c \"SELECT format('CREATE TABLE t%s (a serial PRIMARY KEY, b int UNIQUE, c text);', i) \
         FROM generate_series(1, 250) AS i\" | psql -qX -p 5433 -U appuser -d many",
    );
    inside("pg_dump -Fc -p 5433 -U appuser -f /backups/many.dump many");
    let path = cluster.backups().join("many.dump").display().to_string();
    cluster.restore_fails(
        &[&path],
        "raise max_locks_per_transaction in the block's pg_config (it is 10)",
    );
    cluster.sql(0, "DROP DATABASE many");
}

fn an_open_session(cluster: &Cluster) {
    let mut session = idle_in_transaction(cluster);
    eventually(10, "an idle session", || {
        let count = cluster.sql(
            0,
            "SELECT count(*) FROM pg_stat_activity WHERE state = 'idle in transaction'",
        );
        holds(count == "1", || count)
    });
    let said = cluster.restore_fails(
        &["b001", "--follow"],
        "it waited for 10s for a lock that others hold: session ",
    );
    assert!(
        said.contains(" of appuser (the app), idle in transaction for "),
        "{said}"
    );
    assert!(said.contains("the database is as it was"), "{said}");
    drop(session.stdin.take());
    session.wait().unwrap();
}

fn interrupted(cluster: &Cluster) {
    cluster.run_sql(0, SLOW);
    cluster.capture(&[]);
    cluster.sql(0, "ALTER ROLE appuser SET test.nap = '0.5'");
    let before = cluster.content(0);
    let reference = cluster.reference();

    let container = while_restoring(cluster, |container| {
        let id = container.rsplit('-').next().unwrap();
        cluster.restore_fails(&["b002"], &format!("another restore is running, {id}"));
        let cancelled = cluster.platform.vd(["pg:backups:cancel", &reference, id]);
        assert_eq!(cancelled.status, 0, "{cancelled:?}");
        let said = &cancelled.stdout;
        assert!(said.contains("the database is as it was"), "{said}");
    });
    assert_eq!(cluster.content(0), before);

    let killed = while_restoring(cluster, |container| {
        docker_ok(&["kill", container]);
    });
    assert_ne!(container, killed);
    let id = killed.rsplit('-').next().unwrap();
    let logs = cluster
        .platform
        .vd(["pg:backups:logs", &reference, id, "--follow"]);
    assert_eq!(logs.status, 137, "{logs:?}");
    assert_eq!(cluster.content(0), before);
    let sessions = "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'voodu-postgres-restore%'";
    eventually(10, "the server notices", || {
        let count = cluster.sql(0, sessions);
        holds(count == "0", || count)
    });
}

/// Does that while a restore that takes long is under way, which must fail then; answers its
/// container.
fn while_restoring(cluster: &Cluster, act: impl FnOnce(&str)) -> String {
    std::thread::scope(|scope| {
        let watching = scope.spawn(|| cluster.restore(&["b002", "--follow"]));
        let container = cluster.restoring("restoring");
        act(&container);
        let ended = watching.join().unwrap();
        assert!(ended.status != 0, "{ended:?}");
        container
    })
}
