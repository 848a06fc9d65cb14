//! A position in the write-ahead log.

use std::fmt;
use std::str::FromStr;

/// As postgres prints it: `16/B374D848`, both halves in upper-case hex.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) struct Lsn(u64);

/// The text is not a position.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct NotAnLsn;

impl Lsn {
    /// How many bytes of the log lie between an earlier position and this one; none when it is
    /// not earlier.
    pub(crate) fn bytes_since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

impl FromStr for Lsn {
    type Err = NotAnLsn;

    fn from_str(text: &str) -> Result<Self, NotAnLsn> {
        let digit = |byte: u8| byte.is_ascii_digit() || (b'A'..=b'F').contains(&byte);
        let half = |part: &str| match part.len() {
            1..=8 if part.bytes().all(digit) => u64::from_str_radix(part, 16).ok(),
            _ => None,
        };
        let (high, low) = text.split_once('/').ok_or(NotAnLsn)?;
        match (half(high), half(low)) {
            (Some(high), Some(low)) => Ok(Self(high << 32 | low)),
            _ => Err(NotAnLsn),
        }
    }
}

impl fmt::Display for Lsn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:X}/{:X}", self.0 >> 32, self.0 & 0xFFFF_FFFF)
    }
}

impl fmt::Display for NotAnLsn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("expected a position such as 16/B374D848")
    }
}

impl std::error::Error for NotAnLsn {}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn only_what_postgres_prints_is_a_position() {
        assert_eq!("16/B374D848".parse(), Ok(Lsn(0x16_B374_D848)));
        for text in [
            "",
            "/",
            "0",
            "0/",
            "/0",
            "0/123456789",
            "0/g",
            "0/ab",
            "0/1/2",
            "+1/0",
            " 0/0",
        ] {
            assert_eq!(text.parse::<Lsn>(), Err(NotAnLsn), "{text:?}");
        }
    }

    #[test]
    fn the_distance_is_never_negative() {
        let [earlier, later]: [Lsn; 2] = ["0/FFFFFFFF", "1/1"].map(|text| text.parse().unwrap());
        assert_eq!(
            (later.bytes_since(earlier), earlier.bytes_since(later)),
            (2, 0)
        );
    }

    proptest! {
        #[test]
        fn a_position_is_read_back(position: u64) {
            prop_assert_eq!(Lsn(position).to_string().parse(), Ok(Lsn(position)));
        }
    }
}
