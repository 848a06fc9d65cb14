//! The pods of a cluster as they run, one at a time.

use std::time::Duration;

use crate::cluster::Cluster;
use crate::docker::engine::Docker;
use crate::docker::runner::Failure;
use crate::model::ordinal::Ordinal;
use crate::postgres::psql::Psql;
use crate::postgres::server::STANDBY;

/// Only a server that accepts writes gives a number; assigning it is a write.
const WRITE: &str = "SELECT CASE WHEN NOT pg_is_in_recovery() THEN txid_current() END";

/// A cluster with the docker that it runs on.
#[derive(Clone, Copy)]
pub(crate) struct Members<'a> {
    pub(crate) cluster: &'a Cluster,
    pub(crate) docker: Docker<'a>,
}

impl Members<'_> {
    /// The name of a pod's container.
    pub(crate) fn container(&self, pod: Ordinal) -> String {
        self.cluster.reference.container(pod)
    }

    /// Docker's word for the state of a pod's container; `absent` without one.
    pub(crate) fn state(&self, pod: Ordinal) -> Result<String, Failure> {
        let names = [self.container(pod)];
        let found = self.docker.inspect(&names)?.pop();
        Ok(found.map_or_else(|| "absent".to_owned(), |container| container.state))
    }

    /// What a pod's server answers.
    pub(crate) fn ask(&self, pod: Ordinal, sql: &str) -> Result<String, Failure> {
        self.with(pod, |psql| psql.ask(sql))
    }

    /// The same, for statements that may take that long.
    pub(crate) fn ask_within(
        &self,
        pod: Ordinal,
        sql: &str,
        limit: Duration,
    ) -> Result<String, Failure> {
        self.with(pod, |psql| psql.patient(limit).ask(sql))
    }

    /// Whether a pod accepts a write at this moment.
    pub(crate) fn accepts_write(&self, pod: Ordinal) -> bool {
        self.ask(pod, WRITE).is_ok_and(|answer| !answer.is_empty())
    }

    /// Runs a checkpoint, which on a standby saves what it has replayed.
    pub(crate) fn checkpoint(&self, pod: Ordinal, limit: Duration) -> Result<(), Failure> {
        self.with(pod, |psql| psql.patient(limit).ask("CHECKPOINT").map(drop))
    }

    /// The end of what a primary has written.
    pub(crate) fn written(&self, primary: Ordinal) -> Result<String, Failure> {
        self.ask(primary, "SELECT pg_current_wal_lsn()")
    }

    /// The pods that stream from a primary and have what it had written by then. One that has more than it
    /// was sent has another history.
    pub(crate) fn following(
        &self,
        primary: Ordinal,
        written: &str,
    ) -> Result<Vec<Ordinal>, Failure> {
        let names = self.ask(
            primary,
            &format!(
                "SELECT application_name FROM pg_stat_replication WHERE state = 'streaming' AND flush_lsn >= '{written}' AND flush_lsn <= sent_lsn"
            ),
        )?;
        let ordinal = |name: &str| name.strip_prefix(STANDBY)?.parse().ok();
        Ok(names.lines().filter_map(ordinal).collect())
    }

    /// The last thing that a pod's script said in the last seconds with these words in it.
    pub(crate) fn last_words(&self, pod: Ordinal, seconds: u64, words: &str) -> Option<String> {
        let log = self.docker.recent_log(&self.container(pod), seconds).ok()?;
        let mut said = log.lines().filter_map(|line| line.strip_prefix("voodu: "));
        let line = said.rfind(|line| line.contains(words))?;
        Some(line.chars().filter(|c| !c.is_control()).take(200).collect())
    }

    fn with<T>(&self, pod: Ordinal, question: impl FnOnce(Psql<'_>) -> T) -> T {
        let container = self.container(pod);
        let login = self.cluster.login();
        question(Psql::new(self.docker, &container, login))
    }
}
