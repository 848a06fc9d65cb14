//! Clients of a cluster that go on through everything, and what they saw.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use super::docker::{docker, docker_ok};
use super::{Cluster, eventually, holds};

const SCRIPT: &str = "tests/e2e/support/load.sh";

/// A writer, and for each pod one who tries to write and one who reads, in one container.
pub struct Load<'a> {
    cluster: &'a Cluster,
    container: String,
}

/// What they saw, in seconds since 1970.
pub struct Seen {
    /// When each number was acknowledged, in order.
    acknowledged: Vec<(f64, u64)>,
    /// When a pod accepted a write.
    accepted: Vec<(f64, u16)>,
    /// For each pod, when a reader's session broke off.
    pub dropped: Vec<Vec<f64>>,
}

impl<'a> Load<'a> {
    /// Starts the clients, and waits until the first write was acknowledged.
    pub fn start(cluster: &'a Cluster) -> Self {
        cluster.sql(
            cluster.primary(),
            "CREATE TABLE load (n bigint PRIMARY KEY)",
        );
        let container = format!("{}-load", cluster.scope);
        let image = format!("postgres:{}", cluster.plan.major);
        let password = format!(
            "PGPASSWORD={}",
            cluster.platform.bucket(&cluster.scope, "db")["POSTGRES_PASSWORD"]
        );
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join(SCRIPT);
        docker_ok(&[
            "create",
            "--name",
            &container,
            "--network",
            "voodu0",
            "-e",
            &password,
            &image,
            "sleep",
            "infinity",
        ]);
        docker_ok(&[
            "cp",
            script.to_str().expect("a path"),
            &format!("{container}:/load.sh"),
        ]);
        docker_ok(&["start", &container]);
        let load = Self { cluster, container };
        let pods: Vec<_> = (0..cluster.plan.replicas).collect();
        load.client("write", &pods, "target_session_attrs=read-write", "writer");
        for pod in pods {
            load.client("probe", &[pod], "", &format!("probe-{pod}"));
            load.client("read", &[pod], "", &format!("reader-{pod}"));
        }
        load.await_writes(5);
        load
    }

    fn client(&self, what: &str, pods: &[u16], more: &str, log: &str) {
        let host = |pod: &u16| format!("db-{pod}.{}.voodu", self.cluster.scope);
        let hosts: Vec<_> = pods.iter().map(host).collect();
        let conninfo = format!(
            "host={} port=5433 user=appuser dbname=appdata {more}",
            hosts.join(",")
        );
        let script = format!("exec bash /load.sh \"$1\" \"$2\" >/tmp/{log} 2>/tmp/{log}.errors");
        docker_ok(&[
            "exec",
            "-d",
            &self.container,
            "bash",
            "-c",
            &script,
            "bash",
            what,
            &conninfo,
        ]);
    }

    fn log(&self, name: &str) -> String {
        docker_ok(&["exec", &self.container, "cat", &format!("/tmp/{name}")])
    }

    fn hostname(&self, pod: u16) -> String {
        docker_ok(&[
            "inspect",
            "-f",
            "{{.Config.Hostname}}",
            &self.cluster.pod(pod),
        ])
    }

    /// How many writes were acknowledged so far.
    pub fn count(&self) -> usize {
        self.log("writer").lines().count()
    }

    /// Waits until so many more writes were acknowledged.
    #[track_caller]
    pub fn await_writes(&self, more: usize) {
        let before = self.count();
        eventually(60, "writes", || {
            let now = self.count();
            holds(now >= before + more, || format!("{now} after {before}"))
        });
    }

    /// Ends the clients.
    pub fn stop(self) -> Seen {
        docker_ok(&["exec", &self.container, "touch", "/tmp/stop"]);
        std::thread::sleep(Duration::from_millis(300));
        let pods = 0..self.cluster.plan.replicas;
        let names: Vec<_> = pods.clone().map(|pod| self.hostname(pod)).collect();
        let probes = pods.clone().map(|pod| self.log(&format!("probe-{pod}")));
        let probes: String = probes.map(|log| log + "\n").collect();
        let accepted = probes.lines().filter_map(|line| {
            let (time, name) = line.split_once(' ')?;
            let pod = names.iter().position(|known| known == name)?;
            Some((time.parse().ok()?, u16::try_from(pod).ok()?))
        });
        let writes = self.log("writer");
        let writes = writes.lines().filter_map(|line| {
            let (time, number) = line.split_once(' ')?;
            Some((time.parse().ok()?, number.parse().ok()?))
        });
        Seen {
            acknowledged: writes.collect(),
            accepted: accepted.collect(),
            dropped: pods
                .map(|pod| {
                    self.log(&format!("reader-{pod}"))
                        .lines()
                        .filter_map(|line| line.parse().ok())
                        .collect()
                })
                .collect(),
        }
    }
}

impl Drop for Load<'_> {
    fn drop(&mut self) {
        docker(&["rm", "-f", &self.container]);
    }
}

impl Seen {
    /// How many writes were acknowledged.
    pub fn count(&self) -> usize {
        self.acknowledged.len()
    }

    /// Those that a pod does not have.
    pub fn lost(&self, cluster: &Cluster, pod: u16) -> BTreeSet<u64> {
        self.missing(&cluster.sql(pod, "SELECT n FROM load"))
    }

    fn missing(&self, rows: &str) -> BTreeSet<u64> {
        let there: BTreeSet<u64> = rows.lines().filter_map(|line| line.parse().ok()).collect();
        let acknowledged = self.acknowledged.iter().map(|(_, number)| *number);
        acknowledged
            .filter(|number| !there.contains(number))
            .collect()
    }

    /// Those that are not in a copy of a pod's data, made and looked at as the README says.
    pub fn lost_in_copy(&self, cluster: &Cluster, pod: u16) -> BTreeSet<u64> {
        let (copy, server) = (
            cluster.backups().join("old-primary"),
            format!("{}-old", cluster.scope),
        );
        let copy = copy.to_str().expect("a path");
        let data = format!("{}:/var/lib/postgresql/data/pgdata", cluster.pod(pod));
        docker_ok(&["cp", &data, copy]);
        let (volume, image) = (
            format!("{copy}:/copy"),
            format!("postgres:{}", cluster.plan.major),
        );
        let start =
            "chown -R postgres /copy; exec gosu postgres postgres -D /copy --config-file=/dev/null";
        docker_ok(&[
            "run",
            "-d",
            "--name",
            &server,
            "--network",
            "none",
            "-v",
            &volume,
            &image,
            "bash",
            "-c",
            start,
        ]);
        let there = eventually(30, "the copy's rows", || {
            let output = docker(&[
                "exec",
                &server,
                "psql",
                "-U",
                "appuser",
                "-d",
                "appdata",
                "-XAtc",
                "SELECT n FROM load",
            ]);
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            holds(output.status.success(), || said)?;
            Ok(String::from_utf8_lossy(&output.stdout).into_owned())
        });
        docker_ok(&["rm", "-f", &server]);
        self.missing(&there)
    }

    /// The longest time between two acknowledged writes.
    pub fn longest_gap(&self) -> Duration {
        let gaps = self
            .acknowledged
            .windows(2)
            .map(|pair| pair[1].0 - pair[0].0);
        Duration::from_secs_f64(gaps.fold(0.0, f64::max))
    }

    /// The pods that accepted writes, one turn after the other: two at once would take turns again
    /// and again.
    pub fn writers(&self) -> Vec<u16> {
        let mut accepted = self.accepted.clone();
        accepted.sort_by(|a, b| a.0.total_cmp(&b.0));
        let mut turns: Vec<u16> = accepted.into_iter().map(|(_, pod)| pod).collect();
        turns.dedup();
        turns
    }
}
