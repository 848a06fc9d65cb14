//! One command at a time changes the roles, the passwords or the links of a cluster. Two that read,
//! decide and answer at once would undo each other: the controller stores whatever the later one
//! answers.
//!
//! The lease is a `flock` on a file, so a plugin that is killed gives it back at once. One file lies
//! in the plugin's own directory, one beside the record, where there is a backups directory on this
//! host: a restore's container sees no other. It is no part of the record: every change of that is
//! read by the pods and costs an epoch. The controller carries a reply's actions out after the plugin
//! has exited, so the holder leaves the last of them in the files, and the next holder waits until
//! the controller has stored it.

mod file;
mod mark;

use std::io;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use crate::cluster::Cluster;
use crate::cluster::lease::file::LeaseFile;
use crate::cluster::lease::mark::Mark;
use crate::cluster::own_dir::own_file;
use crate::cluster::unstored::Unstored;
use crate::controller::Controller;
use crate::model::refusal::{Refusal, Result};
use crate::model::resource_ref::ResourceRef;
use crate::wire::action::Action;

/// The file's name in a cluster's backups directory.
const NAME: &str = ".lease";

/// A command that waits for another one has less than 30 s for itself.
const PATIENCE: Duration = Duration::from_secs(8);

/// The controller stores a reply's actions within milliseconds, or within many seconds on a busy host.
/// After this time it has, or it failed.
const GRACE: Duration = Duration::from_secs(20);

/// No more of a command's 30 s than this goes by with waiting, for the lock and for the controller.
const LONGEST_WAIT: Duration = GRACE;

/// What a failed primary's replacement waits for the controller. It reads what it publishes again right
/// before it answers.
const URGENT_WAIT: Duration = Duration::from_secs(4);

const NAP: Duration = Duration::from_millis(20);

/// What somebody wants a lease for, and where.
pub(crate) struct Claim {
    pub(crate) holder: Holder,
    /// Where the plugin's own directory may be, in this order.
    pub(crate) own_dirs: Vec<PathBuf>,
}

/// Who holds a lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Holder {
    Cancel,
    Expose,
    Link,
    NewPassword,
    Promote,
    Rejoin,
    Restore,
    Unexpose,
    Unlink,
}

impl Holder {
    const ALL: [Self; 9] = [
        Self::Cancel,
        Self::Expose,
        Self::Link,
        Self::NewPassword,
        Self::Promote,
        Self::Rejoin,
        Self::Restore,
        Self::Unexpose,
        Self::Unlink,
    ];

    /// The command.
    fn word(self) -> &'static str {
        match self {
            Self::Cancel => "backups:cancel",
            Self::Expose => "expose",
            Self::Link => "link",
            Self::NewPassword => "new-password",
            Self::Promote => "promote",
            Self::Rejoin => "rejoin",
            Self::Restore => "restore",
            Self::Unexpose => "unexpose",
            Self::Unlink => "unlink",
        }
    }

    /// A disk that takes no file must not keep a failed primary from being replaced: the record's own
    /// lock and epoch decide between two that change roles.
    fn goes_on_without(self) -> bool {
        matches!(self, Self::Cancel | Self::Promote | Self::Rejoin)
    }
}

/// The right to change a cluster's roles, passwords and links, until this is dropped.
pub(crate) struct Lease {
    /// Nothing where no file can be locked, for a command that goes on without.
    held: Vec<LeaseFile>,
}

impl Lease {
    /// Waits until no other command has the lease, and until the controller has stored what the last
    /// one answered. Whatever was read of the cluster before is to be read again.
    pub(crate) fn take(
        cluster: &Cluster,
        controller: &dyn Controller,
        claim: &Claim,
    ) -> Result<Self> {
        let began = Instant::now();
        let files = acquire_all(cluster, claim, PATIENCE)?;
        let goes_on = claim.holder.goes_on_without();
        let deadline = if goes_on {
            Instant::now() + URGENT_WAIT
        } else {
            began + LONGEST_WAIT
        };
        for mark in files.iter().filter_map(LeaseFile::mark) {
            let is_settled = settle(&mark, deadline, || mark.is_stored(controller));
            if !is_settled && !goes_on {
                return Err(unsettled(&cluster.reference));
            }
        }
        Ok(Self::hold(files, claim.holder))
    }

    /// Takes the lease when nobody has it and nothing is left to be stored.
    pub(crate) fn take_now(
        cluster: &Cluster,
        controller: &dyn Controller,
        claim: &Claim,
    ) -> Option<Self> {
        let files = acquire_all(cluster, claim, Duration::ZERO).ok()?;
        let is_settled = |mark: Mark| mark.left().is_none() || mark.is_stored(controller);
        let mut marks = files.iter().filter_map(LeaseFile::mark);
        let is_free = !files.is_empty() && marks.all(is_settled);
        is_free.then(|| Self::hold(files, claim.holder))
    }

    /// As [`Lease::take`], by a job in a container, which cannot ask the controller and sees nothing
    /// but the backups directory.
    pub(crate) fn take_alone(dir: &Path, cluster: &str, holder: Holder) -> Result<Self> {
        let path = dir.join(NAME);
        let file = acquire(&path, cluster, Instant::now() + 3 * PATIENCE)?;
        let file = file.map_err(|error| unusable(&path, &error))?;
        if let Some(mark) = file.mark() {
            settle(&mark, Instant::now() + GRACE, || false);
        }
        Ok(Self::hold(vec![file], holder))
    }

    fn hold(held: Vec<LeaseFile>, holder: Holder) -> Self {
        for file in &held {
            file.write(&format!("command={}\n", holder.word()));
        }
        Self { held }
    }

    /// The last thing that a holder does before it answers: leaves word of what the controller is
    /// about to store.
    pub(crate) fn answers(self, actions: &[Action]) {
        let mark = Mark::of(actions, GRACE).map_or_else(String::new, |mark| mark.to_string());
        for file in &self.held {
            file.write(&mark);
        }
    }
}

/// Takes the lock of each file that there can be, always in the same order: first the one that
/// everybody takes who can, and which therefore says who is at work.
fn acquire_all(cluster: &Cluster, claim: &Claim, patience: Duration) -> Result<Vec<LeaseFile>> {
    let reference = &cluster.reference;
    let (words, deadline) = (reference.to_string(), Instant::now() + patience);
    let shared = cluster.deployed.backups_dir().filter(|dir| dir.is_dir());
    let goes_on = claim.holder.goes_on_without();
    // The one beside the record is enough, where there is one.
    let is_spare = shared.is_some() || goes_on;
    let mut files = Vec::new();
    let mut keep = |path: &Path, is_spare: bool| match acquire(path, &words, deadline)? {
        Ok(file) => {
            files.push(file);
            Ok(())
        }
        Err(_) if is_spare => Ok(()),
        Err(error) => Err(unusable(path, &error)),
    };
    if let Some(dir) = shared {
        keep(&dir.join(NAME), goes_on)?;
    }
    match own_file(&claim.own_dirs, reference, NAME) {
        Ok(path) => keep(&path, is_spare)?,
        Err(_) if is_spare => {}
        Err(error) => return Err(homeless(reference, &error)),
    }
    Ok(files)
}

/// Takes the lock of one file, unless that cannot be had.
fn acquire(path: &Path, cluster: &str, deadline: Instant) -> Result<io::Result<LeaseFile>> {
    loop {
        match LeaseFile::attempt(path) {
            Ok(Some(file)) => return Ok(Ok(file)),
            Err(error) => return Ok(Err(error)),
            Ok(None) if Instant::now() >= deadline => return Err(held(path, cluster)),
            Ok(None) => thread::sleep(NAP),
        }
    }
}

/// Waits while the controller may still be storing what the last holder answered. Says whether that
/// is over.
fn settle(mark: &Mark, deadline: Instant, is_stored: impl Fn() -> bool) -> bool {
    while mark.left().is_some() && !is_stored() {
        if Instant::now() >= deadline {
            return false;
        }
        thread::sleep(5 * NAP);
    }
    true
}

fn unsettled(cluster: &ResourceRef) -> Refusal {
    Refusal::new(
        format!(
            "{cluster}: the controller has not stored yet what the last command answered; nothing was changed"
        ),
        "run the command again: it waits for that, or goes on when the controller failed to",
    )
}

fn unusable(path: &Path, error: &io::Error) -> Refusal {
    let path = path.display();
    Refusal::new(
        format!(
            "whether another command changes roles or passwords cannot be known with {path}: {error}; nothing was changed"
        ),
        format!("look at {path}: it must be a plain file; remove it and run the command again"),
    )
}

fn homeless(cluster: &ResourceRef, error: &io::Error) -> Refusal {
    Refusal::new(
        format!(
            "{cluster}: whether another command changes roles or passwords cannot be known without a directory for that: {error}; nothing was changed"
        ),
        "make that a directory of mode 0700 that the controller's user owns and can write to, and run the command again",
    )
}

fn held(path: &Path, cluster: &str) -> Refusal {
    let holder = file::holder(path);
    let named = Holder::ALL
        .into_iter()
        .find(|known| Some(known.word()) == holder.as_deref());
    let who = named.map_or_else(
        || "another command".to_owned(),
        |holder| format!("vd pg:{}", holder.word()),
    );
    Refusal::new(
        format!(
            "{cluster}: {who} is at work and changes roles, passwords or links; nothing was changed"
        ),
        format!(
            "run the command again when that one has ended, which takes at most 30 s; fuser -v {} shows its process",
            path.display()
        ),
    )
}

impl Cluster {
    /// Loads a cluster for a command that changes its roles, passwords or links.
    pub(crate) fn load_alone(
        controller: &dyn Controller,
        reference: &ResourceRef,
        claim: &Claim,
    ) -> anyhow::Result<(Self, Lease)> {
        let cluster = Self::load(controller, reference)?;
        let lease = Lease::take(&cluster, controller, claim)?;
        let cluster = Self::load(controller, reference)?;
        // What stays is removed the next time.
        let unstored = Unstored::of(&cluster, &claim.own_dirs);
        unstored.forget_stored(&cluster).ok();
        Ok((cluster, lease))
    }
}

#[cfg(test)]
mod tests;
