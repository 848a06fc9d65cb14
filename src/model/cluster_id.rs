//! The identity of a cluster: which data, bucket and topology record belong together.

use std::fmt;
use std::str::FromStr;

/// 32 lower-case hex digits, chosen once per cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ClusterId(String);

/// The text is not a cluster id.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct NotAClusterId;

impl ClusterId {
    /// An id made of 16 random bytes.
    pub(crate) fn from_random(bytes: [u8; 16]) -> Self {
        Self(hex::encode(bytes))
    }
}

impl FromStr for ClusterId {
    type Err = NotAClusterId;

    fn from_str(text: &str) -> Result<Self, NotAClusterId> {
        let hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        if text.len() == 32 && text.bytes().all(hex) {
            Ok(Self(text.to_owned()))
        } else {
            Err(NotAClusterId)
        }
    }
}

impl fmt::Display for ClusterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_32_hex_digits() {
        let id = ClusterId::from_random([0xab; 16]);
        assert_eq!(id.to_string().parse(), Ok(id));
        for text in [
            "",
            "ab",
            &"AB".repeat(16),
            &"zz".repeat(16),
            &"ab".repeat(17),
        ] {
            assert_eq!(text.parse::<ClusterId>(), Err(NotAClusterId));
        }
    }
}
