//! Whether the script of each pod acts on the record that lies on this host.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::thread;
use std::time::Duration;

use crate::cluster::Cluster;
use crate::cluster::heartbeat::{Heartbeat, HostClock};
use crate::cluster::survey::{PodReport, State, Survey};
use crate::docker::engine::Docker;
use crate::model::age::Age;
use crate::model::refusal::Refusal;

/// Heartbeats come every ten seconds, and a step that cannot leave one is short.
const LIMIT: Duration = Duration::from_secs(60);

/// A script that has just started leaves its first one within that time.
const START: Duration = Duration::from_secs(1);

/// Fails where `/backups` is not the directory with that device and inode; what cannot be asked is
/// not known to be another one.
const ELSEWHERE: &str = "seen=$(stat -c %d:%i /backups) && [ \"$seen\" != \"$1\" ]";

/// What is known of a pod's script.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Pulse {
    /// Its container does not run, or nobody can look.
    #[default]
    Unknown,
    Beats,
    /// Process 1 has left no heartbeat for that long, or none at all.
    Still(Option<Duration>),
    /// The pod sees another directory at `/backups` than the one that has that path on this host.
    Elsewhere,
}

impl Survey {
    /// Looks for each pod's heartbeat; where one is missing, for the directory that the pod sees.
    pub(super) fn take_pulses(&mut self, cluster: &Cluster, docker: Docker<'_>) {
        let deployed = &cluster.deployed;
        let Some(directory) = deployed.backups_dir() else {
            return;
        };
        if !self.pulses(cluster, directory) {
            thread::sleep(START);
            self.pulses(cluster, directory);
        }
        let Ok(there) = directory.metadata() else {
            return;
        };
        let identity = format!("{}:{}", there.dev(), there.ino());
        for pod in &mut self.pods {
            if let Pulse::Still(_) = pod.pulse {
                let question = ["sh", "-c", ELSEWHERE, "sh", &identity];
                if docker.succeeds(&pod.container, &question).unwrap_or(false) {
                    pod.pulse = Pulse::Elsewhere;
                }
            }
        }
    }

    /// Whether every script that should leave heartbeats does.
    fn pulses(&mut self, cluster: &Cluster, directory: &Path) -> bool {
        let Some(now) = HostClock::read() else {
            return true;
        };
        let mut all = true;
        for pod in &mut self.pods {
            if pod.state == State::Running && pod.is_ours {
                let id = &cluster.deployed.cluster_id;
                let beat = Heartbeat::read(directory, id, pod.ordinal);
                pod.pulse = Pulse::of(beat.as_ref(), &now);
                all &= pod.pulse == Pulse::Beats;
            }
        }
        all
    }
}

impl Pulse {
    fn of(beat: Option<&Heartbeat>, now: &HostClock) -> Self {
        match beat.and_then(|beat| beat.age(now)) {
            Some(age) if age <= LIMIT => Self::Beats,
            age => Self::Still(age),
        }
    }

    /// That nobody acts on the record there, when that is known, and what to do.
    pub(crate) fn problem(self, pod: &PodReport) -> Option<(String, String)> {
        let name = &pod.container;
        let (what, why) = match self {
            Self::Unknown | Self::Beats => return None,
            Self::Still(Some(age)) => (
                format!("the script of {name} has stood still for {}", Age(age)),
                "its process 1 does not act on the record",
            ),
            Self::Still(None) => (
                format!("the script of {name} stands still"),
                "its process 1 leaves no sign of life in the backups directory",
            ),
            Self::Elsewhere => (
                format!("{name} sees another backups directory than this host"),
                "the directory was replaced while the pod ran, and the pod acts on the record in the old one",
            ),
        };
        let next = match self {
            Self::Elsewhere => format!(
                "put the old directory back, or let the pod have the new one: docker restart {name}"
            ),
            _ => format!("docker restart {name}"),
        };
        Some((format!("{what}: {why}"), next))
    }

    /// The same, before a pod is needed.
    pub(crate) fn check(pod: &PodReport) -> Result<(), Refusal> {
        match pod.pulse.problem(pod) {
            None => Ok(()),
            Some((what, next)) => Err(Refusal::new(what, format!("{next}; then run this again"))),
        }
    }
}
