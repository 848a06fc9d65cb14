//! `backups:restore`: what comes back is what was there, and what cannot be restored changes
//! nothing.

mod download;
mod names;
mod refusals;
mod round_trip;

use std::io::Write as _;
use std::process::{Command, Stdio};

use voodu_standin::cli::CliOutput;

use crate::support::{Cluster, docker_ok, eventually, holds};

const SAMPLE: &str = include_str!("sample.sql");

/// Every row of every table, every sequence and every large object.
const CHECKSUM: &str = r"
WITH relation AS (
  SELECT c.oid, c.oid::regclass::text AS name, relkind FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = relnamespace
   WHERE relkind IN ('r', 'm', 'S') AND nspname !~ '^pg_' AND nspname <> 'information_schema'),
content AS (
  SELECT name, query_to_xml(format(CASE relkind
      WHEN 'S' THEN 'SELECT last_value, is_called FROM %s'
      ELSE 'SELECT count(*), md5(string_agg(md5(x::text), '','' ORDER BY md5(x::text))) FROM %s AS x' END, name), false, true, '')::text AS rows
    FROM relation)
SELECT count(*), md5(string_agg(name || rows, E'\n' ORDER BY name)),
  (SELECT md5(string_agg(loid || md5(lo_get(loid)), ',' ORDER BY loid)) FROM (SELECT oid AS loid FROM pg_largeobject_metadata) AS l)
  FROM content";

/// What a database holds.
#[derive(Debug, PartialEq, Eq)]
struct Content {
    rows: String,
    schema: String,
}

impl Cluster {
    fn reference(&self) -> String {
        format!("{}/db", self.scope)
    }

    /// Runs a script of SQL.
    #[track_caller]
    fn run_sql(&self, ordinal: u16, script: &str) {
        let mut child = Command::new("docker")
            .args([
                "exec",
                "-i",
                &self.pod(ordinal),
                "psql",
                "-Xqw",
                "-v",
                "ON_ERROR_STOP=1",
            ])
            .args([
                "-o",
                "/dev/null",
                "-p",
                "5433",
                "-U",
                "appuser",
                "-d",
                "appdata",
            ])
            .stdin(Stdio::piped())
            .spawn()
            .expect("start docker");
        let mut stdin = child.stdin.take().expect("a pipe");
        stdin.write_all(script.as_bytes()).expect("write");
        drop(stdin);
        assert!(child.wait().expect("wait").success(), "{script}");
    }

    #[track_caller]
    fn content(&self, ordinal: u16) -> Content {
        let dump = [
            "exec",
            &self.pod(ordinal),
            "pg_dump",
            "-s",
            "-p",
            "5433",
            "-U",
            "appuser",
            "appdata",
        ];
        let schema = docker_ok(&dump);
        // Each dump has a token of its own.
        let lines = schema.lines().filter(|line| !line.contains("restrict "));
        Content {
            rows: self.sql(ordinal, CHECKSUM),
            schema: lines.collect::<Vec<_>>().join("\n"),
        }
    }

    /// Captures the database; answers the backup's file.
    #[track_caller]
    fn capture(&self, words: &[&str]) -> String {
        let reference = self.reference();
        let output = self
            .platform
            .vd([&["pg:backups:capture", &reference[..], "--follow"], words].concat());
        assert_eq!(output.status, 0, "{output:?}");
        let (before, _) = output.stdout.rsplit_once(".dump").expect("a file's name");
        let name = before.rsplit(['(', '/', ' ']).next().expect("a name");
        format!("{name}.dump")
    }

    fn restore(&self, words: &[&str]) -> CliOutput {
        let reference = self.reference();
        self.platform
            .vd([&["pg:backups:restore", &reference[..], "--yes"], words].concat())
    }

    #[track_caller]
    fn restore_ok(&self, words: &[&str]) -> String {
        let output = self.restore(words);
        assert_eq!(output.status, 0, "{output:?}");
        output.stdout
    }

    /// A restore that must fail for that reason and leave no container running.
    #[track_caller]
    fn restore_fails(&self, words: &[&str], reason: &str) -> String {
        let output = self.restore(words);
        let said = format!("{}{}", output.stdout, output.stderr);
        assert!(
            output.status != 0 && said.contains(reason),
            "expected {reason:?}, got {output:?}"
        );
        said
    }

    /// The container of the restore that was started last, once it said that.
    #[track_caller]
    fn restoring(&self, words: &str) -> String {
        eventually(20, "a restore that says so", || {
            let filter = format!("name={}-db-restore-", self.scope);
            let names = docker_ok(&["ps", "--filter", &filter, "--format", "{{.Names}}"]);
            let name = names.lines().next().ok_or("no container")?.to_owned();
            let log = docker_ok(&["logs", &name]);
            holds(log.contains(words), || log).map(|()| name)
        })
    }
}
