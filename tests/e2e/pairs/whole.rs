//! What is true of a whole cluster, asked of everything that takes part in it.

use super::{Step, Subject, docker, docker_ok, eventually, holds};

/// The content of the table, whatever a restore has made of it.
const ROWS: &str = "SELECT count(*) || ' ' || coalesce(sum(step), 0) FROM kept";

impl Subject {
    /// After the second command of a pair.
    #[track_caller]
    pub(super) fn look(&mut self, first: Option<Step>, second: Step) {
        if second == Step::PromoteForced {
            self.look_at_the_rest();
            return;
        }
        self.heal();
        let primary = self.cluster.primary();
        self.cluster.wait_until_formed_around(primary);
        self.one_pod_writes(primary);
        self.same_rows(primary);
        for application in ["always", "sometimes"] {
            self.logs_in(application, primary);
        }
        self.passfiles(primary);
        let record = self.cluster.record();
        assert!(
            record.contains("state=steady\n"),
            "{first:?}, {second:?}: {record}"
        );
        eventually(60, "info without a problem", || {
            let check = self.cluster.pg("info", &["--check"]);
            holds(check.status == 0, || {
                format!("{first:?}, then {second:?}: {}", check.stdout)
            })
        });
    }

    /// Right after a forced promotion: the old primary stands still and its data are kept, for the next
    /// command to find it so.
    #[track_caller]
    fn look_at_the_rest(&self) {
        let primary = self.cluster.primary();
        assert_eq!(self.cluster.in_recovery(primary).as_deref(), Ok("f"));
        self.logs_in("always", primary);
        assert!(self.cluster.record().contains("state=steady\n"));
    }

    #[track_caller]
    fn one_pod_writes(&self, primary: u16) {
        for pod in 0..self.cluster.plan.replicas {
            let expected = if pod == primary { "f" } else { "t" };
            assert_eq!(
                self.cluster.in_recovery(pod).as_deref(),
                Ok(expected),
                "pod {pod}"
            );
        }
    }

    #[track_caller]
    fn same_rows(&self, primary: u16) {
        let insert = format!("INSERT INTO kept VALUES ({})", self.count);
        self.cluster.sql(primary, &insert);
        self.cluster.wait_until_caught_up(primary);
        let rows = self.cluster.sql(primary, ROWS);
        for pod in 0..self.cluster.plan.replicas {
            assert_eq!(self.cluster.sql(pod, ROWS), rows, "pod {pod}");
        }
    }

    /// With the URLs in its config, over the network. It may be restarting with new ones.
    #[track_caller]
    fn logs_in(&self, application: &str, primary: u16) {
        let config = self
            .cluster
            .platform
            .bucket(&self.cluster.scope, application);
        for (variable, expected) in [("DATABASE_URL", "f"), ("DATABASE_READ_URL", "t")] {
            let Some(url) = config.get(variable) else {
                continue;
            };
            let container = format!("{}-{application}.0", self.cluster.scope);
            eventually(
                30,
                &format!("{application} logs in with its {variable}"),
                || {
                    let sql = "SELECT pg_is_in_recovery()";
                    let output = docker(&["exec", &container, "psql", url, "-XAtqc", sql]);
                    let [said, complaint] = [output.stdout, output.stderr]
                        .map(|text| String::from_utf8_lossy(&text).trim_end().to_owned());
                    // With its only standby left behind, a pod alone takes the reads too.
                    let reads_alone = expected == "t" && self.left.is_some();
                    holds(said == expected || reads_alone, || {
                        format!("{said} {complaint}")
                    })
                },
            );
        }
        let is_linked = config.contains_key("DATABASE_URL");
        assert!(is_linked || application != "always");
        let host = format!("@db-{primary}.{}.voodu:", self.cluster.scope);
        assert!(
            !is_linked || config["DATABASE_URL"].contains(&host),
            "pod {primary}"
        );
    }

    /// As a standby's WAL receiver does, with the password that the pod keeps.
    #[track_caller]
    fn passfiles(&self, primary: u16) {
        let server = format!(
            "host=db-{primary}.{}.voodu port=5433 user=repl dbname=appdata replication=true",
            self.cluster.scope
        );
        for pod in 0..self.cluster.plan.replicas {
            let name = self.cluster.pod(pod);
            let file = "/var/lib/postgresql/data/.voodu-passfile";
            // A pod that was never a standby and saw no rotation has none, and needs none yet.
            let script =
                "[ ! -e \"$1\" ] || PGPASSFILE=$1 exec psql -XAtqw \"$2\" -c IDENTIFY_SYSTEM";
            let words = [
                "exec", "-u", "postgres", &name, "sh", "-c", script, "sh", file, &server,
            ];
            docker_ok(&words);
        }
    }
}
