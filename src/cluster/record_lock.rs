//! The lock under which plugin and pods change the topology record: `flock` on a file beside it,
//! which works through the bind mount. Whoever may write in the directory may also plant anything
//! in the file's place, remove it, or hold the lock for ever.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, flock};

use crate::model::refusal::{Refusal, Result};

/// The lock's name in a cluster's backups directory.
const NAME: &str = ".topology.lock";

/// The pods hold it for the time of two syncs.
pub(crate) const PATIENCE: Duration = Duration::from_secs(5);

const NAP: Duration = Duration::from_millis(10);

/// The lock, held until this is dropped.
pub(crate) struct RecordLock {
    _file: File,
}

impl RecordLock {
    /// Waits for the lock of a backups directory.
    pub(crate) fn take(backups_dir: &Path, patience: Duration) -> Result<Self> {
        let path = backups_dir.join(NAME);
        let deadline = Instant::now() + patience;
        loop {
            if let Some(file) = attempt(&path).map_err(|error| unusable(&path, &error))? {
                return Ok(Self { _file: file });
            }
            if Instant::now() >= deadline {
                return Err(held(&path, patience));
            }
            thread::sleep(NAP);
        }
    }
}

/// One attempt: nothing while somebody else holds the lock, or put another file in its place.
fn attempt(path: &Path) -> io::Result<Option<File>> {
    let Some(file) = open(path)? else {
        return Ok(None);
    };
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(is_in_place(&file, path)?.then_some(file)),
        Err(error) if error == rustix::io::Errno::WOULDBLOCK => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Opens the plain file, or makes it. What else is there goes: a pipe would block the pods, a link
/// would make them create what it points at.
fn open(path: &Path) -> io::Result<Option<File>> {
    let created = match fs::symlink_metadata(path) {
        Ok(found) if found.is_file() => false,
        Ok(found) if found.is_dir() => return Err(ErrorKind::IsADirectory.into()),
        Ok(_) => return gone(fs::remove_file(path)).map(|()| None),
        Err(error) if error.kind() == ErrorKind::NotFound => true,
        Err(error) => return Err(error),
    };
    let opened = OpenOptions::new()
        .read(true)
        .write(created)
        .create_new(created)
        .mode(0o644)
        .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK)
        .open(path);
    match opened {
        Ok(file) => Ok(file.metadata()?.is_file().then_some(file)),
        // It changed since it was looked at.
        Err(error) if matches!(error.kind(), ErrorKind::AlreadyExists | ErrorKind::NotFound) => {
            Ok(None)
        }
        Err(error) if error.raw_os_error() == Some(libc::ELOOP) => Ok(None),
        Err(error) => Err(error),
    }
}

fn gone(removed: io::Result<()>) -> io::Result<()> {
    match removed {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

/// Whoever removed the file meanwhile made others lock another one.
pub(super) fn is_in_place(file: &File, path: &Path) -> io::Result<bool> {
    let ours = file.metadata()?;
    match fs::symlink_metadata(path) {
        Ok(there) => Ok(there.dev() == ours.dev() && there.ino() == ours.ino()),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

fn unusable(path: &Path, error: &io::Error) -> Refusal {
    let path = path.display();
    Refusal::new(
        format!("the topology record cannot be locked with {path}: {error}"),
        format!("look at {path}: it must be a plain file; remove it and run the command again"),
    )
}

fn held(path: &Path, patience: Duration) -> Refusal {
    let (path, seconds) = (path.display(), patience.as_secs_f32());
    Refusal::new(
        format!("somebody has held the lock {path} of the topology record for {seconds} s"),
        format!("see who does (fuser -v {path}), and run the command again"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;
    use std::process::Command;

    const SHORT: Duration = Duration::from_millis(200);

    fn made(program: &str, path: &Path) {
        assert!(Command::new(program).arg(path).status().unwrap().success());
    }

    #[test]
    fn one_at_a_time() {
        let dir = tempfile::tempdir().unwrap();
        let first = RecordLock::take(dir.path(), SHORT).unwrap();
        let refused = RecordLock::take(dir.path(), SHORT).err().unwrap();
        assert!(refused.to_string().starts_with("somebody has held"));
        drop(first);
        RecordLock::take(dir.path(), SHORT).unwrap();
    }

    #[test]
    fn the_shell_of_the_pods_waits_for_it() {
        let dir = tempfile::tempdir().unwrap();
        let held = RecordLock::take(dir.path(), SHORT).unwrap();
        let status = || {
            let mut shell = Command::new("flock");
            let shell = shell.args(["-n".as_ref(), dir.path().join(NAME).as_os_str()]);
            shell.arg("true").status().unwrap()
        };
        assert!(!status().success());
        drop(held);
        assert!(status().success());
    }

    #[test]
    fn a_removed_file_is_not_the_lock() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(NAME);
        let file = open(&path).unwrap().unwrap();
        fs::remove_file(&path).unwrap();
        assert!(!is_in_place(&file, &path).unwrap());
        fs::write(&path, "").unwrap();
        assert!(!is_in_place(&file, &path).unwrap());
    }

    #[test]
    fn what_was_planted_goes_and_leads_nowhere() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(NAME);
        let elsewhere = dir.path().join("elsewhere");
        symlink(&elsewhere, &path).unwrap();
        RecordLock::take(dir.path(), SHORT).unwrap();
        assert!(!elsewhere.exists());
        fs::remove_file(&path).unwrap();
        made("mkfifo", &path);
        RecordLock::take(dir.path(), SHORT).unwrap();
        assert!(fs::symlink_metadata(&path).unwrap().is_file());
    }

    #[test]
    fn a_directory_in_its_place_is_named() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join(NAME)).unwrap();
        let refusal = RecordLock::take(dir.path(), SHORT).err().unwrap();
        assert!(refusal.to_string().contains(NAME), "{refusal}");
    }
}
