//! Another pod becomes the primary. The plugin asks for it in the record and the pods carry it
//! out; what the plugin then does is to watch, to stand in for an old primary that cannot act any
//! more, and to see that the cluster is whole again.
//!
//! Killed at any moment it leaves a record that the pods bring to an end, and running the same
//! command again goes on from there.

pub(crate) mod after;
mod ahead;
mod bring_back;
mod commit;
mod effects;
mod establish;
mod fence;
#[cfg(test)]
mod fixture;
pub(crate) mod gate;
mod inform;
pub(crate) mod journal;
pub(crate) mod needs;
pub(crate) mod report;
mod restoring;
mod scripts;
mod standing;
mod stopped;
mod take_over;
mod volumes;
mod watch;

use std::thread;
use std::time::{Duration, Instant};

use crate::cluster::handover::fence::Fenced;
use crate::cluster::handover::gate::{Plan, Way, Wish};
use crate::cluster::handover::journal::Journal;
use crate::cluster::maintenance::Maintenance;
use crate::cluster::members::Members;
use crate::cluster::record_write::{Change, RecordWriter, overtaken};
use crate::cluster::survey::Survey;
use crate::model::ordinal::Ordinal;
use crate::model::refusal::{Refusal, Result as Checked};
use crate::model::topology_record::TopologyRecord;

/// A checkpoint before the handover keeps the primary's shutdown short.
const CHECKPOINT: Duration = Duration::from_secs(8);

/// A standby that is well has a commit within milliseconds.
const ARRIVAL: Duration = Duration::from_secs(3);

/// One run of `promote`.
pub(crate) struct Handover<'a> {
    pub(crate) members: Members<'a>,
    pub(crate) writer: RecordWriter<'a>,
    pub(crate) journal: &'a Journal<'a>,
    pub(crate) wish: Wish,
    /// What the pods said when the promotion was decided on.
    pub(crate) survey: &'a Survey,
}

impl Handover<'_> {
    /// Carries a plan out, up to the record that names the target as the primary.
    pub(crate) fn carry_out(&self, plan: &Plan) -> anyhow::Result<()> {
        let record = self.members.cluster.record.as_ref();
        match (&plan.way, record) {
            (Way::HandOver { .. }, Some(record)) => {
                self.checkpoint_both(record.primary)?;
                self.check_arrival(record.primary)?;
                let begun = self.begin(record)?;
                self.see_through(&begun)
            }
            (Way::Resume, Some(record)) => self.see_through(record),
            (Way::TakeOver { .. }, Some(record)) => {
                let begun = self.begin(record)?;
                self.take_over(&begun)
            }
            (Way::Establish, _) => self.establish(),
            (Way::BringBack { .. }, Some(record)) => self.bring_back(record),
            (Way::EndMaintenance, Some(record)) => self.end_maintenance(record),
            (
                Way::Finish
                | Way::HandOver { .. }
                | Way::Resume
                | Way::TakeOver { .. }
                | Way::BringBack { .. }
                | Way::EndMaintenance,
                _,
            ) => Ok(()),
        }
    }

    fn checkpoint_both(&self, primary: Ordinal) -> anyhow::Result<()> {
        let (members, pods) = (self.members, [primary, self.wish.target]);
        let done = thread::scope(|scope| {
            let running = pods.map(|pod| scope.spawn(move || members.checkpoint(pod, CHECKPOINT)));
            running.map(|thread| {
                thread
                    .join()
                    .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            })
        });
        for (pod, done) in pods.into_iter().zip(done) {
            match done {
                Ok(()) => {}
                Err(failure) if failure.timed_out() => return Err(slow(pod).into()),
                Err(failure) => return Err(failure.into()),
            }
        }
        Ok(())
    }

    /// For as long as ten seconds the primary shows a connection that is dead. What it wrote just
    /// now tells.
    fn check_arrival(&self, primary: Ordinal) -> anyhow::Result<()> {
        let target = self.wish.target;
        let written = self.members.written(primary)?;
        let deadline = Instant::now() + ARRIVAL;
        while !self.members.following(primary, &written)?.contains(&target) {
            if Instant::now() >= deadline {
                let container = self.members.container(target);
                return Ok(refuse(
                    format!(
                        "what pod {primary} writes does not arrive at pod {target} within {} s, although they are connected; nothing was changed",
                        ARRIVAL.as_secs()
                    ),
                    format!(
                        "see why: docker logs {container}; after 10 s the connection counts as broken, and this command says what to do"
                    ),
                )?);
            }
            thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    }

    /// Writes what is wanted. From here on the pods act.
    fn begin(&self, decided_on: &TopologyRecord) -> anyhow::Result<TopologyRecord> {
        let (primary, target) = (decided_on.primary, self.wish.target);
        let begun = decided_on.clone().with_timeline(self.highest_timeline());
        let begun = begun.handover(target);
        self.journal.handover_begins();
        match self.writer.replace(Some(decided_on), &begun)? {
            Change::Done => {
                self.journal.note(format!(
                    "pod {primary} is asked to hand over to pod {target}"
                ));
                Ok(begun)
            }
            Change::Overtaken(_) => Err(self.overtaken().into()),
        }
    }

    /// The restore that the pods were asked for does not count yet.
    fn end_maintenance(&self, record: &TopologyRecord) -> anyhow::Result<()> {
        let (primary, target) = (record.primary, self.wish.target);
        let maintenance = Maintenance {
            members: self.members,
            writer: self.writer,
            record,
        };
        if primary == target {
            maintenance.take_back()?;
        } else {
            let mut fenced = Fenced::default();
            let stopped = self.fence(primary, &mut fenced);
            stopped.map_err(|error| self.unfence(&fenced, error))?;
            let mut told = Vec::new();
            let done = maintenance.succeed(target, self.highest_timeline(), |next| {
                // What it does without a copy is what it does by this one.
                let copy = self.copy_of_record(primary).ok().flatten();
                told.push((primary, copy.unwrap_or_else(|| record.clone())));
                self.inform(primary, next);
            });
            if done.is_err() {
                self.untell(&told);
            }
            done.map_err(|error| self.unfence(&fenced, error))?;
        }
        self.journal.note(format!(
            "the restore was taken back; recorded that pod {target} is the primary"
        ));
        Ok(())
    }

    /// The highest timeline number that can have been given in a cluster whose record does not say
    /// so: each change of the record gave one number at the most, also to a pod that does not
    /// answer.
    fn highest_timeline(&self) -> u32 {
        let pods = &self.survey.pods;
        let known = pods.iter().filter_map(|pod| Some(pod.server()?.timeline));
        let highest = known.max().unwrap_or(1);
        let changes = self
            .members
            .cluster
            .record
            .as_ref()
            .map_or(0, |it| it.epoch);
        if pods.iter().all(|pod| pod.server().is_some()) {
            highest
        } else {
            highest.saturating_add(u32::try_from(changes.min(1000)).unwrap_or(1000))
        }
    }

    fn overtaken(&self) -> Refusal {
        overtaken(&self.members.cluster.reference)
    }

    /// The record now. One that cannot be read this moment is somebody's to put right.
    pub(crate) fn record(&self) -> Option<TopologyRecord> {
        let record = self.writer.current().ok().flatten();
        record.filter(|record| record.cluster == self.members.cluster.deployed.cluster_id)
    }

    /// The command that goes on from here.
    pub(crate) fn again(&self) -> String {
        let (cluster, target) = (&self.members.cluster.reference, self.wish.target);
        let wish = &self.wish;
        let options = [
            (wish.force, " --force"),
            (wish.allow_lag, " --allow-lag"),
            (wish.no_restart, " --no-restart"),
        ];
        let given = options.iter().filter(|(given, _)| *given);
        let options: String = given.map(|(_, option)| *option).collect();
        format!("vd pg:promote {cluster} --replica {target}{options}")
    }
}

/// Somebody would have to wait for that long.
fn slow(pod: Ordinal) -> Refusal {
    Refusal::new(
        format!(
            "pod {pod} has so much to write to its disk that a checkpoint takes more than {} s, and writes would pause for as long; nothing was changed",
            CHECKPOINT.as_secs()
        ),
        "run this again in a moment: the checkpoint goes on, and the next one has less to write",
    )
}

/// Passed on so that a caller can end with it.
pub(super) fn refuse<T>(reason: impl Into<String>, next: impl Into<String>) -> Checked<T> {
    Err(Refusal::new(reason, next))
}
