//! How an operator names work that goes on in the background.

use std::fmt;
use std::str::FromStr;

use crate::model::backup_name::BackupName;
use crate::model::refusal::Refusal;
use crate::model::restore_id::RestoreId;

/// A capture by its backup, or a restore.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum JobRef {
    Capture(BackupName),
    Restore(RestoreId),
}

impl FromStr for JobRef {
    type Err = Refusal;

    fn from_str(text: &str) -> Result<Self, Refusal> {
        if text.starts_with('r') {
            return text.parse().map(Self::Restore);
        }
        text.parse().map(Self::Capture)
    }
}

impl fmt::Display for JobRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Capture(name) => name.fmt(f),
            Self::Restore(id) => id.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_capture_or_a_restore() {
        assert!(matches!("b7".parse(), Ok(JobRef::Capture(_))));
        assert!(matches!("r7".parse(), Ok(JobRef::Restore(_))));
        assert!("x7".parse::<JobRef>().is_err());
    }
}
