//! What is looked at every few rounds: that backups restore, and that logs keep secrets.

use std::collections::BTreeSet;
use std::thread;
use std::time::{Duration, Instant};

use crate::check::{ROWS, by_writer};
use crate::found::{Checked, ensure};
use crate::jobs::Dump;
use crate::outside::{bounded, state};
use crate::subject::Subject;
use crate::support::docker;

impl Subject {
    /// No password in what the pods and jobs wrote.
    pub fn logs_keep_secrets(&self) -> Checked {
        let filter = format!("name=^{}-", self.cluster.scope);
        let listed = docker(&["ps", "-a", "--filter", &filter, "--format", "{{.Names}}"]);
        for container in String::from_utf8_lossy(&listed.stdout).lines() {
            let output = docker(&["logs", container]);
            let texts = [output.stdout, output.stderr]
                .map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
            self.look_for_secrets(&format!("docker logs {container}"), &[&texts[0], &texts[1]]);
        }
        let leaks = self
            .ledger
            .lock()
            .map(|ledger| ledger.leaks.clone())
            .unwrap_or_default();
        ensure(leaks.is_empty(), || format!("a password is in {leaks:?}"))
    }

    /// A dump that is listed as complete has every row that was acknowledged before it was begun, and
    /// nothing stands in the way of its restore.
    pub fn restores(&self, dump: &Dump, acknowledged: &[BTreeSet<u64>]) -> Checked {
        let scratch = self.scratch()?;
        let name = dump.path.file_name().unwrap_or_default().to_string_lossy();
        let script = format!(
            "cd / && dropdb -U postgres --if-exists soak && createdb -U postgres soak && \
             pg_restore -U postgres --exit-on-error --no-owner --no-privileges -d soak '/dumps/{name}' && \
             psql -U postgres -d soak -XAtqc \"{ROWS}\""
        );
        let restored = bounded(90, &["docker", "exec", &scratch, "bash", "-c", &script]);
        let there = by_writer(&restored.map_err(|error| {
            format!("{name} is listed as complete, and does not restore: {error}")
        })?);
        for (number, (expected, there)) in acknowledged.iter().zip(&there).enumerate() {
            let missing: Vec<_> = expected.difference(there).take(3).collect();
            ensure(missing.is_empty(), || {
                let count = expected.difference(there).count();
                format!(
                    "{name} lacks {count} rows of writer {} that were acknowledged before it was begun, such as {missing:?}",
                    number + 1
                )
            })?;
        }
        Ok(())
    }

    /// A server beside the cluster, for restores.
    fn scratch(&self) -> Checked<String> {
        let name = format!("{}-scratch", self.cluster.scope);
        if state(&name).0 != "running" {
            docker(&["rm", "-f", "-v", &name]);
            let (scope, dumps) = (
                format!("voodu.scope={}", self.cluster.scope),
                format!("{}:/dumps:ro", self.cluster.backups().display()),
            );
            let image = format!("postgres:{}", self.cluster.plan.major);
            let run = [
                "run",
                "-d",
                "--name",
                &name,
                "--label",
                "createdby=voodu",
                "--label",
                &scope,
                "--network",
                "none",
                "-e",
                "POSTGRES_HOST_AUTH_METHOD=trust",
                "-v",
                &dumps,
                &image,
                "-c",
                "fsync=off",
            ];
            ensure(self.docker(&run), || {
                "the scratch server does not start".to_owned()
            })?;
        }
        let until = Instant::now() + self.patience(30);
        // The temporary server of the first boot listens on no address.
        while bounded(
            5,
            &[
                "docker",
                "exec",
                &name,
                "pg_isready",
                "-q",
                "-h",
                "127.0.0.1",
            ],
        )
        .is_err()
        {
            ensure(Instant::now() < until, || {
                "the scratch server does not answer".to_owned()
            })?;
            thread::sleep(Duration::from_millis(200));
        }
        Ok(name)
    }
}
