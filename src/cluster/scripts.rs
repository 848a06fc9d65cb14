//! Pods that run the script of an older version of the plugin. They cannot read every record that is
//! written today, so nothing is asked of them.

use crate::cluster::Cluster;
use crate::cluster::survey::{PodReport, State, Survey};
use crate::docker::container::Container;
use crate::docker::engine::Docker;
use crate::expand::{ENTRYPOINT, RECORD_FORMAT};
use crate::model::ordinal::Ordinal;
use crate::model::refusal::{Refusal, Result};

/// The older plugin runs a script of the same name, and knows no cluster id; an earlier release of
/// this one says no format of the record, or another.
pub(super) fn is_todays(container: &Container) -> bool {
    let command = container.command.as_deref().unwrap_or_default();
    !container.cluster_id.is_empty()
        && container.record_format == RECORD_FORMAT
        && command.iter().any(|word| word == ENTRYPOINT)
}

/// What is said of such a pod, everywhere.
pub(super) fn older(container: &str) -> String {
    format!("{container} was started by an older version of the plugin")
}

/// Refuses when there is one, without asking any server.
pub(crate) fn check_all(cluster: &Cluster, docker: Docker<'_>) -> anyhow::Result<()> {
    let pods = Ordinal::all(cluster.deployed.replicas);
    let names: Vec<_> = pods.map(|pod| cluster.reference.container(pod)).collect();
    let containers = docker.inspect(&names)?;
    let older = containers.iter().find(|it| !is_todays(it));
    older.map_or(Ok(()), |it| Err(refusal(&it.name).into()))
}

impl Survey {
    /// Refuses when one of the pods runs such a script.
    pub(crate) fn check_scripts(&self) -> Result<()> {
        self.pods.iter().try_for_each(PodReport::check_script)
    }
}

impl PodReport {
    /// Refuses when this pod runs such a script.
    pub(crate) fn check_script(&self) -> Result<()> {
        if self.is_ours || self.state == State::Absent {
            return Ok(());
        }
        Err(refusal(&self.container))
    }
}

fn refusal(container: &str) -> Refusal {
    Refusal::new(
        format!("pod {}", older(container)),
        "nothing was changed; apply the cluster's block once with this version: vd apply -f <file>",
    )
}
