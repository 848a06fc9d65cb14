//! Another pod takes over from a primary that is gone.

use std::thread;
use std::time::{Duration, Instant};

use crate::act::{Act, note_losses};
use crate::advice::commands;
use crate::faults::{plug_in, unplug};
use crate::found::{Checked, ensure};
use crate::step::Role;

/// How it is gone.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum How {
    Dead,
    /// After the standbys were cut off, so that it has more than they.
    Ahead,
    /// With its volume.
    Lost,
}

impl Act<'_> {
    /// The pod that has the most takes over, where the command says which one that is. The old primary
    /// comes back while nobody looks.
    pub fn force(&self, how: How) -> Checked {
        let (subject, primary) = (self.subject, self.subject.pod(Role::Primary));
        let (old, target) = (subject.cluster.pod(primary), self.target());
        let others: Vec<_> = subject
            .pods()
            .filter(|pod| *pod != primary)
            .map(|pod| subject.cluster.pod(pod))
            .collect();
        if how == How::Ahead {
            for pod in &others {
                unplug(pod);
            }
            thread::sleep(self.pause());
        }
        subject.docker(&["kill", &old]);
        if how == How::Ahead {
            for pod in &others {
                plug_in(pod);
            }
        } else {
            thread::sleep(self.pause());
        }
        if how == How::Lost {
            let volume = format!("voodu-{}-db-data-{primary}", subject.cluster.scope);
            subject.docker(&["rm", "-f", &old]);
            subject.docker(&["volume", "rm", &volume]);
        }
        let outcome = self.take_over(target);
        if how == How::Lost {
            // The README: the old pod copies the new primary, after a rejoin.
            let applied = subject.apply(subject.cluster.plan.replicas);
            subject
                .journal
                .note(format!("the lost pod is made anew: {applied:?}"));
        } else {
            subject.docker(&["start", &old]);
        }
        outcome
    }

    fn take_over(&self, target: u16) -> Checked {
        let mut target = target.to_string();
        let begun = Instant::now();
        loop {
            let output = self
                .subject
                .pg("promote", &["--replica", &target, "--force"]);
            note_losses(self.subject, &output);
            if output.status == 0 {
                return Ok(());
            }
            let named = commands(&output.stderr)
                .into_iter()
                .find(|line| line.iter().any(|word| word == "--force"));
            let other = named.and_then(|line| {
                line.iter()
                    .skip_while(|word| *word != "--replica")
                    .nth(1)
                    .cloned()
            });
            if let Some(other) = other.filter(|other| other.parse::<u16>().is_ok()) {
                target = other;
            }
            if begun.elapsed() > self.subject.patience(60) {
                let said = output.stdout + &output.stderr;
                return ensure(!self.alone, || {
                    format!("no pod takes over from a dead primary: {said}")
                });
            }
            thread::sleep(Duration::from_secs(1));
        }
    }
}
