//! The id of a restore: `r001`. It names a container and its log, nothing that is kept.

use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;

use crate::model::excerpt::excerpt;
use crate::model::refusal::Refusal;

/// Shown with three digits at least.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct RestoreId(NonZeroU32);

impl RestoreId {
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

impl fmt::Display for RestoreId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "r{:03}", self.0)
    }
}

impl FromStr for RestoreId {
    type Err = Refusal;

    fn from_str(text: &str) -> Result<Self, Refusal> {
        let digits = text.strip_prefix('r').filter(|digits| {
            !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
        });
        let number = digits.and_then(|digits| digits.parse().ok());
        number.map(Self).ok_or_else(|| {
            Refusal::new(
                format!("{} is not the id of a restore", excerpt(text)),
                "write it as r001",
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
        for text in ["", "r", "r0", "b1", "r-1", "r+1", "r99999999999"] {
            assert!(text.parse::<RestoreId>().is_err(), "{text}");
        }
        assert_eq!(RestoreId::after(None).to_string(), "r001");
        assert_eq!(RestoreId::after(Some(9)).to_string(), "r010");
    }
}
