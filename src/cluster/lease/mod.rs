//! One command at a time changes the roles, the passwords or the links of a cluster. Two that read,
//! decide and answer at once would undo each other: the controller stores whatever the later one
//! answers.
//!
//! The lease is a `flock` on a file beside the record, so a plugin that is killed gives it back at
//! once. It is no part of the record: every change of that is read by the pods and costs an epoch.
//! The controller carries a reply's actions out after the plugin has exited, so the holder leaves the
//! last of them in the file, and the next holder waits until the controller has stored it.

mod file;
mod mark;

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use crate::cluster::Cluster;
use crate::cluster::lease::file::LeaseFile;
use crate::cluster::lease::mark::Mark;
use crate::controller::Controller;
use crate::model::refusal::{Refusal, Result};
use crate::model::resource_ref::ResourceRef;
use crate::wire::action::Action;

/// The file's name in a cluster's backups directory.
const NAME: &str = ".lease";

/// A command that waits for another one has less than 30 s for itself.
const PATIENCE: Duration = Duration::from_secs(8);

/// The controller stores a reply's actions within milliseconds. After this time it has, or it failed.
const GRACE: Duration = Duration::from_secs(4);

const NAP: Duration = Duration::from_millis(20);

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
    /// None where no file can be locked: there is no backups directory yet, or it is a docker volume,
    /// where those commands refuse to run.
    held: Option<LeaseFile>,
}

impl Lease {
    /// Waits until no other command has the lease, and until the controller has stored what the last
    /// one answered. Whatever was read of the cluster before is to be read again.
    pub(crate) fn take(
        cluster: &Cluster,
        controller: &dyn Controller,
        holder: Holder,
    ) -> Result<Self> {
        let Some(dir) = cluster.deployed.backups_dir() else {
            return Ok(Self { held: None });
        };
        let Some(file) = acquire(dir, &cluster.reference.to_string(), holder, PATIENCE)? else {
            return Ok(Self { held: None });
        };
        if let Some(mark) = file.mark() {
            settle(&mark, || mark.is_stored(controller));
        }
        Ok(Self::hold(file, holder))
    }

    /// Takes the lease when nobody has it and nothing is left to be stored.
    pub(crate) fn take_now(
        cluster: &Cluster,
        controller: &dyn Controller,
        holder: Holder,
    ) -> Option<Self> {
        let dir = cluster.deployed.backups_dir()?;
        let file = acquire(dir, "", holder, Duration::ZERO).ok().flatten()?;
        let is_settled = file
            .mark()
            .is_none_or(|mark| mark.left().is_none() || mark.is_stored(controller));
        is_settled.then(|| Self::hold(file, holder))
    }

    /// As [`Lease::take`], by a job in a container, which cannot ask the controller.
    pub(crate) fn take_alone(dir: &Path, cluster: &str, holder: Holder) -> Result<Self> {
        let Some(file) = acquire(dir, cluster, holder, 3 * PATIENCE)? else {
            return Ok(Self { held: None });
        };
        if let Some(mark) = file.mark() {
            settle(&mark, || false);
        }
        Ok(Self::hold(file, holder))
    }

    fn hold(file: LeaseFile, holder: Holder) -> Self {
        file.write(&format!("command={}\n", holder.word()));
        Self { held: Some(file) }
    }

    /// The last thing that a holder does before it answers: leaves word of what the controller is
    /// about to store.
    pub(crate) fn answers(self, actions: &[Action]) {
        let Some(file) = &self.held else { return };
        file.write(&Mark::of(actions, GRACE).map_or_else(String::new, |mark| mark.to_string()));
    }
}

/// Takes the file's lock. None where no file can be had.
fn acquire(
    dir: &Path,
    cluster: &str,
    holder: Holder,
    patience: Duration,
) -> Result<Option<LeaseFile>> {
    if !dir.is_dir() {
        return Ok(None);
    }
    let path = dir.join(NAME);
    let deadline = Instant::now() + patience;
    loop {
        match LeaseFile::attempt(&path) {
            Ok(Some(file)) => return Ok(Some(file)),
            Err(_) if holder.goes_on_without() => return Ok(None),
            Err(error) => return Err(unusable(&path, &error)),
            Ok(None) if Instant::now() >= deadline => return Err(held(&path, cluster)),
            Ok(None) => thread::sleep(NAP),
        }
    }
}

/// Waits while the controller may still be storing what the last holder answered.
fn settle(mark: &Mark, is_stored: impl Fn() -> bool) {
    while mark.left().is_some() && !is_stored() {
        thread::sleep(5 * NAP);
    }
}

fn unusable(path: &Path, error: &std::io::Error) -> Refusal {
    let path = path.display();
    Refusal::new(
        format!(
            "whether another command changes roles or passwords cannot be known with {path}: {error}; nothing was changed"
        ),
        format!("look at {path}: it must be a plain file; remove it and run the command again"),
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
        holder: Holder,
    ) -> anyhow::Result<(Self, Lease)> {
        let cluster = Self::load(controller, reference)?;
        let lease = Lease::take(&cluster, controller, holder)?;
        Ok((Self::load(controller, reference)?, lease))
    }
}

#[cfg(test)]
mod tests;
