//! The files of a backup: `b007-20260504T020000Z.dump`, what it is called while it is written, and
//! its checksum beside it.

use std::fmt;

use crate::model::backup_id::BackupId;
use crate::model::timestamp::Timestamp;

/// A dump's name. Ordered by id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct BackupFile {
    pub(crate) id: BackupId,
    pub(crate) taken_at: Timestamp,
}

/// Which file of a backup a name is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    /// Complete: it got this name after it was read back.
    Dump,
    /// `….partial`: it, or its checksum, is still being written, or was given up.
    Partial,
    /// `….sha256`: the dump was verified when this was written.
    Checksum,
}

const PARTIAL: &str = ".partial";
/// How the name of a checksum ends.
pub(crate) const CHECKSUM: &str = ".sha256";

impl BackupFile {
    /// Reads a file name; one that is spelled in any other way is none of ours.
    pub(crate) fn parse(name: &str) -> Option<(Self, Part)> {
        let (stem, part) = if let Some(stem) = name.strip_suffix(PARTIAL) {
            (stem.strip_suffix(CHECKSUM).unwrap_or(stem), Part::Partial)
        } else if let Some(stem) = name.strip_suffix(CHECKSUM) {
            (stem, Part::Checksum)
        } else {
            (name, Part::Dump)
        };
        let (number, time) = stem.strip_suffix(".dump")?.split_once('-')?;
        let id: BackupId = number.parse().ok()?;
        let taken_at = Timestamp::parse_compact(time)?;
        (id.to_string() == number).then_some((Self { id, taken_at }, part))
    }

    /// The name of its checksum.
    pub(crate) fn checksum(&self) -> String {
        format!("{self}{CHECKSUM}")
    }
}

/// The dump's own name.
impl fmt::Display for BackupFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}.dump", self.id, self.taken_at.compact())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DUMP: &str = "b007-20260504T020000Z.dump";

    #[test]
    fn the_names_of_a_backup() {
        let (file, part) = BackupFile::parse(DUMP).unwrap();
        assert_eq!((file.to_string(), part), (DUMP.to_owned(), Part::Dump));
        assert_eq!(
            BackupFile::parse(&file.checksum()),
            Some((file, Part::Checksum))
        );
        for name in [".partial", ".sha256.partial"] {
            let name = format!("{DUMP}{name}");
            assert_eq!(BackupFile::parse(&name), Some((file, Part::Partial)));
        }
    }

    #[test]
    fn everything_else_is_not_ours() {
        for name in [
            "",
            "b007.dump",
            "b7-20260504T020000Z.dump",
            "b0007-20260504T020000Z.dump",
            "b007-2026-05-04T02:00:00Z.dump",
            "b007-20260504T020000Z.dump.gz",
            "b007-20260504T020000Z.dump.partial.sha256",
            "b007-20260504T020000Z.dump ",
            "../b007-20260504T020000Z.dump",
            ".b007-20260504T020000Z.dump",
            "b99999999999-20260504T020000Z.dump",
            "b007-20260504T020000Z.sha256",
        ] {
            assert_eq!(BackupFile::parse(name), None, "{name:?}");
        }
    }
}
