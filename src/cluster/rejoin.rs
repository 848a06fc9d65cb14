//! A pod that lost its place becomes a standby again. The pod does the work; the plugin says that
//! it may, sees that its container runs, and waits for it to stream.

use std::thread;
use std::time::{Duration, Instant};

use crate::cluster::divergence::Divergence;
use crate::cluster::handover::journal::Journal;
use crate::cluster::members::Members;
use crate::cluster::record_write::{Change, RecordWriter, overtaken};
use crate::model::ordinal::Ordinal;
use crate::model::refusal::{Refusal, Result};
use crate::model::topology_record::{State, TopologyRecord};

/// How often the pod is looked at.
const PAUSE: Duration = Duration::from_millis(250);
/// A restart that did not help is not repeated at once.
const BETWEEN_RESTARTS: Duration = Duration::from_secs(8);
/// A pod that guards its data stops at once.
const RESTART: Duration = Duration::from_secs(8);
const CHECKPOINT: Duration = Duration::from_secs(5);
const NEED_TO_COPY: &str = "pg_rewind: need to copy ";

/// One run of `rejoin`.
pub(crate) struct Rejoin<'a> {
    pub(crate) members: Members<'a>,
    pub(crate) writer: RecordWriter<'a>,
    pub(crate) journal: &'a Journal<'a>,
    pub(crate) pod: Ordinal,
}

impl Rejoin<'_> {
    /// Asks the pod in the record, and wakes it up.
    pub(crate) fn ask(&self, record: &TopologyRecord) -> anyhow::Result<()> {
        let pod = self.pod;
        if record.rejoin != Some(pod) {
            match self.writer.replace(Some(record), &record.rejoin(pod))? {
                Change::Done => self.journal.note(format!("pod {pod} is asked to rejoin")),
                Change::Overtaken(_) => {
                    return Err(overtaken(&self.members.cluster.reference).into());
                }
            }
        }
        // A rewind goes by the primary's last checkpoint, and the pod waits for one that will do.
        if self.members.checkpoint(record.primary, CHECKPOINT).is_err() {
            self.journal.note(format!(
                "pod {} has not finished a checkpoint yet",
                record.primary
            ));
        }
        Ok(())
    }

    /// Whether the pod streams from the primary within the time that is left.
    pub(crate) fn await_streaming(&self, primary: Ordinal) -> anyhow::Result<bool> {
        let written = self.members.written(primary)?;
        let mut restarted = None;
        loop {
            let following = self
                .members
                .following(primary, &written)
                .unwrap_or_default();
            if following.contains(&self.pod) {
                self.journal
                    .note(format!("pod {} streams from pod {primary}", self.pod));
                if let Some(moved) = self.moved() {
                    self.journal.note(moved);
                }
                return Ok(true);
            }
            if self.journal.left() < Duration::from_secs(1) {
                return Ok(false);
            }
            if self.journal.left() > RESTART {
                self.wake(&mut restarted)?;
            }
            thread::sleep(PAUSE);
        }
    }

    /// What `pg_rewind --progress` wrote into the pod's log in this run, if it was that.
    fn moved(&self) -> Option<String> {
        let container = self.members.container(self.pod);
        let seconds = self.journal.elapsed().as_secs() + 1;
        let log = self.members.docker.recent_log(&container, seconds).ok()?;
        rewound(&log)
    }

    /// Starts a container that does not run, or waits for its turn to be restarted.
    fn wake(&self, restarted: &mut Option<Instant>) -> anyhow::Result<()> {
        let state = self.members.state(self.pod)?;
        let recently = restarted.is_some_and(|at: Instant| at.elapsed() < BETWEEN_RESTARTS);
        if state == "running" || recently {
            return Ok(());
        }
        let container = self.members.container(self.pod);
        self.journal
            .note(format!("starting {container}, which is {state}"));
        self.members.docker.restart(&container, RESTART)?;
        *restarted = Some(Instant::now());
        Ok(())
    }
}

/// `pg_rewind: need to copy 57 MB (total source directory size is 1203 MB)`, the last one of a log.
fn rewound(log: &str) -> Option<String> {
    let line = log.lines().rfind(|line| line.contains(NEED_TO_COPY))?;
    let (_, sizes) = line.split_once(NEED_TO_COPY)?;
    let (moved, total) = sizes.split_once(" (total source directory size is ")?;
    let total = total.strip_suffix(')')?;
    Some(format!("pg_rewind moved {moved} of the primary's {total}"))
}

/// The record, when a pod may rejoin by it.
pub(crate) fn check_record(members: Members<'_>, pod: Ordinal) -> Result<&TopologyRecord> {
    let cluster = &members.cluster.reference;
    let record = members.cluster.record.as_ref().ok_or_else(|| {
        Refusal::new(
            format!("{cluster}: no record says who is primary yet"),
            "wait until the first boot of the cluster is complete (docker logs shows it)",
        )
    })?;
    match record.state {
        State::Maintenance => Err(Refusal::new(
            format!("{cluster}: postgres is stopped on all pods for a restore"),
            "wait until it is over; its container's log says how far it is",
        )),
        State::Handover { target, .. } => Err(Refusal::new(
            format!(
                "{cluster}: pod {} is handing over to pod {target} at this moment",
                record.primary
            ),
            format!("see how it ends first: vd pg:promote {cluster} --replica {target}"),
        )),
        State::Steady if record.primary == pod => Err(Refusal::new(
            format!("pod {pod} is the primary of {cluster}: the others follow it"),
            format!(
                "to make it a standby, promote another pod: vd pg:promote {cluster} --replica <ordinal>"
            ),
        )),
        State::Steady => Ok(record),
    }
}

/// Refuses to give transactions up that nobody else has, unless the operator says that it may be.
pub(crate) fn check_loss(
    members: Members<'_>,
    pod: Ordinal,
    found: &std::result::Result<Divergence, String>,
) -> Result<()> {
    let (cluster, container) = (&members.cluster.reference, members.container(pod));
    let reason = match found {
        Ok(Divergence { commits: 0, .. }) => return Ok(()),
        Ok(only_there) => format!("pod {pod} holds {only_there} that no other pod has"),
        Err(why) => {
            format!("whether pod {pod} holds transactions that no other pod has is unknown: {why}")
        }
    };
    Err(Refusal::new(
        format!("{reason}; nothing was changed"),
        format!(
            "to save them, copy its data out first: docker cp {container}:/var/lib/postgresql/data/pgdata <directory>; \
             to give them up: vd pg:rejoin {cluster} --replica {pod} --yes"
        ),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_rewind_moved_is_read_from_the_log() {
        let line = "pg_rewind: need to copy 57 MB (total source directory size is 1203 MB)";
        let moved = Some("pg_rewind moved 57 MB of the primary's 1203 MB".to_owned());
        assert_eq!(
            rewound(&format!("voodu: a\n{line}\npg_rewind: Done!\n")),
            moved
        );
        assert_eq!(rewound("voodu: cloned pod 1\n"), None);
        assert_eq!(rewound("pg_rewind: need to copy 57 MB"), None);
    }
}
