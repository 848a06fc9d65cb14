//! A cluster's backups directory on this host. The database's superuser, which every linked
//! application is, may write there, and the plugin is root: every name is one component below one
//! open directory, no link is ever followed, and whatever is not a regular file does not exist.

use std::fs::File;
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use rustix::fs::{AtFlags, CWD, Dir, FileType, FlockOperation, Mode, OFlags};
use rustix::io::Errno;

use crate::model::refusal::Refusal;

/// Held while an id is taken, and while backups are chosen and deleted.
const LOCK: &str = ".last-id.lock";

/// Longer than a capture needs to start.
const PATIENCE: Duration = Duration::from_secs(8);

/// An open directory.
pub(crate) struct Directory {
    path: PathBuf,
    fd: OwnedFd,
}

/// A regular file in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) name: String,
    pub(crate) size: u64,
}

/// Nobody else takes an id, or deletes a backup, while this lives. A plugin that is killed gives it back.
pub(crate) struct Lock(#[expect(dead_code, reason = "closing it gives the lock back")] OwnedFd);

impl Directory {
    /// Opens the directory; nothing when there is none. Its own path is root's, so a link on the
    /// way is the operator's wish.
    pub(crate) fn open(path: &Path) -> anyhow::Result<Option<Self>> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        match rustix::fs::open(path, flags, Mode::empty()) {
            Ok(fd) => Ok(Some(Self {
                path: path.to_owned(),
                fd,
            })),
            Err(Errno::NOENT) => Ok(None),
            Err(error) => Err(error).with_context(|| format!("open {}", path.display())),
        }
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The regular files, in no order. Names that are not UTF-8 are not ours.
    pub(crate) fn entries(&self) -> anyhow::Result<Vec<Entry>> {
        self.list()
            .with_context(|| format!("read {}", self.path.display()))
    }

    fn list(&self) -> rustix::io::Result<Vec<Entry>> {
        let mut entries = Vec::new();
        for entry in Dir::read_from(&self.fd)? {
            let entry = entry?;
            let known = entry.file_type();
            let Ok(name) = entry.file_name().to_str() else {
                continue;
            };
            if !matches!(known, FileType::RegularFile | FileType::Unknown) {
                continue;
            }
            match self.size(name) {
                Ok(Some(size)) => entries.push(Entry {
                    name: name.to_owned(),
                    size,
                }),
                // It may have been deleted meanwhile.
                Ok(None) | Err(Errno::NOENT) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(entries)
    }

    fn size(&self, name: &str) -> rustix::io::Result<Option<u64>> {
        let stat = rustix::fs::statat(&self.fd, name, AtFlags::SYMLINK_NOFOLLOW)?;
        let regular = FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile;
        Ok(regular.then(|| stat.st_size.try_into().unwrap_or_default()))
    }

    /// Opens a regular file for reading; neither a link nor a pipe holds it up.
    pub(crate) fn open_file(&self, name: &str) -> io::Result<File> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = File::from(self.openat(name, flags, Mode::empty())?);
        if file.metadata()?.is_file() {
            Ok(file)
        } else {
            Err(ErrorKind::InvalidData.into())
        }
    }

    /// Makes a file that was not there, readable by its owner only.
    pub(crate) fn create_file(&self, name: &str) -> io::Result<File> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        Ok(File::from(self.openat(
            name,
            flags | OFlags::NOFOLLOW,
            Mode::RUSR | Mode::WUSR,
        )?))
    }

    /// The text of a small file; nothing when there is none that can be read as one.
    pub(crate) fn read_text(&self, name: &str) -> Option<String> {
        const LONGEST: u64 = 4096;
        let file = self.open_file(name).ok()?;
        let mut text = String::new();
        file.take(LONGEST).read_to_string(&mut text).ok()?;
        Some(text)
    }

    /// Puts a text in a file's place, whole or not at all, and on disk before it counts.
    /// `temporary` must not be guessable.
    pub(crate) fn replace(&self, name: &str, temporary: &str, text: &str) -> io::Result<()> {
        self.install(name, temporary, text, |_| Ok(()))
    }

    /// The same, for the owner of the directory to read, who is the pods' server.
    pub(crate) fn hand_over(&self, name: &str, temporary: &str, text: &str) -> io::Result<()> {
        let owner = rustix::fs::fstat(&self.fd)?.st_uid;
        self.install(name, temporary, text, |file| {
            std::os::unix::fs::fchown(file, Some(owner), None)
        })
    }

    fn install(
        &self,
        name: &str,
        temporary: &str,
        text: &str,
        prepare: impl Fn(&File) -> io::Result<()>,
    ) -> io::Result<()> {
        let mut file = self.create_file(temporary)?;
        let written = file
            .write_all(text.as_bytes())
            .and_then(|()| prepare(&file))
            .and_then(|()| file.sync_all())
            .and_then(|()| Ok(rustix::fs::renameat(&self.fd, temporary, &self.fd, name)?));
        if written.is_err() {
            self.remove(temporary)?;
            return written;
        }
        // A rename is on disk once its directory is.
        Ok(rustix::fs::fsync(&self.fd)?)
    }

    /// Gives a file of the host a second name here; both must be on one disk.
    pub(crate) fn link(&self, file: &Path, name: &str) -> io::Result<()> {
        check(name)?;
        let flags = AtFlags::empty();
        Ok(rustix::fs::linkat(CWD, file, &self.fd, name, flags)?)
    }

    /// Removes a file or whatever has its name; answers whether there was one. A directory of that
    /// name stays.
    pub(crate) fn remove(&self, name: &str) -> io::Result<bool> {
        check(name)?;
        match rustix::fs::unlinkat(&self.fd, name, AtFlags::empty()) {
            Ok(()) => Ok(true),
            Err(Errno::NOENT) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// The bytes that can still be written here.
    pub(crate) fn free_space(&self) -> anyhow::Result<u64> {
        let stat = rustix::fs::fstatvfs(&self.fd)
            .with_context(|| format!("ask for the free space of {}", self.path.display()))?;
        Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
    }

    /// Waits for its turn to take an id.
    pub(crate) fn lock(&self) -> anyhow::Result<Lock> {
        let busy = || {
            Refusal::new(
                format!(
                    "another command is just making or deleting backups in {}",
                    self.path.display()
                ),
                format!(
                    "run it again in a moment; if it stays so, see who holds {LOCK} there (fuser -v)"
                ),
            )
        };
        let deadline = Instant::now() + PATIENCE;
        loop {
            let attempt = self.attempt();
            let path = || self.path.join(LOCK);
            if let Some(lock) = attempt.with_context(|| format!("lock {}", path().display()))? {
                return Ok(lock);
            }
            if Instant::now() >= deadline {
                return Err(busy().into());
            }
            thread::sleep(Duration::from_millis(50));
        }
    }

    /// One attempt: nothing while somebody else holds the lock, or put another file in its place.
    fn attempt(&self) -> io::Result<Option<Lock>> {
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::NONBLOCK;
        let file = self.openat(LOCK, flags | OFlags::CLOEXEC, Mode::RUSR | Mode::WUSR)?;
        match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(self.is_in_place(&file)?.then_some(Lock(file))),
            Err(Errno::WOULDBLOCK) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Whoever removed the file meanwhile made others lock another one.
    fn is_in_place(&self, file: &OwnedFd) -> io::Result<bool> {
        let ours = rustix::fs::fstat(file)?;
        match rustix::fs::statat(&self.fd, LOCK, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(there) => Ok((there.st_dev, there.st_ino) == (ours.st_dev, ours.st_ino)),
            Err(Errno::NOENT) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    fn openat(&self, name: &str, flags: OFlags, mode: Mode) -> io::Result<OwnedFd> {
        check(name)?;
        Ok(rustix::fs::openat(&self.fd, name, flags, mode)?)
    }
}

/// A name must not lead out of the directory.
fn check(name: &str) -> io::Result<()> {
    if name.contains('/') || matches!(name, "" | "." | "..") {
        return Err(ErrorKind::InvalidInput.into());
    }
    Ok(())
}

#[cfg(test)]
#[path = "directory_tests.rs"]
mod tests;
