//! How an operator names a backup.

use std::fmt;
use std::str::FromStr;

use crate::model::backup_file::{BackupFile, Part};
use crate::model::backup_id::BackupId;
use crate::model::refusal::Refusal;

/// By its id; or by its file, where an older plugin gave two backups one id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BackupName {
    Id(BackupId),
    File(BackupFile),
}

impl FromStr for BackupName {
    type Err = Refusal;

    fn from_str(text: &str) -> Result<Self, Refusal> {
        match BackupFile::parse(text) {
            Some((file, Part::Dump)) => Ok(Self::File(file)),
            _ => text.parse().map(Self::Id),
        }
    }
}

impl fmt::Display for BackupName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id(id) => id.fmt(f),
            Self::File(file) => file.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_or_a_file() {
        for text in ["b007", "b007-20260504T020000Z.dump"] {
            let name: BackupName = text.parse().unwrap();
            assert_eq!(name.to_string(), text);
        }
        for text in ["b007-20260504T020000Z.dump.partial", "7", "b007.dump"] {
            assert!(text.parse::<BackupName>().is_err(), "{text}");
        }
    }
}
