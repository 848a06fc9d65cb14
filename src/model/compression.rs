//! How a dump is compressed.

use std::fmt;
use std::str::FromStr;

use crate::model::excerpt::excerpt;
use crate::model::refusal::{Refusal, Result};

/// A method and its level.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Compression {
    None,
    Gzip(u8),
    Lz4(u8),
    Zstd(u8),
}

/// What every version of `pg_dump` can do, and most of its other users expect.
impl Default for Compression {
    fn default() -> Self {
        Self::Gzip(6)
    }
}

/// The first major version that has more than gzip.
const FIRST_WITH_METHODS: u32 = 16;

impl Compression {
    /// The same method at another level.
    pub(crate) fn at_level(self, level: u8) -> Result<Self> {
        let method = self.to_string();
        let method = method.split(':').next().unwrap_or_default();
        format!("{method}:{level}").parse()
    }

    /// The value of `pg_dump -Z`, in a spelling that this major version reads.
    pub(crate) fn of_version(self, major: u32) -> Result<String> {
        match self {
            Self::None => Ok("0".to_owned()),
            Self::Gzip(level) => Ok(level.to_string()),
            Self::Lz4(_) | Self::Zstd(_) if major >= FIRST_WITH_METHODS => Ok(self.to_string()),
            Self::Lz4(_) | Self::Zstd(_) => Err(Refusal::new(
                format!(
                    "{self}: pg_dump compresses so from postgres {FIRST_WITH_METHODS} on, and this is {major}"
                ),
                "use gzip:1 to gzip:9, or none",
            )),
        }
    }
}

impl FromStr for Compression {
    type Err = Refusal;

    fn from_str(text: &str) -> Result<Self> {
        let (method, level) = match text.split_once(':') {
            Some((method, level)) => (method, Some(level)),
            None => (text, None),
        };
        let level = |default: u8, highest: u8| match level {
            None => Some(default),
            Some(level) => level
                .parse()
                .ok()
                .filter(|number| (1..=highest).contains(number) && !level.starts_with(['+', '0'])),
        };
        let read = match method {
            "none" if text == "none" => Some(Self::None),
            "gzip" => level(6, 9).map(Self::Gzip),
            "lz4" => level(1, 12).map(Self::Lz4),
            "zstd" => level(3, 19).map(Self::Zstd),
            _ => None,
        };
        read.ok_or_else(|| {
            Refusal::new(
                format!("{} is not a way to compress a dump", excerpt(text)),
                "use gzip:1 to gzip:9, zstd:1 to zstd:19, lz4:1 to lz4:12, or none",
            )
        })
    }
}

impl fmt::Display for Compression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("none"),
            Self::Gzip(level) => write!(f, "gzip:{level}"),
            Self::Lz4(level) => write!(f, "lz4:{level}"),
            Self::Zstd(level) => write!(f, "zstd:{level}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Compression> {
        text.parse()
    }

    #[test]
    fn a_method_and_perhaps_a_level() {
        for (text, expected) in [
            ("none", "none"),
            ("gzip", "gzip:6"),
            ("gzip:1", "gzip:1"),
            ("zstd", "zstd:3"),
            ("zstd:19", "zstd:19"),
            ("lz4:12", "lz4:12"),
        ] {
            assert_eq!(read(text).unwrap().to_string(), expected);
        }
        for text in [
            "", "6", "gzip:0", "gzip:10", "gzip:", "gzip:+1", "gzip:01", "zstd:20", "none:1",
            "ZSTD", "zstd:3 ",
        ] {
            assert!(read(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn another_level() {
        let zstd = read("zstd").unwrap();
        assert_eq!(zstd.at_level(9).unwrap().to_string(), "zstd:9");
        assert!(zstd.at_level(20).is_err());
        assert!(Compression::None.at_level(1).is_err());
    }

    #[test]
    fn each_version_reads_its_own_spelling() {
        for (text, on_15, on_17) in [
            ("gzip:6", Some("6"), "6"),
            ("none", Some("0"), "0"),
            ("zstd:3", None, "zstd:3"),
            ("lz4", None, "lz4:1"),
        ] {
            let compression = read(text).unwrap();
            assert_eq!(compression.of_version(15).ok().as_deref(), on_15, "{text}");
            assert_eq!(compression.of_version(17).unwrap(), on_17, "{text}");
        }
        assert_eq!(Compression::default().of_version(13).unwrap(), "6");
    }
}
