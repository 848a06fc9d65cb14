//! One run: two fresh clusters, and round after round until the time is over or something is wrong.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use crate::act::Act;
use crate::found::Checked;
use crate::journal::Journal;
use crate::outside::state;
use crate::random::Random;
use crate::step::{Kind, Round, Step, Which};
use crate::subject::Subject;

/// Every so many rounds a backup is restored and the logs are read.
const SAMPLE: usize = 4;

/// What a run amounted to.
#[derive(Default)]
pub struct Summary {
    pub rounds: Vec<Round>,
    pub kinds: BTreeMap<Kind, usize>,
    pub rows: usize,
    pub announced: usize,
    pub given_up: usize,
    pub restored: usize,
    pub longest_gap: f64,
    pub reigns: usize,
}

/// Runs the rounds; answers what was found, if something was.
pub fn run(
    rounds: impl Iterator<Item = Round>,
    major: u16,
    until: Instant,
    journal: &Arc<Journal>,
) -> (Summary, Checked) {
    let mut summary = Summary::default();
    let mut outcome = Err("never run".to_owned());
    // What the support of other tests panics with is a finding, too.
    let caught = catch_unwind(AssertUnwindSafe(|| {
        outcome = Soak::up(major, journal).and_then(|soak| {
            let outcome = soak.rounds(rounds, until, &mut summary);
            soak.sum_up(&mut summary);
            if outcome.is_err() {
                soak.keep_evidence();
            }
            outcome
        });
    }));
    if let Err(panic) = caught {
        let text = panic.downcast_ref::<String>().cloned();
        outcome = Err(text.unwrap_or_else(|| "something panicked".to_owned()));
    }
    (summary, outcome)
}

struct Soak<'a> {
    three: Subject,
    two: Subject,
    journal: &'a Journal,
}

impl<'a> Soak<'a> {
    fn up(major: u16, journal: &'a Arc<Journal>) -> Checked<Self> {
        let soak = Self {
            three: Subject::up(Which::Three, major, journal)?,
            two: Subject::up(Which::Two, major, journal)?,
            journal,
        };
        journal.say(format!(
            "postgres {major}: {} and {} are up, times are multiplied by {:.1}",
            soak.three.cluster.scope, soak.two.cluster.scope, soak.three.slowness
        ));
        Ok(soak)
    }

    fn subjects(&self) -> [&Subject; 2] {
        [&self.three, &self.two]
    }

    fn rounds(
        &self,
        rounds: impl Iterator<Item = Round>,
        until: Instant,
        summary: &mut Summary,
    ) -> Checked {
        for subject in self.subjects() {
            subject.settle()?;
            subject.verify()?;
        }
        let mut random = Random::new(0);
        for round in rounds {
            if Instant::now() >= until {
                return Ok(());
            }
            let begun = Instant::now();
            self.journal.say(round.to_string());
            summary.rounds.push(round.clone());
            for step in &round.0 {
                *summary.kinds.entry(step.kind).or_default() += 1;
            }
            self.round(&round)?;
            if summary.rounds.len() % SAMPLE == 0 {
                summary.restored += self.sample(&mut random)?;
            }
            self.journal.note(format!(
                "well again {:.1} s after its begin",
                begun.elapsed().as_secs_f64()
            ));
        }
        Ok(())
    }

    fn round(&self, round: &Round) -> Checked {
        let alone = round.0.len() == 1;
        let acts = round.0.iter().map(|step| self.act(*step, alone));
        thread::scope(|scope| {
            let running: Vec<_> = acts
                .map(|act| {
                    scope.spawn(move || {
                        thread::sleep(Duration::from_millis(act.step.after));
                        act.perform()
                            .map_err(|error| format!("{}: {error}", act.step))
                    })
                })
                .collect();
            let ended: Vec<_> = running
                .into_iter()
                .map(|act| {
                    act.join()
                        .unwrap_or_else(|_| Err("a step panicked".to_owned()))
                })
                .collect();
            ended.into_iter().collect::<Checked>()
        })?;
        thread::scope(|scope| {
            let other = scope.spawn(|| well(&self.two));
            let one = well(&self.three);
            let other = other
                .join()
                .unwrap_or_else(|_| Err("a check panicked".to_owned()));
            one.and(other)
        })
    }

    fn act(&self, step: Step, alone: bool) -> Act<'_> {
        let subject = if step.which == Which::Three {
            &self.three
        } else {
            &self.two
        };
        Act {
            subject,
            step,
            alone,
        }
    }

    /// Restores one backup of each cluster, and reads its logs.
    fn sample(&self, random: &mut Random) -> Checked<usize> {
        let mut restored = 0;
        for subject in self.subjects() {
            subject.logs_keep_secrets()?;
            let dumps = subject.dumps();
            if dumps.is_empty() {
                continue;
            }
            let dump =
                &dumps[usize::try_from(random.between(0, dumps.len() as u64 - 1)).unwrap_or(0)];
            let acknowledged = subject.begun_before(dump)?;
            subject.restores(dump, &acknowledged)?;
            restored += 1;
        }
        Ok(restored)
    }

    fn sum_up(&self, summary: &mut Summary) {
        for subject in self.subjects() {
            if let Ok(ledger) = subject.ledger.lock() {
                summary.rows += ledger.rows;
                summary.announced += ledger.announcements;
                summary.given_up += ledger.given_up;
                summary.longest_gap = summary.longest_gap.max(ledger.longest_gap);
            }
            summary.reigns += subject.watch.reigns();
        }
    }

    /// What will be gone with the clusters.
    fn keep_evidence(&self) {
        for subject in self.subjects() {
            self.journal.note(format!(
                "{:?} record:\n{}",
                subject.which,
                subject.cluster.record()
            ));
            for pod in 0..subject.cluster.plan.replicas {
                self.journal.note(format!(
                    "{} {:?}",
                    subject.cluster.pod(pod),
                    state(&subject.cluster.pod(pod))
                ));
                self.journal.note(format!(
                    "{} log:\n{}",
                    subject.cluster.pod(pod),
                    subject.cluster.log(pod)
                ));
            }
            self.journal.note(subject.pg("info", &[]).stdout);
        }
    }
}

fn well(subject: &Subject) -> Checked {
    let outcome = subject.settle().and_then(|()| subject.verify());
    outcome.map_err(|error| format!("the cluster of {:?}: {error}", subject.which))
}

/// A folder for what a run leaves.
pub fn folder() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/target/soak"))
}
