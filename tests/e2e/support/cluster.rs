//! One postgres cluster of a test, and questions to its pods.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::time::Duration;

use voodu_standin::{ApplyReport, Platform, Vars};

use super::docker::{docker, docker_ok};
use super::plugin::install_plugin;
use super::slot::Slot;
use super::{eventually, holds, leftovers};

/// What a test wants to differ from the usual cluster.
pub struct Plan {
    pub major: u16,
    pub replicas: u16,
    pub probes: bool,
    /// More lines of the block.
    pub block: String,
    /// The config bucket before the first apply.
    pub bucket: Vars,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            major: 17,
            replicas: 3,
            probes: false,
            block: String::new(),
            bucket: Vars::new(),
        }
    }
}

/// A cluster of `demo`-like shape whose names and port are all non-default.
pub struct Cluster {
    pub platform: Platform,
    pub scope: String,
    pub plan: Plan,
    pub(super) root: PathBuf,
    _slot: Slot,
}

impl Cluster {
    /// Brings a cluster up and waits until every standby streams. Gives nothing, loudly, where the
    /// run was told that there is no docker.
    pub fn up(plan: Plan) -> Option<Self> {
        let cluster = Self::new(plan)?;
        cluster.apply();
        cluster.wait_until_formed();
        Some(cluster)
    }

    /// Prepares a cluster without applying anything.
    pub fn new(plan: Plan) -> Option<Self> {
        if std::env::var("VOODU_E2E").is_ok_and(|value| value == "skip") {
            eprintln!(
                "!!! SKIPPED: this test needs docker, and the run was started without it !!!"
            );
            return None;
        }
        let slot = Slot::take();
        leftovers::remove();
        let scope = leftovers::fresh_scope();
        let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join(&scope);
        let platform = Platform::builder()
            .root(root.join("controller"))
            .plugin_dir(install_plugin(&root))
            .probes(plan.probes)
            .pause(Duration::from_millis(300))
            .env(
                "VOODU_BACKUPS_ROOT",
                root.join("backups").display().to_string(),
            )
            .cleanup_on_drop(true)
            .start()
            .expect("start the stand-in");
        platform
            .seed_bucket(&scope, "db", &plan.bucket)
            .expect("seed the bucket");
        Some(Self {
            platform,
            scope,
            plan,
            root,
            _slot: slot,
        })
    }

    /// The `.voodu` file's text.
    pub fn hcl(&self) -> String {
        format!(
            "postgres \"{}\" \"db\" {{\n image = \"postgres:{}\"\n replicas = {}\n user = \"appuser\"\n \
             database = \"appdata\"\n port = 5433\n replication_user = \"repl\"\n{}\n}}\n",
            self.scope, self.plan.major, self.plan.replicas, self.plan.block
        )
    }

    /// Applies the block as it is now.
    #[track_caller]
    pub fn apply(&self) -> ApplyReport {
        let report = self.try_apply().expect("apply");
        assert_eq!(report.changes.errors, Vec::<String>::new());
        report
    }

    pub fn try_apply(&self) -> anyhow::Result<ApplyReport> {
        self.platform.apply_hcl(&self.hcl())
    }

    /// The container of a pod.
    pub fn pod(&self, ordinal: u16) -> String {
        format!("{}-db.{ordinal}", self.scope)
    }

    /// The id of a pod's container, which a recreated pod does not keep.
    #[track_caller]
    pub fn container_id(&self, ordinal: u16) -> String {
        docker_ok(&["inspect", "-f", "{{.Id}}", &self.pod(ordinal)])
    }

    /// When a pod's container was last started.
    #[track_caller]
    pub fn started_at(&self, ordinal: u16) -> String {
        docker_ok(&["inspect", "-f", "{{.State.StartedAt}}", &self.pod(ordinal)])
    }

    /// Prints what the pods wrote to their logs, and the record.
    pub fn print_logs(&self) {
        for ordinal in 0..self.plan.replicas {
            eprintln!("---- log of pod {ordinal} ----\n{}", self.log(ordinal));
        }
        eprintln!("---- record ----\n{}", self.record());
    }

    /// What a pod wrote to its log.
    pub fn log(&self, ordinal: u16) -> String {
        let output = docker(&["logs", &self.pod(ordinal)]);
        [output.stdout, output.stderr]
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
            .concat()
    }

    /// Runs a bash script in a pod as the server's user.
    #[track_caller]
    pub fn as_postgres(&self, ordinal: u16, script: &str) {
        docker_ok(&[
            "exec",
            "-u",
            "postgres",
            &self.pod(ordinal),
            "bash",
            "-c",
            script,
        ]);
    }

    /// Runs a bash script on a pod's volume, which is `/v`, while the pod is down.
    #[track_caller]
    pub fn on_data(&self, ordinal: u16, script: &str) {
        let volume = format!("voodu-{}-db-data-{ordinal}:/v", self.scope);
        let run = [
            "run",
            "--rm",
            "-v",
            &volume,
            "postgres:17",
            "bash",
            "-c",
            script,
        ];
        docker_ok(&run);
    }

    /// Makes the tablespace `fast` in the volumes of two pods, the first of which is the primary.
    #[track_caller]
    pub fn add_tablespace(&self) {
        for pod in [0, 1] {
            self.as_postgres(pod, "mkdir /var/lib/postgresql/data/fast");
        }
        self.sql(
            0,
            "CREATE TABLESPACE fast LOCATION '/var/lib/postgresql/data/fast'",
        );
    }

    /// Runs SQL in a pod over its socket.
    pub fn try_sql(&self, ordinal: u16, sql: &str) -> Result<String, String> {
        let pod = self.pod(ordinal);
        let output = docker(&[
            "exec",
            &pod,
            "psql",
            "-XAtq",
            "-v",
            "ON_ERROR_STOP=1",
            "-p",
            "5433",
            "-U",
            "appuser",
            "-d",
            "appdata",
            "-c",
            sql,
        ]);
        said(&output)
    }

    /// Runs SQL that must succeed.
    #[track_caller]
    pub fn sql(&self, ordinal: u16, sql: &str) -> String {
        self.try_sql(ordinal, sql)
            .unwrap_or_else(|error| panic!("pod {ordinal}: {sql}: {error}"))
    }

    /// Logs in to a pod over the network from another container, as `user` with `password`.
    pub fn login(&self, ordinal: u16, user: &str, password: &str) -> Result<String, String> {
        let host = format!(
            "host=db-{ordinal}.{}.voodu port=5433 user={user} dbname=appdata",
            self.scope
        );
        let image = format!("postgres:{}", self.plan.major);
        let password = format!("PGPASSWORD={password}");
        let arguments = [
            "run",
            "--rm",
            "--network",
            "voodu0",
            "-e",
            &password,
            &image,
            "psql",
            "-XAtq",
            &host,
        ];
        said(&docker(
            &[&arguments[..], &["-c", "SELECT current_user"]].concat(),
        ))
    }

    /// Whether a pod is a standby (`t`) or a primary (`f`).
    pub fn in_recovery(&self, ordinal: u16) -> Result<String, String> {
        self.try_sql(ordinal, "SELECT pg_is_in_recovery()")
    }

    /// The standbys that stream from a pod, in the order of their names.
    pub fn streaming_from(&self, ordinal: u16) -> Result<Vec<String>, String> {
        let sql =
            "SELECT application_name FROM pg_stat_replication WHERE state = 'streaming' ORDER BY 1";
        let names = self.try_sql(ordinal, sql)?;
        Ok(names.lines().map(str::to_owned).collect())
    }

    /// Waits until pod 0 is the primary and every other pod streams from it.
    #[track_caller]
    pub fn wait_until_formed(&self) {
        self.wait_until_formed_around(0);
    }

    /// Waits until `primary` accepts writes and every other pod streams from it.
    #[track_caller]
    pub fn wait_until_formed_around(&self, primary: u16) {
        let standbys: Vec<String> = (0..self.plan.replicas)
            .filter(|ordinal| *ordinal != primary)
            .map(|ordinal| format!("voodu-postgres-standby-{ordinal}"))
            .collect();
        let formed = || {
            let role = self.in_recovery(primary)?;
            let streaming = self.streaming_from(primary)?;
            holds(role == "f" && streaming == standbys, || {
                format!("in recovery: {role}, streaming: {streaming:?}")
            })
        };
        let deadline = std::time::Instant::now() + Duration::from_secs(180);
        while let Err(reason) = formed() {
            if std::time::Instant::now() > deadline {
                let logs: Vec<_> = (0..self.plan.replicas).map(|n| self.log(n)).collect();
                panic!(
                    "the cluster did not form: {reason}\n{}",
                    logs.join("\n----\n")
                );
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// Waits until every standby has replayed what the primary has written by now.
    #[track_caller]
    pub fn wait_until_caught_up(&self, primary: u16) {
        let end = self.sql(primary, "SELECT pg_current_wal_lsn()");
        for standby in (0..self.plan.replicas).filter(|ordinal| *ordinal != primary) {
            eventually(30, "catching up", || {
                let sql = format!("SELECT pg_last_wal_replay_lsn() >= '{end}'");
                let answer = self.try_sql(standby, &sql)?;
                holds(answer == "t", || format!("pod {standby} is behind {end}"))
            });
        }
    }

    /// Waits until a pod accepts writes.
    #[track_caller]
    pub fn wait_until_primary(&self, ordinal: u16) {
        eventually(30, "a pod as the primary", || {
            let role = self.in_recovery(ordinal)?;
            holds(role == "f", || format!("pod {ordinal} in recovery: {role}"))
        });
    }

    /// Waits until a pod's log holds all of these.
    #[track_caller]
    pub fn wait_for_log(&self, ordinal: u16, words: &[&str]) {
        eventually(30, "the words in the log", || {
            let log = self.log(ordinal);
            let all = words.iter().all(|words| log.contains(words));
            holds(all, || format!("{words:?} in\n{log}"))
        });
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.print_logs();
        }
        // The stand-in removes containers and volumes; the backups directory holds files of the
        // container's users, which this process may remove as root only.
        let _ = self.platform.sweep();
        let _ = fs::remove_dir_all(&self.root);
    }
}

/// What a psql printed, or what it complained of.
fn said(output: &Output) -> Result<String, String> {
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout)
            .trim_end()
            .to_owned())
    } else {
        Err(String::from_utf8_lossy(&output.stderr)
            .trim_end()
            .to_owned())
    }
}
