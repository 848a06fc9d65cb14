//! After the decision: the new primary accepts writes, and the others stream from it.

use std::collections::BTreeSet;
use std::thread;
use std::time::{Duration, Instant};

use crate::cluster::handover::{Handover, refuse};
use crate::model::ordinal::Ordinal;

/// A healthy standby follows within a second, an old primary within two. The applications wait for
/// their new address meanwhile.
const FOLLOWING: Duration = Duration::from_secs(6);
const PAUSE: Duration = Duration::from_millis(50);

/// What became of the other pods.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Followers {
    pub(crate) streaming: Vec<Ordinal>,
    pub(crate) missing: Missing,
}

/// Pods with the states of their containers.
pub(crate) type Missing = Vec<(Ordinal, String)>;

impl Handover<'_> {
    /// Waits until the recorded primary accepts a write.
    pub(crate) fn await_writes(&self) -> anyhow::Result<()> {
        let target = self.wish.target;
        if self.accepts_writes(target) {
            self.journal.note(format!("pod {target} accepts writes"));
            return Ok(());
        }
        let container = self.members.container(target);
        Ok(refuse(
            format!("pod {target} is the primary in the record, and does not accept writes yet"),
            format!(
                "see what it does: docker logs {container}; then finish the rest: {}",
                self.again()
            ),
        )?)
    }

    /// Whether a pod accepts a write within the time that is left.
    pub(super) fn accepts_writes(&self, pod: Ordinal) -> bool {
        while !self.members.accepts_write(pod) {
            if self.journal.left() < Duration::from_secs(1) {
                return false;
            }
            thread::sleep(PAUSE);
        }
        true
    }

    /// Waits until the other pods have what the new primary writes. Those whose container does not
    /// run are not waited for.
    ///
    /// The applications need their new address whatever becomes of the others, so nothing that fails
    /// here is an error.
    pub(crate) fn await_followers(&self) -> Followers {
        let target = self.wish.target;
        // A rewind of another pod goes by this checkpoint.
        let limit = self.journal.left().min(Duration::from_secs(10));
        if self.members.checkpoint(target, limit).is_err() {
            self.journal
                .note(format!("pod {target} has not finished a checkpoint yet"));
        }
        let (up, down) = self.others();
        let mut waited_for = BTreeSet::from_iter(up);
        let mut followers = Followers {
            missing: down,
            ..Followers::default()
        };
        let written = self.members.written(target);
        let deadline = Instant::now() + FOLLOWING.min(self.journal.left());
        while !waited_for.is_empty() && Instant::now() < deadline {
            let Ok(written) = &written else { break };
            for pod in self.members.following(target, written).unwrap_or_default() {
                if waited_for.remove(&pod) {
                    self.journal
                        .note(format!("pod {pod} streams from pod {target}"));
                    followers.streaming.push(pod);
                }
            }
            thread::sleep(PAUSE);
        }
        let running = waited_for
            .into_iter()
            .map(|pod| (pod, "running".to_owned()));
        followers.missing.extend(running);
        followers
    }

    /// The other pods: those that run, and those that do not.
    fn others(&self) -> (Vec<Ordinal>, Missing) {
        let (mut up, mut down) = (Vec::new(), Missing::new());
        let pods = Ordinal::all(self.members.cluster.deployed.replicas);
        for pod in pods.filter(|pod| *pod != self.wish.target) {
            match self.members.state(pod) {
                Ok(state) if state != "running" && state != "restarting" => down.push((pod, state)),
                _ => up.push(pod),
            }
        }
        (up, down)
    }
}
