//! The number of a backup: `b007`.

use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;

use crate::model::excerpt::excerpt;
use crate::model::refusal::{Refusal, Result};

/// Counts up for each cluster and is never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct BackupId(NonZeroU32);

impl BackupId {
    /// The id after that one; none after the last.
    pub(crate) fn after(last: Option<Self>) -> Option<Self> {
        let last = last.map_or(0, |id| id.0.get());
        last.checked_add(1).and_then(Self::new)
    }

    /// Its number.
    pub(crate) fn number(self) -> u32 {
        self.0.get()
    }

    /// The id with that number.
    pub(crate) fn new(number: u32) -> Option<Self> {
        NonZeroU32::new(number).map(Self)
    }
}

impl FromStr for BackupId {
    type Err = Refusal;

    /// Takes any number of zeros: `b7`, `b007` and `b0007` are the same.
    fn from_str(text: &str) -> Result<Self> {
        let digits = text.strip_prefix('b').unwrap_or_default();
        let all = digits.bytes().all(|byte| byte.is_ascii_digit());
        let number = digits.parse().ok().filter(|_| all);
        number.and_then(Self::new).ok_or_else(|| {
            Refusal::new(
                format!(
                    "expected the id of a backup such as b007, got {}",
                    excerpt(text)
                ),
                "vd pg:backups lists them",
            )
        })
    }
}

impl fmt::Display for BackupId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "b{:03}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zeros_do_not_matter() {
        for text in ["b7", "b007", "b0000007"] {
            assert_eq!(text.parse::<BackupId>().unwrap().to_string(), "b007");
        }
        assert_eq!("b1234".parse::<BackupId>().unwrap().to_string(), "b1234");
    }

    #[test]
    fn everything_else_is_no_id() {
        for text in [
            "",
            "b",
            "7",
            "b0",
            "b-1",
            "b+1",
            "b 1",
            "B1",
            "b4294967296",
            "b１",
        ] {
            assert!(text.parse::<BackupId>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn ids_count_up_and_end() {
        let first = BackupId::after(None).unwrap();
        assert_eq!(first.to_string(), "b001");
        assert_eq!(BackupId::after(Some(first)), BackupId::new(2));
        assert_eq!(BackupId::after(BackupId::new(u32::MAX)), None);
    }
}
