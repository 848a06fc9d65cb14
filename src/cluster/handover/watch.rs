//! Watches a handover in the record until it is decided.

use std::thread;
use std::time::{Duration, Instant};

use crate::cluster::handover::{Handover, refuse};
use crate::cluster::record_write::Change;
use crate::model::ordinal::Ordinal;
use crate::model::refusal::Result;
use crate::model::topology_record::{State, TopologyRecord};

/// A glance at the record costs next to nothing.
const GLANCE: Duration = Duration::from_millis(10);
/// Asking docker does not.
const LOOK: Duration = Duration::from_millis(500);
/// When it is forced, an old primary that has not stopped by then is stopped from outside.
const SILENCE: Duration = Duration::from_secs(10);
/// A handover that the old primary has not begun by this time of the run is called off, while there
/// is still time to say so. Its own limit is 20 s.
const CALL_OFF_AT: Duration = Duration::from_millis(22_500);
/// One that neither the target nor the old primary has decided by this time after the stop is
/// called off too. Each of them decides within 10 s as long as it lives.
const UNDECIDED: Duration = Duration::from_secs(12);

/// What is known of a running handover.
struct Watch {
    since: Instant,
    looked: Instant,
    /// When it was seen that the old primary had stopped.
    stopped: Option<Instant>,
    /// Who cannot act, and why.
    stuck: Option<Stuck>,
}

struct Stuck {
    pod: Ordinal,
    state: String,
}

impl Handover<'_> {
    /// Waits until the target is the primary in the record, whoever writes that.
    pub(super) fn see_through(&self, begun: &TopologyRecord) -> anyhow::Result<()> {
        let mut watch = Watch {
            since: Instant::now(),
            looked: Instant::now(),
            stopped: None,
            stuck: None,
        };
        loop {
            let Some(record) = self.record() else {
                self.check_time()?;
                thread::sleep(GLANCE);
                continue;
            };
            match &record.state {
                State::Handover { target, stopped_at } if *target == self.wish.target => {
                    self.follow(&mut watch, record.primary, stopped_at.as_deref())?;
                    if watch.stopped.is_none() && self.is_hopeless(&watch, record.primary) {
                        if self.nobody_is_ahead(&record)? {
                            return self.take_over(&record);
                        }
                        continue;
                    }
                    self.call_off_if_stuck(&watch, &record)?;
                }
                State::Steady if record.primary == self.wish.target => {
                    self.journal
                        .note(format!("pod {} took over", self.wish.target));
                    return Ok(());
                }
                State::Steady if record.primary == begun.primary => {
                    // One epoch for the stop, one for the decision.
                    let stopped = watch.stopped.is_some() || record.epoch > begun.epoch + 1;
                    return Ok(self.given_back(stopped, begun.primary)?);
                }
                _ => return Err(self.overtaken().into()),
            }
            self.check_time()?;
            thread::sleep(GLANCE);
        }
    }

    fn follow(
        &self,
        watch: &mut Watch,
        primary: Ordinal,
        stopped_at: Option<&str>,
    ) -> anyhow::Result<()> {
        if watch.stopped.is_none() {
            if let Some(position) = stopped_at {
                self.journal
                    .note(format!("pod {primary} stopped at {position}"));
                watch.stopped = Some(Instant::now());
            }
        }
        if watch.looked.elapsed() >= LOOK {
            // Once it has stopped, only the target has something to do.
            let needed = match watch.stopped {
                None => vec![primary, self.wish.target],
                Some(_) => vec![self.wish.target],
            };
            watch.stuck = self.stuck(&needed)?;
            watch.looked = Instant::now();
        }
        Ok(())
    }

    /// A pod that cannot act. One that crashed is restarted by docker, and acts then.
    fn stuck(&self, needed: &[Ordinal]) -> anyhow::Result<Option<Stuck>> {
        for pod in needed {
            let state = self.members.state(*pod)?;
            let is_down = self.wish.force && *pod != self.wish.target && state != "running";
            if state == "paused" || is_down {
                return Ok(Some(Stuck { pod: *pod, state }));
            }
        }
        Ok(None)
    }

    /// Whether the old primary has to be stopped from outside, which a forced one allows.
    fn is_hopeless(&self, watch: &Watch, primary: Ordinal) -> bool {
        let stuck = watch
            .stuck
            .as_ref()
            .is_some_and(|stuck| stuck.pod == primary);
        self.wish.force && (stuck || watch.since.elapsed() >= SILENCE)
    }

    fn call_off_if_stuck(&self, watch: &Watch, record: &TopologyRecord) -> Result<()> {
        let (primary, target) = (record.primary, self.wish.target);
        let (reason, next) = match &watch.stuck {
            Some(stuck) if stuck.pod == target || !self.wish.force => {
                let container = self.members.container(stuck.pod);
                let state = &stuck.state;
                let next = match &state[..] {
                    "paused" => format!("run docker unpause {container}, then {}", self.again()),
                    _ => format!("its log says why: docker logs {container}"),
                };
                (format!("pod {container} is {state}"), next)
            }
            _ => match self.overdue(watch, primary) {
                None => return Ok(()),
                Some(overdue) => overdue,
            },
        };
        match self.writer.replace(Some(record), &record.steady())? {
            Change::Done => refuse(
                format!(
                    "{reason}: the handover to pod {target} was called off, and pod {primary} stays the primary"
                ),
                next,
            ),
            // It was decided meanwhile: the next glance tells.
            Change::Overtaken(_) => Ok(()),
        }
    }

    /// That the pod whose turn it is let its time pass, and what to do.
    fn overdue(&self, watch: &Watch, primary: Ordinal) -> Option<(String, String)> {
        let (pod, failed) = match watch.stopped {
            None if self.journal.elapsed() >= CALL_OFF_AT => (primary, "stop"),
            Some(stopped) if stopped.elapsed() >= UNDECIDED => (self.wish.target, "take over"),
            None | Some(_) => return None,
        };
        let container = self.members.container(pod);
        Some((
            format!("pod {pod} did not {failed} in time"),
            format!("its log says why: docker logs {container}"),
        ))
    }

    fn given_back(&self, stopped: bool, primary: Ordinal) -> Result<()> {
        let target = self.wish.target;
        let (who, reason) = if stopped {
            let reason = "did not get everything that the primary had written in time";
            (target, reason)
        } else {
            (primary, "did not stop cleanly in time")
        };
        // Either of them may have decided it, and says why.
        let seconds = self.journal.elapsed().as_secs() + 1;
        let said = [who, primary, target]
            .iter()
            .find_map(|pod| self.members.last_words(*pod, seconds, " the role back"));
        let reason = said.unwrap_or_else(|| format!("pod {who} {reason}"));
        let writable = if self.accepts_writes(primary) {
            format!("and pod {primary} accepts writes again as the primary")
        } else {
            format!("and pod {primary} stays the primary; it is still starting")
        };
        refuse(
            format!(
                "the handover to pod {target} was called off, {writable}; nothing was lost ({reason})"
            ),
            format!(
                "the log of pod {who} says more: docker logs {}",
                self.members.container(who)
            ),
        )
    }

    fn check_time(&self) -> Result<()> {
        if !self.journal.left().is_zero() {
            return Ok(());
        }
        refuse(
            format!(
                "the handover to pod {} is not decided yet; the pods bring it to an end by themselves within 10 s",
                self.wish.target
            ),
            format!("see how it ended and finish the rest: {}", self.again()),
        )
    }
}
