//! The host side of the topology record. The directory is writable by the database's superuser,
//! which every linked app is, so nothing in it is trusted.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::time::SystemTime;

use crate::model::refusal::{Refusal, Result};
use crate::model::topology_record::TopologyRecord;

/// The record's name in a cluster's backups directory.
pub(crate) const NAME: &str = ".topology";

/// More than any record needs, so what is cut off there is none.
const LONGEST: u64 = 4096;

/// Reads the record in a backups directory. Only one that is not there is no record: one that cannot be
/// read, or is anything but a record in a regular file, is refused.
pub(crate) fn read(backups_dir: &Path) -> Result<Option<TopologyRecord>> {
    let path = backups_dir.join(NAME);
    let unusable = |problem: &str| {
        Refusal::new(
            format!("the topology record {} {problem}", path.display()),
            "look at the file, and remove it if it does not belong there: the pods write it again",
        )
    };
    let unread = |error: &io::Error| {
        Refusal::new(
            format!(
                "the topology record {} cannot be read: {error}",
                path.display()
            ),
            "see that the disk and the directory can be read, and run the command again",
        )
    };
    let file = match open(&path) {
        Ok(file) => file,
        Err(error) if error.raw_os_error() == Some(libc::ELOOP) => {
            return Err(unusable("is a symbolic link"));
        }
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(unread(&error)),
    };
    let text = match text(file) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::InvalidData => {
            return Err(unusable("is not a regular file of text"));
        }
        Err(error) => return Err(unread(&error)),
    };
    match text.parse() {
        Ok(record) => Ok(Some(record)),
        Err(_) => Err(unusable("cannot be read as one")),
    }
}

/// When the record in a backups directory was last changed.
pub(crate) fn changed_at(backups_dir: &Path) -> Option<SystemTime> {
    let record = backups_dir.join(NAME).symlink_metadata();
    record.and_then(|record| record.modified()).ok()
}

/// Opens without following a link and without waiting for the other end of a pipe.
pub(super) fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK)
        .open(path)
}

/// The text of a plain file that is not too long for one.
pub(super) fn text(file: File) -> io::Result<String> {
    if !file.metadata()?.is_file() {
        return Err(ErrorKind::InvalidData.into());
    }
    let mut text = String::new();
    file.take(LONGEST).read_to_string(&mut text)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;
    use std::process::Command;

    const RECORD: &str =
        "cluster=0123456789abcdef0123456789abcdef\nepoch=1\nprimary=0\nstate=steady\n";

    #[test]
    fn a_record_or_none() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(read(dir.path()), Ok(None));
        assert_eq!(read(&dir.path().join("absent")), Ok(None));
        fs::write(dir.path().join(NAME), RECORD).unwrap();
        assert_eq!(read(dir.path()).unwrap().unwrap().to_string(), RECORD);
    }

    /// Who is primary is not known then, and is not the initial primary for that.
    #[test]
    fn what_cannot_be_read_is_not_missing() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        fs::write(&file, "").unwrap();
        let refusal = read(&file).unwrap_err().to_string();
        assert!(
            refusal.contains("/file/.topology cannot be read: Not a directory"),
            "{refusal}"
        );
    }

    fn plant(what: &str, path: &Path) {
        match what {
            "garbage" => fs::write(path, "primary=0\n").unwrap(),
            "binary" => fs::write(path, b"\xff\0").unwrap(),
            "huge" => fs::write(path, "#".repeat(1_000_000)).unwrap(),
            "directory" => fs::create_dir(path).unwrap(),
            "link" => {
                fs::write(path.with_extension("real"), RECORD).unwrap();
                symlink(path.with_extension("real"), path).unwrap();
            }
            _ => assert!(Command::new("mkfifo").arg(path).status().unwrap().success()),
        }
    }

    #[test]
    fn whatever_else_was_planted_is_refused_by_name() {
        for what in ["garbage", "binary", "huge", "directory", "link", "pipe"] {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join(NAME);
            plant(what, &path);
            let refusal = read(dir.path()).unwrap_err().to_string();
            assert!(
                refusal.contains(path.to_str().unwrap()),
                "{what}: {refusal}"
            );
        }
    }
}
