//! Backups and restores.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use chrono::NaiveDateTime;
use voodu_standin::cli::CliOutput;

use crate::act::Act;
use crate::clock::now;
use crate::found::{Checked, ensure};
use crate::ledger::Announced;
use crate::step::Kind;
use crate::subject::Subject;
use crate::support::docker;

pub fn perform(act: &Act<'_>) -> Checked {
    match act.step.kind {
        Kind::Capture => act.capture(&[]).map(drop),
        Kind::CaptureStandby => {
            let pod = act.subject.pod(crate::step::Role::First).to_string();
            let made = act.capture(&["--from-replica", &pod])?;
            if let (Some((dump, _)), Ok(mut ids)) = (made, act.subject.of_standbys.lock()) {
                ids.insert(dump.id);
            }
            Ok(())
        }
        Kind::Cancel => {
            act.cancel();
            Ok(())
        }
        Kind::Restore => act.restore(),
        Kind::Physical => act.physical(false),
        Kind::PhysicalRestore | Kind::KillInRestore => act.physical(true),
        Kind::Ahead => act.ahead(),
        other => Err(format!("{other} is no job")),
    }
}

fn remove_tar(tar: &Path) {
    // A backup that failed left none.
    for file in [tar.to_owned(), tar.with_extension("tar.sha256")] {
        let _ = fs::remove_file(file);
    }
}

/// A complete dump on the disk.
#[derive(Clone, Debug)]
pub struct Dump {
    pub path: PathBuf,
    pub id: String,
}

impl Subject {
    /// The backups that are listed as complete, the oldest first.
    pub fn dumps(&self) -> Vec<Dump> {
        let listed = self.pg("backups", &[]).stdout;
        let complete = listed.lines().filter_map(|line| {
            let mut words = line.split_whitespace();
            let id = words.next()?;
            (words.next()? == "complete").then(|| id.to_owned())
        });
        let files = fs::read_dir(self.cluster.backups())
            .into_iter()
            .flatten()
            .flatten();
        let files: Vec<_> = files
            .map(|file| file.path())
            .filter(|path| path.extension().is_some_and(|end| end == "dump"))
            .collect();
        let of_file = |id: String| {
            let start = format!("{id}-");
            let name = |path: &&PathBuf| {
                path.file_name()
                    .is_some_and(|name| name.to_string_lossy().starts_with(&start))
            };
            Some(Dump {
                path: files.iter().find(name)?.clone(),
                id,
            })
        };
        complete.filter_map(of_file).collect()
    }

    /// What was acknowledged before a dump was begun, which its name tells. Of a standby's nothing is
    /// demanded: it is as late as that standby was.
    pub fn begun_before(&self, dump: &Dump) -> Checked<Vec<BTreeSet<u64>>> {
        let of_standby = self
            .of_standbys
            .lock()
            .is_ok_and(|ids| ids.contains(&dump.id));
        let name = dump
            .path
            .file_stem()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let time = name.split('-').nth(1).unwrap_or_default();
        let time = NaiveDateTime::parse_from_str(time, "%Y%m%dT%H%M%SZ")
            .map_err(|error| format!("{name}: {error}"))?;
        let seconds = u32::try_from(time.and_utc().timestamp()).unwrap_or_default();
        let begun = if of_standby { 0.0 } else { f64::from(seconds) };
        let ledger = self.ledger.lock().map_err(|_| "the ledger is poisoned")?;
        Ok(ledger.acknowledged_by(begun))
    }
}

impl Act<'_> {
    /// A dump, and when it was begun.
    fn capture(&self, words: &[&str]) -> Checked<Option<(Dump, f64)>> {
        let begun = now();
        let output = self
            .subject
            .pg("backups:capture", &[&["--follow"], words].concat());
        ensure(output.status == 0 || !self.alone, || {
            format!("a capture on a cluster that is well: {output:?}")
        })?;
        if output.status != 0 {
            return Ok(None);
        }
        let named = output.stdout.split("/backups/").nth(1);
        let named = named
            .and_then(|rest| rest.split('-').next())
            .unwrap_or_default();
        let new = self
            .subject
            .dumps()
            .into_iter()
            .find(|dump| dump.id == named);
        // A later one may have pruned it meanwhile.
        ensure(new.is_some() || !self.alone, || {
            format!(
                "a capture succeeded, and its backup is not listed: {}",
                output.stdout
            )
        })?;
        Ok(new.map(|dump| (dump, begun)))
    }

    fn cancel(&self) {
        let _ = self.subject.pg("backups:capture", &[]);
        thread::sleep(self.pause());
        let _ = self.subject.pg("backups:cancel", &[]);
    }

    /// What was written since the capture began is given up.
    fn restore(&self) -> Checked {
        let Some((dump, from)) = self.capture(&[])? else {
            return Ok(());
        };
        let output = self
            .subject
            .pg("backups:restore", &[&dump.id, "--yes", "--follow"]);
        if output.status == 0 {
            self.replaced(from);
        }
        ensure(output.status == 0 || !self.alone, || {
            format!("a restore on a cluster that is well: {output:?}")
        })
    }

    fn replaced(&self, from: f64) {
        if let Ok(mut ledger) = self.subject.ledger.lock() {
            ledger.announce(Announced::Between { from, until: now() });
        }
    }

    fn physical(&self, and_back: bool) -> Checked {
        let tar = self
            .subject
            .folder()
            .with_file_name(format!("{:.0}.tar", now() * 1e3));
        let (path, reference, from) = (tar.display().to_string(), self.subject.reference(), now());
        let output = self.subject.vd(&[
            "postgres:backup",
            &reference,
            "--destination",
            &path,
            "--follow",
        ]);
        ensure(output.status == 0 || !self.alone, || {
            format!("a physical backup of a cluster that is well: {output:?}")
        })?;
        let outcome = if and_back && output.status == 0 {
            self.restore_all(&path, from)
        } else {
            Ok(())
        };
        if !and_back {
            remove_tar(&tar);
        }
        outcome
    }

    /// The file stays: a restore that was interrupted is to be run again.
    fn restore_all(&self, path: &str, from: f64) -> Checked {
        let (subject, reference) = (self.subject, self.subject.reference());
        let words = [
            "postgres:restore",
            &reference,
            "--from",
            path,
            "--yes",
            "--follow",
        ];
        if let Ok(mut last) = subject.last_restore.lock() {
            if let Some(older) = last.get(3) {
                remove_tar(older.as_ref());
            }
            *last = words.iter().map(|word| (*word).to_owned()).collect();
        }
        let output = if self.step.kind == Kind::KillInRestore {
            thread::scope(|scope| {
                scope.spawn(|| {
                    thread::sleep(self.pause());
                    subject.cluster.platform.hang_up();
                });
                let _ = self.restored(&words, from);
                self.restored(&words, from)
            })
        } else {
            self.restored(&words, from)
        };
        ensure(output.status == 0 || !self.alone, || {
            format!("a physical restore on a cluster that is well: {output:?}")
        })
    }

    /// What was written since the backup is gone once the pods stopped for it; after a plugin was
    /// killed, nobody knows whether they did.
    fn restored(&self, words: &[&str], from: f64) -> CliOutput {
        let output = self.subject.vd(words);
        let stopped = ["stopping postgres", "canceled"]
            .iter()
            .any(|word| output.stdout.contains(word) || output.stderr.contains(word));
        if output.stderr.contains("canceled") {
            self.await_maintenance();
        }
        if stopped && !output.stdout.contains("goes on with the data that it had") {
            self.replaced(from);
        }
        output
    }

    /// The container of a restore whose plugin was killed goes on, and the pods stop when it has read
    /// the backup: until then they take writes.
    fn await_maintenance(&self) {
        let cluster = &self.subject.cluster;
        let record = cluster.backups().join(".topology");
        let filter = format!("name={}-db-restore-", cluster.scope);
        let until = Instant::now() + Duration::from_secs(60);
        while Instant::now() < until {
            let is_stopped =
                fs::read_to_string(&record).is_ok_and(|text| text.contains("state=maintenance\n"));
            let running = docker(&["ps", "-q", "--filter", &filter]);
            if is_stopped || running.stdout.is_empty() {
                return;
            }
            thread::sleep(Duration::from_millis(50));
        }
    }

    /// The list, the check and a capture meet a backup that is not made yet.
    fn ahead(&self) -> Checked {
        let dumps = self.subject.dumps();
        let Some(dump) = dumps.last() else {
            return self.capture(&[]).map(drop);
        };
        let planted = self
            .subject
            .cluster
            .backups()
            .join("b900-20360102T030405Z.dump");
        let sum = |path: &PathBuf| path.with_extension("dump.sha256");
        // The disk may be full at this moment.
        let copied =
            fs::copy(&dump.path, &planted).and_then(|_| fs::copy(sum(&dump.path), sum(&planted)));
        let _ = self.subject.check();
        let outcome = self.capture(&[]).map(drop);
        for file in [&planted, &sum(&planted)] {
            let _ = fs::remove_file(file);
        }
        self.subject.journal.note(format!("planted: {copied:?}"));
        outcome
    }
}
