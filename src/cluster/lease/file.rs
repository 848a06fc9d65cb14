//! The lease's file. Its directory belongs to the postgres user, and so to whoever is superuser in
//! the database: what lies under the name can be a link, a pipe, or a file of that user's, who could
//! then hold the lock for ever.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read as _, Seek as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;

use rustix::fs::{FlockOperation, flock};

use crate::cluster::lease::mark::Mark;
use crate::cluster::record_lock::is_in_place;

/// More than is ever written there.
const LONGEST: u64 = 1024;

/// The file, locked.
pub(super) struct LeaseFile {
    file: File,
}

impl LeaseFile {
    /// One attempt: nothing while another process holds the lock, or put another file in its place.
    pub(super) fn attempt(path: &Path) -> io::Result<Option<Self>> {
        let Some(file) = open(path)? else {
            return Ok(None);
        };
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(is_in_place(&file, path)?.then_some(Self { file })),
            Err(error) if error == rustix::io::Errno::WOULDBLOCK => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// What the last holder left.
    pub(super) fn mark(&self) -> Option<Mark> {
        text(&self.file)?.parse().ok()
    }

    /// Replaces what is in the file, in the block that it has: a full disk keeps that. Where there is none
    /// yet it stays empty, and the lock holds without it.
    pub(super) fn write(&self, text: &str) {
        let mut file = &self.file;
        let written = file
            .rewind()
            .and_then(|()| file.write_all(text.as_bytes()))
            .and_then(|()| file.set_len(text.len() as u64));
        if written.is_err() {
            file.set_len(0).ok();
        }
    }
}

/// The command that says that it holds the lease.
pub(super) fn holder(path: &Path) -> Option<String> {
    let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK;
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(flags)
        .open(path)
        .ok()?;
    let text = text(&file)?;
    let command = text
        .lines()
        .find_map(|line| line.strip_prefix("command="))?;
    Some(command.to_owned())
}

fn text(mut file: &File) -> Option<String> {
    file.metadata().ok().filter(fs::Metadata::is_file)?;
    let mut text = String::new();
    file.rewind().ok()?;
    file.take(LONGEST).read_to_string(&mut text).ok()?;
    Some(text)
}

/// Opens the file, or makes it. Anything else under the name goes.
fn open(path: &Path) -> io::Result<Option<File>> {
    let opened = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK)
        .open(path);
    match opened {
        Ok(file) if is_ours(&file, path)? => Ok(Some(file)),
        Ok(_) => gone(fs::remove_file(path)).map(|()| None),
        Err(error) if error.raw_os_error() == Some(libc::ELOOP) => {
            gone(fs::remove_file(path)).map(|()| None)
        }
        Err(error) => Err(error),
    }
}

/// A plain file with one name, which the postgres user did not make.
fn is_ours(file: &File, path: &Path) -> io::Result<bool> {
    let found = file.metadata()?;
    let directory = path.parent().unwrap_or(path).metadata()?;
    let own = fs::metadata("/proc/self")?.uid();
    let is_planted = found.uid() != own && found.uid() == directory.uid();
    Ok(found.is_file() && found.nlink() == 1 && !is_planted)
}

fn gone(removed: io::Result<()>) -> io::Result<()> {
    match removed {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}
