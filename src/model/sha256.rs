//! A checksum that an operator names.

use std::fmt;
use std::str::FromStr;

use crate::model::refusal::Refusal;

/// 64 hex digits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sha256(String);

impl FromStr for Sha256 {
    type Err = Refusal;

    fn from_str(text: &str) -> Result<Self, Refusal> {
        if text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Ok(Self(text.to_ascii_lowercase()));
        }
        Err(Refusal::new(
            "a sha256 has 64 hex digits",
            "copy the first word that sha256sum prints",
        ))
    }
}

impl fmt::Display for Sha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_whole_one() {
        let text = "0123456789ABCDEF".repeat(4);
        let sum: Sha256 = text.parse().unwrap();
        assert_eq!(sum.to_string(), text.to_lowercase());
        for text in ["", "ab", &"g".repeat(64), &"0".repeat(65)] {
            assert!(text.parse::<Sha256>().is_err());
        }
    }
}
