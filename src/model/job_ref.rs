//! How an operator names work that goes on in the background.

use std::fmt;
use std::str::FromStr;

use crate::model::backup_name::BackupName;
use crate::model::job_id::{PhysicalId, RestoreId};
use crate::model::refusal::Refusal;

/// A capture by its backup; other work by its own id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum JobRef {
    Capture(BackupName),
    Restore(RestoreId),
    Physical(PhysicalId),
}

impl FromStr for JobRef {
    type Err = Refusal;

    fn from_str(text: &str) -> Result<Self, Refusal> {
        match text.chars().next() {
            Some('r') => text.parse().map(Self::Restore),
            Some('p') => text.parse().map(Self::Physical),
            _ => text.parse().map(Self::Capture),
        }
    }
}

impl fmt::Display for JobRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Capture(name) => name.fmt(f),
            Self::Restore(id) => id.fmt(f),
            Self::Physical(id) => id.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_capture_a_restore_or_a_physical_backup() {
        for (text, expected) in [("b7", "b007"), ("r7", "r007"), ("p7", "p007")] {
            assert_eq!(text.parse::<JobRef>().unwrap().to_string(), expected);
        }
        assert!("x7".parse::<JobRef>().is_err());
    }
}
