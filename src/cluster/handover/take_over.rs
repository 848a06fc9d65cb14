//! The target becomes the primary in place of one that cannot hand over.

use std::thread;
use std::time::{Duration, Instant};

use crate::cluster::handover::ahead::Race;
use crate::cluster::handover::fence::Fenced;
use crate::cluster::handover::{Handover, refuse};
use crate::cluster::record_write::Change;
use crate::cluster::survey::Survey;
use crate::model::ordinal::Ordinal;
use crate::model::topology_record::{State, TopologyRecord};

/// How long a target that may have everything is given to say so, which leaves the old primary a
/// clean way back.
const CLEAN: Duration = Duration::from_millis(1500);
/// How long a pod may take to say how far it is.
const LOOK: Duration = Duration::from_secs(2);
/// What the rest of a take-over needs. While there is more, a standby that is ahead is looked at twice:
/// the primary may have sent to one before the other.
const REST: Duration = Duration::from_secs(8);

impl Handover<'_> {
    /// Stops the old primary's container and commits in the target's place. While the handover is
    /// recorded, an old primary that docker starts again does not become writable; that it takes
    /// its role back and that this commits exclude each other.
    pub(super) fn take_over(&self, begun: &TopologyRecord) -> anyhow::Result<()> {
        let old = begun.primary;
        let (mut announced, mut fenced) = (false, Fenced::default());
        let done = self.commit_in_place_of(old, &mut announced, &mut fenced);
        // Without a record the old primary waits for one, by what it was told.
        if let (Err(_), true, Some(record)) = (&done, announced, self.record()) {
            self.inform(old, &record);
        }
        done.map_err(|error| self.unfence(&fenced, error))
    }

    fn commit_in_place_of(
        &self,
        old: Ordinal,
        announced: &mut bool,
        fenced: &mut Fenced,
    ) -> anyhow::Result<()> {
        for _ in 0..3 {
            if let Err(error) = self.fence(old, fenced) {
                self.call_off()?;
                return Err(error);
            }
            self.await_clean_commit();
            let Some(record) = self.record() else {
                break;
            };
            let next = match record.state {
                State::Steady if record.primary == self.wish.target => {
                    self.journal
                        .note(format!("pod {} took over", self.wish.target));
                    return Ok(());
                }
                // It was up once more and took its role back.
                State::Steady if record.primary == old => Some(record.handover(self.wish.target)),
                _ => record.taken_over(self.highest_timeline()),
            };
            let Some(next) = next else {
                break;
            };
            if next.primary == self.wish.target {
                // Before anybody else acts on it: by an older copy the old primary would start.
                self.inform(old, &record.announced());
                *announced = true;
            }
            let change = self.writer.replace(Some(&record), &next)?;
            if change == Change::Done && next.primary == self.wish.target {
                let target = self.wish.target;
                self.journal
                    .note(format!("recorded that pod {target} is the primary"));
                self.inform(old, &next);
                return Ok(());
            }
        }
        self.call_off()?;
        Err(self.overtaken().into())
    }

    /// Whether no other standby has more than the target, asked when the primary of a handover turns out
    /// to be unable to carry it out. Otherwise the handover is called off; false, when it was decided
    /// meanwhile.
    pub(super) fn nobody_is_ahead(&self, record: &TopologyRecord) -> anyhow::Result<bool> {
        if self.wish.allow_lag {
            return Ok(true);
        }
        let (primary, target) = (record.primary, self.wish.target);
        let docker = self.members.docker.patient(LOOK.min(self.journal.left()));
        let refusal = loop {
            let survey = Survey::take(self.members.cluster, docker)?;
            let race = Race {
                survey: &survey,
                primary,
                target,
            };
            match race.check_now() {
                Ok(()) => return Ok(true),
                Err(_) if self.journal.left() > REST + LOOK => thread::sleep(CLEAN),
                Err(refusal) => break refusal,
            }
        };
        match self.writer.replace(Some(record), &record.steady())? {
            Change::Done => Ok(refuse(
                format!(
                    "{refusal}: the handover to pod {target} was called off, and pod {primary} stays the primary"
                ),
                refusal.next(),
            )?),
            Change::Overtaken(_) => Ok(false),
        }
    }

    fn await_clean_commit(&self) {
        let deadline = Instant::now() + CLEAN;
        let may_commit = |record: TopologyRecord| {
            matches!(
                record.state,
                State::Handover {
                    stopped_at: Some(_),
                    ..
                }
            )
        };
        while self.record().is_some_and(may_commit) && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// The old primary stays what it was.
    fn call_off(&self) -> anyhow::Result<()> {
        let running = self
            .record()
            .filter(|record| matches!(record.state, State::Handover { .. }));
        if let Some(record) = running {
            self.writer.replace(Some(&record), &record.steady())?;
        }
        Ok(())
    }
}
