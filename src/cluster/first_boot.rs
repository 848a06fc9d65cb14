//! A cluster that was applied a moment ago: its pods, its directory and its record come into being
//! within seconds, and a command that was typed right after it waits for them.

use std::thread;
use std::time::{Duration, Instant};

use crate::cluster::Cluster;
use crate::docker::engine::Docker;
use crate::docker::runner::Failure;
use crate::model::refusal::Refusal;
use crate::postgres::psql::Psql;
use crate::wire::deployed_spec::Backups;

/// A first boot takes five seconds on a slow machine, and the platform starts the pod after it has
/// answered.
const PATIENCE: Duration = Duration::from_secs(15);
const PAUSE: Duration = Duration::from_millis(250);

impl Cluster {
    /// Waits until there is a record and the primary accepts sessions, as long as nothing but time
    /// is missing for that. What else is missing is for the next question to say.
    pub(crate) fn await_first_boot(&mut self, docker: Docker<'_>) -> anyhow::Result<()> {
        let until = Instant::now() + PATIENCE;
        while Instant::now() < until && self.is_coming(docker)? {
            thread::sleep(PAUSE);
            self.reread_record()?;
        }
        Ok(())
    }

    fn is_coming(&self, docker: Docker<'_>) -> anyhow::Result<bool> {
        let primary = self.recorded_primary();
        let pods = docker.pods(&self.reference)?;
        let pod = pods.iter().find(|pod| pod.ordinal == primary);
        let is_new = self.record.is_none() && matches!(self.deployed.backups, Backups::Host(_));
        Ok(match pod.map(|pod| &pod.state[..]) {
            None | Some("created") => is_new,
            Some("running") => is_new || self.is_starting(docker),
            Some(_) => false,
        })
    }

    fn is_starting(&self, docker: Docker<'_>) -> bool {
        let container = self.reference.container(self.recorded_primary());
        let psql = Psql::new(docker, &container, self.login());
        let answer = psql.ask("SELECT 1");
        answer.is_err_and(|failure| !failure.timed_out())
    }

    /// What a server answered, or that it does not let the plugin in. Where docker itself is the
    /// trouble, its own words say more.
    pub(crate) fn answered<T>(
        &self,
        container: &str,
        answer: Result<T, Failure>,
    ) -> anyhow::Result<T> {
        answer.map_err(|failure| match failure.next() {
            Some(_) => failure.into(),
            None => Refusal::new(
                format!("pod {container} does not accept sessions: {failure}"),
                format!(
                    "nothing was changed; run this again when vd pg:info {} says that all is well",
                    self.reference
                ),
            )
            .into(),
        })
    }
}
