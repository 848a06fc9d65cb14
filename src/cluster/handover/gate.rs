//! Whether a pod may become the primary, and by which way: from facts to a plan, without doing or
//! asking anything.

use std::path::Path;
use std::time::Duration;

use crate::cluster::handover::effects::Effects;
use crate::cluster::handover::needs::hand_over;
use crate::cluster::handover::standing::{Obstacle, Standby, not_running};
use crate::cluster::remains::Remains;
use crate::cluster::room::Rooms;
use crate::cluster::survey::{PodReport, State as Container, Survey};
use crate::model::age::since;
use crate::model::byte_size::ByteSize;
use crate::model::lsn::Lsn;
use crate::model::ordinal::Ordinal;
use crate::model::refusal::{Refusal, Result};
use crate::model::resource_ref::ResourceRef;
use crate::model::topology_record::{State, TopologyRecord};

/// The pods take a step of a handover, or end it, within 20 s, as long as one of the two lives.
const STEP: Duration = Duration::from_secs(30);

/// What the operator wants.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wish {
    pub(crate) target: Ordinal,
    /// How far behind the target may be, in bytes.
    pub(crate) max_lag: ByteSize,
    /// Take over from a primary that cannot hand over, whatever it alone has.
    pub(crate) force: bool,
    /// Pass over a standby that has more than the target.
    pub(crate) allow_lag: bool,
    /// Leave the applications running when their URLs change.
    pub(crate) no_restart: bool,
}

/// What is known at that moment.
#[derive(Clone, Copy)]
pub(crate) struct Facts<'a> {
    pub(crate) cluster: &'a ResourceRef,
    pub(crate) record: Option<&'a TopologyRecord>,
    /// How long ago the record was changed.
    pub(crate) record_age: Option<Duration>,
    pub(crate) survey: &'a Survey,
    pub(crate) rooms: &'a Rooms,
    /// What the volumes hold, where that was looked at.
    pub(crate) remains: &'a Remains,
    /// Whether the request of the maintenance in the record is there.
    pub(crate) is_requested: bool,
    /// Another cluster's record, in the place of this one's.
    pub(crate) foreign: Option<&'a Path>,
}

/// How the target becomes the primary.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// It already is, as far as the record goes.
    Finish,
    /// A handover to it was begun before.
    Resume,
    /// The primary stops and hands over; the target lacks that many bytes now.
    HandOver { behind: u64 },
    /// The primary cannot hand over, for that reason. What the target lacks is lost, as far as it
    /// is known.
    TakeOver { why: String, lost: Option<u64> },
    /// The recorded primary, that pod, has no data any more, and the target's server does not run.
    BringBack { lost: Ordinal },
    /// No record says who is primary.
    Establish,
    /// A restore that does not count yet is ended.
    EndMaintenance,
}

/// A way, and what the operator should know of the pods that have no part in it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Plan {
    pub(crate) way: Way,
    pub(crate) notes: Vec<String>,
    pub(crate) effects: Effects,
}

/// Decides; a refusal names the pod, the reason and the next command.
pub(crate) fn plan(facts: Facts<'_>, wish: &Wish) -> Result<Plan> {
    let way = facts.way(wish)?;
    let notes = match way {
        Way::Resume if wish.force => [facts.notes(wish), facts.passed_over(wish)].concat(),
        Way::Finish | Way::Resume => Vec::new(),
        Way::BringBack { .. } | Way::Establish | Way::EndMaintenance => facts.fuller_volumes(wish),
        Way::HandOver { .. } => facts.notes(wish),
        Way::TakeOver { .. } => [facts.notes(wish), facts.passed_over(wish)].concat(),
    };
    let effects = match facts.record {
        Some(record) if !matches!(way, Way::Finish | Way::BringBack { .. }) => {
            facts.effects(record.primary, &way, wish)
        }
        _ => Effects::default(),
    };
    Ok(Plan {
        way,
        notes,
        effects,
    })
}

impl<'a> Facts<'a> {
    fn way(self, wish: &Wish) -> Result<Way> {
        self.check_range(wish.target)?;
        let Some(record) = self.record else {
            return self.establish(wish);
        };
        match &record.state {
            State::Maintenance if wish.force => return self.end_maintenance(record.primary, wish),
            State::Maintenance => return Err(self.in_maintenance(wish)),
            State::Handover { target, .. } if *target == wish.target => {
                self.check_resumed(record.primary, wish)?;
                return Ok(Way::Resume);
            }
            State::Handover { target, .. } => {
                self.check_abandoned(record.primary, *target, wish)?;
            }
            State::Steady if record.primary == wish.target => return Ok(Way::Finish),
            State::Steady => {}
        }
        self.survey.check_scripts()?;
        self.check_pulses(record.primary, wish)?;
        if let Some(way) = self.bring_back(record.primary, wish)? {
            return Ok(way);
        }
        let standby = self.standby(record.primary, wish.target)?;
        self.check_single_primary(record.primary)?;
        let way = self.by_primary(record, &standby, wish)?;
        self.check_room(record.primary, &way, wish)?;
        self.check_sync(record.primary, &way, wish)?;
        Ok(way)
    }

    fn check_range(self, target: Ordinal) -> Result<()> {
        let (cluster, pods) = (self.cluster, self.survey.pods.len());
        if pods < 2 {
            return Err(Refusal::new(
                format!("{cluster}: has one pod, and so no standby that could be promoted"),
                "set replicas = 2 or more in the block, and apply it",
            ));
        }
        if self.survey.pod(target).is_none() {
            return Err(Refusal::new(
                format!("{cluster}: there is no pod {target}, the cluster has {pods} pods"),
                format!("use a number from 0 to {}", pods - 1),
            ));
        }
        Ok(())
    }

    /// Only where every pod waits for a record: there, no primary runs.
    fn establish(self, wish: &Wish) -> Result<Way> {
        let cluster = self.cluster;
        if let Some(path) = self.foreign {
            return Err(Refusal::new(
                format!(
                    "{cluster}: {} is the record of another cluster",
                    path.display()
                ),
                "remove it if it was copied there: the pods write their own within 10 s",
            ));
        }
        if !wish.force {
            return Err(Refusal::new(
                format!("{cluster}: no record says who is primary yet"),
                match self.survey.nobody() {
                    None => "wait until the first boot of the cluster is complete (docker logs shows it)".to_owned(),
                    Some(proof) => format!("wait until the first boot of the cluster is complete (docker logs shows it); when every pod waits for a record, {}", proof.add_force()),
                },
            ));
        }
        self.survey.check_scripts()?;
        if let Some(pod) = self.survey.writable().next() {
            return Err(Refusal::new(
                format!(
                    "pod {} accepts writes, and writes the record itself",
                    pod.container
                ),
                "run the command again in a few seconds",
            ));
        }
        match self.survey.pod(wish.target) {
            Some(pod) if pod.state != Container::Running => Err(not_running(pod)),
            _ => {
                self.check_volumes(None, wish)?;
                Ok(Way::Establish)
            }
        }
    }

    /// A handover to another pod is given up only when neither of its pods acts any more.
    fn check_abandoned(self, primary: Ordinal, target: Ordinal, wish: &Wish) -> Result<()> {
        let (cluster, wanted) = (self.cluster, wish.target);
        let see = format!("see how it ends: vd pg:promote {cluster} --replica {target}");
        let is_young = self.record_age.is_some_and(|age| age < STEP);
        if is_young || wanted == primary {
            return Err(Refusal::new(
                format!("{cluster}: pod {primary} is handing over to pod {target} at this moment"),
                see,
            ));
        }
        if !wish.force {
            let gone = |pod| self.survey.pod(pod).and_then(PodReport::gone);
            let forced = gone(primary).and(gone(target));
            let forced = forced.map(|proof| proof.forced(cluster, wanted));
            return Err(Refusal::new(
                format!(
                    "{cluster}: pod {primary} was to hand over to pod {target}, and nothing has happened for {}",
                    since(self.record_age)
                ),
                match forced {
                    Some(forced) => format!("{see}; when both pods are gone for good: {forced}"),
                    None => format!("{see}; another pod can take over once both do not run"),
                },
            ));
        }
        Ok(())
    }

    fn by_primary(
        self,
        record: &TopologyRecord,
        standby: &Standby<'a>,
        wish: &Wish,
    ) -> Result<Way> {
        let primary = record.primary;
        let (server, obstacle) = match self.primary(primary) {
            Ok(server) if server.system != standby.server.system => {
                return Err(standby.stranger(primary));
            }
            Ok(server) => match standby.connection(server) {
                Ok(connection) => return hand_over(&connection, wish, standby),
                Err(obstacle) => (Some(server), obstacle),
            },
            Err(obstacle) => (None, obstacle),
        };
        if !wish.force {
            return Err(self.without_a_handover(primary, obstacle, wish.target));
        }
        self.check_ahead(primary, standby, &obstacle, wish)?;
        let why = obstacle.why().to_owned();
        let end = server.and_then(|server| server.written);
        let end = end.or_else(|| stopped_at(record));
        let lost = end.and_then(|end| Some(end.bytes_since(standby.server.reached()?)));
        Ok(Way::TakeOver { why, lost })
    }
}

impl Facts<'_> {
    fn without_a_handover(self, primary: Ordinal, obstacle: Obstacle, target: Ordinal) -> Refusal {
        let cluster = self.cluster;
        match obstacle {
            Obstacle::Certain(proof) => Refusal::new(
                format!(
                    "pod {primary} cannot hand over to pod {target}: {}",
                    proof.why()
                ),
                format!(
                    "put that right and run this again; or give up what only pod {primary} has: {}",
                    proof.forced(cluster, target)
                ),
            ),
            Obstacle::Unknown { why, next } => Refusal::new(
                format!(
                    "it is not known whether pod {primary} can hand over to pod {target}: {why}"
                ),
                format!("{next}; then run this again"),
            ),
        }
    }
}

/// Where the primary's commits end, when it was shut down for a handover.
fn stopped_at(record: &TopologyRecord) -> Option<Lsn> {
    match &record.state {
        State::Handover { stopped_at, .. } => stopped_at.as_ref()?.parse().ok(),
        State::Steady | State::Maintenance => None,
    }
}

#[cfg(test)]
#[path = "gate_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "ahead_tests.rs"]
mod ahead;

#[cfg(test)]
#[path = "unknown_tests.rs"]
mod unknown;
