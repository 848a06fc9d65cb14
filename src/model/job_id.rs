//! The ids of work that leaves no backup of that id behind: `r001` for a restore, `p001` for a
//! physical backup. They name a container and its log.

use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;

use crate::model::excerpt::excerpt;
use crate::model::refusal::Refusal;

/// Shown with three digits at least.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct JobId<const LETTER: char>(NonZeroU32);

pub(crate) type RestoreId = JobId<'r'>;
pub(crate) type PhysicalId = JobId<'p'>;

impl<const LETTER: char> JobId<LETTER> {
    /// The one after the highest there is.
    pub(crate) fn after(last: Option<u32>) -> Self {
        let next = last.unwrap_or_default().saturating_add(1);
        Self(NonZeroU32::new(next).unwrap_or(NonZeroU32::MIN))
    }

    /// The id with that number.
    pub(crate) fn new(number: u32) -> Option<Self> {
        NonZeroU32::new(number).map(Self)
    }

    /// Its number.
    pub(crate) fn number(self) -> u32 {
        self.0.get()
    }
}

impl<const LETTER: char> fmt::Display for JobId<LETTER> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{LETTER}{:03}", self.0)
    }
}

impl<const LETTER: char> FromStr for JobId<LETTER> {
    type Err = Refusal;

    fn from_str(text: &str) -> Result<Self, Refusal> {
        let digits = text.strip_prefix(LETTER).filter(|digits| {
            !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
        });
        let number = digits.and_then(|digits| digits.parse().ok());
        number.map(Self).ok_or_else(|| {
            Refusal::new(
                format!("{} is no id", excerpt(text)),
                format!("write it as {LETTER}001"),
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_spellings() {
        for text in ["r1", "r001"] {
            assert_eq!(text.parse::<RestoreId>().unwrap().to_string(), "r001");
        }
        for text in ["", "r", "r0", "b1", "p1", "r-1", "r+1", "r99999999999"] {
            assert!(text.parse::<RestoreId>().is_err(), "{text}");
        }
        assert_eq!(PhysicalId::after(None).to_string(), "p001");
        assert_eq!(PhysicalId::after(Some(9)).to_string(), "p010");
    }
}
