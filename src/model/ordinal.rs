//! The number of a pod within its statefulset.

use std::fmt;
use std::str::FromStr;

/// A pod number, spelled `0` or `[1-9][0-9]{0,4}` everywhere it is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) struct Ordinal(u16);

/// The text is not a pod number.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct NotAnOrdinal;

impl Ordinal {
    /// The pods of a statefulset of that many replicas.
    pub(crate) fn all(replicas: u16) -> impl Iterator<Item = Self> {
        (0..replicas).map(Self)
    }

    /// Whether a statefulset of that many replicas has this pod.
    pub(crate) fn exists_with(self, replicas: u16) -> bool {
        self.0 < replicas
    }
}

impl FromStr for Ordinal {
    type Err = NotAnOrdinal;

    fn from_str(text: &str) -> Result<Self, NotAnOrdinal> {
        let digits = text.bytes().all(|byte| byte.is_ascii_digit());
        let canonical = digits && (text == "0" || !text.starts_with('0'));
        match text.parse() {
            Ok(number) if canonical => Ok(Self(number)),
            _ => Err(NotAnOrdinal),
        }
    }
}

impl fmt::Display for NotAnOrdinal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("expected a pod's number such as 0")
    }
}

impl std::error::Error for NotAnOrdinal {}

impl fmt::Display for Ordinal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_canonical_numbers_are_ordinals() {
        assert_eq!("0".parse(), Ok(Ordinal(0)));
        assert_eq!("12".parse(), Ok(Ordinal(12)));
        for text in [
            "", "00", "01", "-1", "+1", " 1", "1 ", "1.0", "x", "65536", "１",
        ] {
            assert_eq!(text.parse::<Ordinal>(), Err(NotAnOrdinal), "{text:?}");
        }
    }

    #[test]
    fn an_ordinal_exists_below_the_number_of_replicas() {
        assert!(Ordinal(2).exists_with(3));
        assert!(!Ordinal(3).exists_with(3));
    }
}
