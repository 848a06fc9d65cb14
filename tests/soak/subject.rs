//! A cluster that is soaked: how it is brought up, asked and looked at.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use voodu_standin::cli::CliOutput;

use crate::disks::Disks;
use crate::found::{Checked, ensure};
use crate::journal::Journal;
use crate::ledger::Ledger;
use crate::outside::{bounded, crowd};
use crate::step::{Role, Which};
use crate::support::{Cluster, Plan, docker};
use crate::watch::Watch;

pub struct Subject {
    pub which: Which,
    pub cluster: Cluster,
    /// How many pods the last apply asked for.
    pub replicas: AtomicU16,
    pub ledger: Mutex<Ledger>,
    pub watch: Watch,
    pub journal: Arc<Journal>,
    /// How much slower than a quick machine this one is.
    pub slowness: f64,
    /// The last restore's words, which are to be repeated when a maintenance does not end.
    pub last_restore: Mutex<Vec<String>>,
    pub secrets: Mutex<BTreeSet<String>>,
    /// The dumps that standbys made.
    pub of_standbys: Mutex<BTreeSet<String>>,
    pub disks: Option<Disks>,
}

const SMALL: &str = "pg_config = { wal_keep_size = \"64MB\", max_wal_size = \"64MB\" }";
const TABLES: &str = "
CREATE TABLE soak_rows (writer int, id bigint, PRIMARY KEY (writer, id));
CREATE TABLE soak_counts (writer int PRIMARY KEY, n bigint);
INSERT INTO soak_counts VALUES (1, 0), (2, 0);";

impl Subject {
    /// Brings a cluster up, with its application.
    pub fn up(which: Which, major: u16, journal: &Arc<Journal>) -> Checked<Self> {
        let begun = Instant::now();
        let replicas = if which == Which::Three { 3 } else { 2 };
        let plan = Plan {
            major,
            replicas,
            probes: true,
            block: if which == Which::Two {
                SMALL.to_owned()
            } else {
                String::new()
            },
            ..Plan::default()
        };
        let cluster = Cluster::new(plan).ok_or("there is no docker")?;
        let disks = (which == Which::Two)
            .then(|| Disks::mount(&cluster))
            .transpose()?;
        cluster.apply();
        wait_until_formed(&cluster)?;
        for statement in TABLES
            .split(';')
            .map(str::trim)
            .filter(|text| !text.is_empty())
        {
            cluster.try_sql(0, statement)?;
        }
        // Five seconds where nothing else runs.
        let slowness = (begun.elapsed().as_secs_f64() / 8.0).clamp(1.0, 4.0);
        let folder = folder(&cluster);
        fs::create_dir_all(&folder).map_err(|error| error.to_string())?;
        let subject = Self {
            which,
            replicas: AtomicU16::new(replicas),
            ledger: Mutex::new(Ledger::new(&folder)),
            watch: Watch::start(&cluster),
            cluster,
            journal: Arc::clone(journal),
            slowness,
            last_restore: Mutex::default(),
            secrets: Mutex::default(),
            of_standbys: Mutex::default(),
            disks,
        };
        subject.start_application(&folder)?;
        Ok(subject)
    }

    fn start_application(&self, folder: &Path) -> Checked {
        let (scope, major) = (&self.cluster.scope, self.cluster.plan.major);
        let script = folder.join("client.sh");
        let written = fs::write(&script, include_str!("client.sh"));
        written.map_err(|error| format!("{}: {error}", script.display()))?;
        let block = format!(
            "deployment \"{scope}\" \"app\" {{\n image = \"postgres:{major}\"\n command = [\"bash\", \"/client.sh\"]\n \
             volumes = [\"{}:/client.sh:ro\", \"{}:/soak\"]\n}}\n",
            script.display(),
            folder.display()
        );
        let applied = self.cluster.platform.apply_hcl(&block);
        applied.map_err(|error| error.to_string())?;
        let linked = self.link();
        ensure(linked.status == 0, || format!("{linked:?}"))
    }

    pub fn link(&self) -> CliOutput {
        self.vd(&["pg:link", &self.reference(), &self.application(), "--reads"])
    }

    pub fn reference(&self) -> String {
        format!("{}/db", self.cluster.scope)
    }

    pub fn application(&self) -> String {
        format!("{}/app", self.cluster.scope)
    }

    /// Where the application notes what it was told.
    pub fn folder(&self) -> PathBuf {
        folder(&self.cluster)
    }

    /// A time that a quick machine needs, on this one.
    pub fn patience(&self, seconds: u64) -> Duration {
        Duration::from_secs(seconds).mul_f64(self.slowness.max(crowd()))
    }

    /// Runs a line of the CLI.
    pub fn vd(&self, words: &[&str]) -> CliOutput {
        let begun = Instant::now();
        let output = self.cluster.platform.vd(words);
        let took = begun.elapsed().as_secs_f64();
        self.journal.note(format!(
            "{} $ vd {}\n    exit {} after {took:.1} s\n{}{}",
            self.cluster.scope,
            words.join(" "),
            output.status,
            output.stdout,
            output.stderr
        ));
        self.look_for_secrets(
            &format!("vd {}", words.join(" ")),
            &[&output.stdout, &output.stderr],
        );
        output
    }

    /// Runs a command of the plugin on this cluster.
    pub fn pg(&self, command: &str, words: &[&str]) -> CliOutput {
        let (command, reference) = (format!("pg:{command}"), self.reference());
        self.vd(&[&[&command[..], &reference], words].concat())
    }

    /// Every password that the cluster has had; a leak is kept for the end of the round.
    pub fn look_for_secrets(&self, place: &str, texts: &[&str]) {
        let bucket = self.cluster.platform.bucket(&self.cluster.scope, "db");
        let Ok(mut secrets) = self.secrets.lock() else {
            return;
        };
        for key in ["POSTGRES_PASSWORD", "POSTGRES_REPLICATION_PASSWORD"] {
            secrets.extend(bucket.get(key).filter(|value| value.len() > 8).cloned());
        }
        let leaks = texts
            .iter()
            .any(|text| secrets.iter().any(|secret| text.contains(secret)));
        if leaks && let Ok(mut ledger) = self.ledger.lock() {
            ledger.leaks.push(place.to_owned());
        }
    }

    /// The block, with another number of pods.
    pub fn apply(&self, replicas: u16) -> Checked<Vec<String>> {
        let whole = format!("replicas = {}", self.cluster.plan.replicas);
        let block = self
            .cluster
            .hcl()
            .replace(&whole, &format!("replicas = {replicas}"));
        let report = self
            .cluster
            .platform
            .apply_hcl(&block)
            .map_err(|error| format!("{error:#}"));
        self.journal.note(format!(
            "{} apply with {replicas} pods: {:?}",
            self.cluster.scope,
            report.as_ref().map(|report| &report.changes)
        ));
        let changes = report?.changes;
        self.replicas.store(replicas, Ordering::SeqCst);
        Ok(changes.errors)
    }

    pub fn pods(&self) -> std::ops::Range<u16> {
        0..self.replicas.load(Ordering::SeqCst)
    }

    /// The recorded primary; where there is no record, the pod that accepts writes.
    pub fn primary(&self) -> Option<u16> {
        let record = self.cluster.record();
        let line = record
            .lines()
            .find_map(|line| line.strip_prefix("primary="));
        line.and_then(|number| number.parse().ok()).or_else(|| {
            self.pods()
                .find(|pod| self.sql(*pod, "SELECT pg_is_in_recovery()").as_deref() == Ok("f"))
        })
    }

    /// The pod that has a role at this moment.
    pub fn pod(&self, role: Role) -> u16 {
        let primary = self.primary().unwrap_or(0);
        let mut standbys = self.pods().filter(|pod| *pod != primary);
        match role {
            Role::Primary => Some(primary),
            Role::First => standbys.next(),
            Role::Second => standbys.next_back(),
        }
        .unwrap_or(primary)
    }

    /// Asks a pod over its socket, and waits 5 s at the most.
    pub fn sql(&self, pod: u16, sql: &str) -> Checked<String> {
        let pod = self.cluster.pod(pod);
        let psql = [
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
        ];
        bounded(5, &[&["docker", "exec", &pod], &psql[..]].concat())
    }

    pub fn docker(&self, words: &[&str]) -> bool {
        let output = docker(words);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        self.journal.note(format!(
            "{} $ docker {} {said}",
            self.cluster.scope,
            words.join(" ")
        ));
        output.status.success()
    }
}

/// With more time than other tests give: this one also runs on a machine that is busy.
fn wait_until_formed(cluster: &Cluster) -> Checked {
    let until = Instant::now() + Duration::from_secs(240);
    let others = usize::from(cluster.plan.replicas) - 1;
    loop {
        let streaming = cluster.streaming_from(0);
        if streaming.as_ref().is_ok_and(|names| names.len() == others) {
            return Ok(());
        }
        ensure(Instant::now() < until, || {
            format!("{} does not form: {streaming:?}", cluster.scope)
        })?;
        std::thread::sleep(Duration::from_millis(200));
    }
}

fn folder(cluster: &Cluster) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR"))
        .join(&cluster.scope)
        .join("soak")
}

impl Drop for Subject {
    fn drop(&mut self) {
        self.watch.stop();
        // The disks cannot be taken away under containers.
        let _ = self.cluster.platform.sweep();
        self.disks.take();
    }
}
