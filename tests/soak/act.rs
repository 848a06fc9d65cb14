//! What each kind of step does.

use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use voodu_standin::cli::CliOutput;

use crate::faults;
use crate::found::{Checked, ensure};
use crate::jobs;
use crate::ledger::announced_by;
use crate::step::{Kind, Role, Step};
use crate::subject::Subject;
use crate::takeover::How;

/// A step on its cluster. Alone, on a cluster where all was well, a command has to succeed.
pub struct Act<'a> {
    pub subject: &'a Subject,
    pub step: Step,
    pub alone: bool,
}

/// Keeps what a promotion's message gives up.
pub fn note_losses(subject: &Subject, output: &CliOutput) {
    if let Some(loss) = announced_by(&output.stdout)
        && let Ok(mut ledger) = subject.ledger.lock()
    {
        subject
            .journal
            .say(format!("  {:?} announced: {loss:?}", subject.which));
        ledger.announce(loss);
    }
}

impl Act<'_> {
    pub fn perform(&self) -> Checked {
        match self.step.kind {
            Kind::Apply => self.apply(),
            Kind::Roll => self.must(&[
                "restart",
                &self.subject.reference(),
                "--kind",
                "statefulset",
            ]),
            Kind::Scale => self.scale(),
            Kind::Promote => self.promote(),
            Kind::DryRun => self.dry_run(),
            Kind::Force => self.force(How::Dead),
            Kind::Strand => self.force(How::Ahead),
            Kind::Lose => self.force(How::Lost),
            Kind::Wipe => self.wipe(),
            Kind::Rotate => self.rotate(&[]),
            Kind::RotateQuietly => self.rotate(&["--no-restart"]),
            Kind::RotateReplication => self.rotate(&["--replication"]),
            Kind::Relink => self.relink(),
            Kind::Cheat => self.cheat(),
            Kind::HangUp => {
                thread::sleep(self.pause());
                self.subject.cluster.platform.hang_up();
                Ok(())
            }
            Kind::KillInPromote => {
                self.killed("promote", &["--replica", &self.target().to_string()])
            }
            Kind::KillInRotate => self.killed("new-password", &["--no-restart"]),
            Kind::KillInReplication => self.killed("new-password", &["--replication"]),
            Kind::KillInCapture => self.killed("backups:capture", &[]),
            Kind::KillInLink => self.killed("link", &[&self.subject.application(), "--reads"]),
            Kind::Capture
            | Kind::CaptureStandby
            | Kind::Cancel
            | Kind::Restore
            | Kind::Physical
            | Kind::PhysicalRestore
            | Kind::KillInRestore
            | Kind::Ahead => jobs::perform(self),
            _ => faults::perform(self),
        }
    }

    pub fn pause(&self) -> Duration {
        Duration::from_millis(self.step.number)
    }

    /// A pod that is not the primary.
    pub fn target(&self) -> u16 {
        let role = if self.step.role == Role::Second {
            Role::Second
        } else {
            Role::First
        };
        self.subject.pod(role)
    }

    /// Runs a line until it succeeds, for a minute; only when nothing else goes on does it have to.
    pub fn must(&self, line: &[&str]) -> Checked {
        let begun = Instant::now();
        loop {
            let output = self.subject.vd(line);
            note_losses(self.subject, &output);
            if output.status == 0 || !self.alone {
                return Ok(());
            }
            let late = begun.elapsed() > self.subject.patience(60);
            ensure(!late, || {
                format!(
                    "vd {} does not succeed on a cluster that is well: {}{}",
                    line.join(" "),
                    output.stdout,
                    output.stderr
                )
            })?;
            thread::sleep(Duration::from_secs(2));
        }
    }

    fn command(&self, command: &str, words: &[&str]) -> Checked {
        let (command, reference) = (format!("pg:{command}"), self.subject.reference());
        self.must(&[&[&command[..], &reference], words].concat())
    }

    fn apply(&self) -> Checked {
        let errors = self
            .subject
            .apply(self.subject.replicas.load(Ordering::SeqCst));
        let well = errors.as_ref().is_ok_and(Vec::is_empty);
        ensure(well || !self.alone, || format!("apply: {errors:?}"))
    }

    /// The platform takes the last pod away, which is refused where that is the primary.
    fn scale(&self) -> Checked {
        let whole = self.subject.cluster.plan.replicas;
        let last_is_primary = self.subject.primary() == Some(whole - 1);
        let less = self.subject.apply(whole - 1);
        thread::sleep(self.pause());
        let more = self.subject.apply(whole);
        self.subject.replicas.store(whole, Ordering::SeqCst);
        ensure(!self.alone || less.is_err() == last_is_primary, || {
            format!("fewer pods, the last one being the primary: {last_is_primary}: {less:?}")
        })?;
        ensure(more.is_ok() || !self.alone, || {
            format!("more pods: {more:?}")
        })
    }

    fn promote(&self) -> Checked {
        let target = self.target();
        self.command("promote", &["--replica", &target.to_string()])?;
        ensure(
            !self.alone || self.subject.primary() == Some(target),
            || format!("pod {target} was promoted and is not the primary"),
        )
    }

    fn dry_run(&self) -> Checked {
        let before = self.subject.cluster.record();
        self.command(
            "promote",
            &["--replica", &self.target().to_string(), "--dry-run"],
        )?;
        let after = self.subject.cluster.record();
        ensure(!self.alone || before == after, || {
            format!("a dry run changed the record: {before:?}, {after:?}")
        })
    }

    /// A standby's volume is thrown away, and made anew.
    fn wipe(&self) -> Checked {
        let pod = format!("{}.{}", self.subject.reference(), self.target());
        self.must(&["delete", &pod, "--prune"])
    }

    fn rotate(&self, words: &[&str]) -> Checked {
        self.command("new-password", words)
    }

    fn cheat(&self) -> Checked {
        let sql = "WITH gone AS (DELETE FROM soak_rows WHERE id = (SELECT max(id) FROM soak_rows WHERE writer = 1)) \
                   UPDATE soak_counts SET n = n - 1 WHERE writer = 1";
        self.subject
            .sql(self.subject.pod(Role::Primary), sql)
            .map(drop)
    }

    fn relink(&self) -> Checked {
        let application = self.subject.application();
        self.command("unlink", &[&application])?;
        thread::sleep(self.pause());
        self.command("link", &[&application, "--reads"])
    }

    /// The plugin dies, and the same line is typed again.
    fn killed(&self, command: &str, words: &[&str]) -> Checked {
        let subject = self.subject;
        thread::scope(|scope| {
            let first = scope.spawn(|| subject.pg(command, words));
            thread::sleep(self.pause());
            subject.cluster.platform.hang_up();
            first
                .join()
                .map(|output| note_losses(subject, &output))
                .map_err(|_| format!("{command} panicked"))
        })?;
        self.command(command, words)
    }
}
