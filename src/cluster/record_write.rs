//! Changes the topology record, together with the pods: under the lock, only while it still is what
//! the change was decided on, and whole or not at all.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::cluster::record_file::{self, NAME, read};
use crate::cluster::record_lock::{PATIENCE, RecordLock};
use crate::model::refusal::{Refusal, Result};
use crate::model::resource_ref::ResourceRef;
use crate::model::topology_record::{State, TopologyRecord};

/// The pods remove what a killed writer left under such a name.
const TEMPORARY: &str = ".topology.voodu.";

/// Which restore the data come from (`RESTORED` in `restore.sh`). The pod writes it before the record
/// that ends the maintenance, and only that record makes the restore count.
const RESTORED: &str = ".restored";

/// Fills a buffer with bytes that nobody can guess.
pub(crate) type Random<'a> = &'a dyn Fn(&mut [u8]) -> io::Result<()>;

/// A record that can be changed.
#[derive(Clone, Copy)]
pub(crate) struct RecordWriter<'a> {
    pub(crate) backups_dir: &'a Path,
    pub(crate) random: Random<'a>,
}

/// What became of a change.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Change {
    Done,
    /// Somebody else was first: this is the record now. Whoever gets this decides again.
    Overtaken(Option<TopologyRecord>),
}

/// For whoever does not decide again by itself.
pub(crate) fn overtaken(cluster: &ResourceRef) -> Refusal {
    Refusal::new(
        format!(
            "{cluster}: the record of who is primary was changed by somebody else at the same moment"
        ),
        "run the command again",
    )
}

impl RecordWriter<'_> {
    /// The record as it is now.
    pub(crate) fn current(&self) -> Result<Option<TopologyRecord>> {
        read(self.backups_dir)
    }

    /// Puts the next record in the place of the one that the change was decided on.
    pub(crate) fn replace(
        &self,
        decided_on: Option<&TopologyRecord>,
        next: &TopologyRecord,
    ) -> Result<Change> {
        self.replace_when(decided_on, next, &|| Ok(()))
    }

    /// The same where `allowed` has no objection. It is asked under the lock, so no pod changes the
    /// record meanwhile, and must answer before the pods give up on the lock after 10 s.
    pub(crate) fn replace_when(
        &self,
        decided_on: Option<&TopologyRecord>,
        next: &TopologyRecord,
        allowed: &dyn Fn() -> Result<()>,
    ) -> Result<Change> {
        self.replace_within(PATIENCE, decided_on, next, allowed)
    }

    fn replace_within(
        &self,
        patience: Duration,
        decided_on: Option<&TopologyRecord>,
        next: &TopologyRecord,
        allowed: &dyn Fn() -> Result<()>,
    ) -> Result<Change> {
        let _lock = RecordLock::take(self.backups_dir, patience)?;
        let current = read(self.backups_dir)?;
        if !is_same(current.as_ref(), decided_on) {
            return Ok(Change::Overtaken(current));
        }
        allowed()?;
        let text = next.to_string();
        if text.parse().as_ref() != Ok(next) {
            return Err(self.failed("cannot hold the next epoch"));
        }
        let ended = current.filter(|current| current.state == State::Maintenance);
        let withdrawn = ended.map_or(Ok(()), |ended| self.withdraw(&ended));
        match withdrawn.and_then(|()| self.install(NAME, text.as_bytes())) {
            Ok(()) => Ok(Change::Done),
            Err(error) => Err(self.failed(&format!("cannot be written: {error}"))),
        }
    }

    /// A maintenance that the pods did not end: where the restored pod has already noted that its
    /// data come from it, that note is taken back before the record goes on.
    fn withdraw(&self, ended: &TopologyRecord) -> io::Result<()> {
        let (cluster, epoch) = (&ended.cluster, ended.epoch);
        let note = record_file::open(&self.backups_dir.join(RESTORED));
        let note = match note.and_then(record_file::text) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            note => note?,
        };
        if note.lines().all(|line| line != format!("epoch={epoch}")) {
            return Ok(());
        }
        let note = format!("cluster={cluster}\nwithdrawn={epoch}\n");
        self.install(RESTORED, note.as_bytes())
    }

    fn install(&self, name: &str, text: &[u8]) -> io::Result<()> {
        let (temporary, mut file) = self.temporary()?;
        let written = file
            .write_all(text)
            .and_then(|()| file.set_permissions(fs::Permissions::from_mode(0o644)))
            .and_then(|()| file.sync_all())
            .and_then(|()| fs::rename(&temporary, self.backups_dir.join(name)));
        if let Err(error) = written {
            // The first error counts; the pods remove what is left.
            fs::remove_file(&temporary).ok();
            return Err(error);
        }
        File::open(self.backups_dir)?.sync_all()
    }

    /// A new file under a name that nobody could plant anything at.
    fn temporary(&self) -> io::Result<(PathBuf, File)> {
        const LETTERS: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
        let mut bytes = [0; 6];
        (self.random)(&mut bytes)?;
        let letters = bytes.map(|byte| char::from(LETTERS[usize::from(byte) % LETTERS.len()]));
        let name: String = TEMPORARY.chars().chain(letters).collect();
        let path = self.backups_dir.join(name);
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .custom_flags(libc::O_NOFOLLOW)
            .open(&path)?;
        Ok((path, file))
    }

    fn failed(&self, problem: &str) -> Refusal {
        let record = self.backups_dir.join(NAME);
        let record = record.display();
        Refusal::new(
            format!("the topology record {record} {problem}"),
            format!(
                "see that {record} is a plain file and that its disk has room, and run the command again"
            ),
        )
    }
}

/// The record that was decided on, as far as the pods compare it as well.
fn is_same(current: Option<&TopologyRecord>, decided_on: Option<&TopologyRecord>) -> bool {
    let identity = |record: &TopologyRecord| {
        (
            record.cluster.clone(),
            record.epoch,
            std::mem::discriminant(&record.state),
        )
    };
    current.map(identity) == decided_on.map(identity)
}

#[cfg(test)]
#[path = "record_write_tests.rs"]
mod tests;
