//! A point in time, to the second and in UTC, as it stands in file names and lists.

use std::fmt;
use std::time::{Duration, SystemTime};

use chrono::{DateTime, NaiveDate};

/// Seconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Timestamp(i64);

impl Timestamp {
    /// `20260504T020000Z`, for file names.
    pub(crate) fn compact(self) -> String {
        self.written("%Y%m%dT%H%M%SZ")
    }

    /// Reads what `compact` wrote.
    pub(crate) fn parse_compact(text: &str) -> Option<Self> {
        Self::shaped(text, "########T######Z")
    }

    /// Reads what `Display` wrote.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        Self::shaped(text, "####-##-##T##:##:##Z")
    }

    /// A directory may hold thousands of times: the calendar is asked, a format is not read.
    fn shaped(text: &str, shape: &str) -> Option<Self> {
        if text.len() != shape.len() {
            return None;
        }
        let mut digits = 0_u64;
        for (found, expected) in text.bytes().zip(shape.bytes()) {
            match expected {
                b'#' if found.is_ascii_digit() => digits = digits * 10 + u64::from(found - b'0'),
                b'#' => return None,
                _ if found == expected => {}
                _ => return None,
            }
        }
        let two = |behind: u64| u32::try_from(digits / behind % 100).unwrap_or_default();
        let year = i32::try_from(digits / 10_000_000_000).ok()?;
        let day = NaiveDate::from_ymd_opt(year, two(100_000_000), two(1_000_000))?;
        let time = day.and_hms_opt(two(10_000), two(100), two(1))?;
        Some(Self(time.and_utc().timestamp()))
    }

    /// How long after another one this is; nothing when it is before.
    pub(crate) fn since(self, earlier: Self) -> Duration {
        let seconds = self.0.saturating_sub(earlier.0);
        Duration::from_secs(seconds.try_into().unwrap_or_default())
    }

    fn written(self, format: &str) -> String {
        // Times come from a clock or from four digits of a year.
        let utc = DateTime::from_timestamp(self.0, 0).unwrap_or_default();
        utc.format(format).to_string()
    }
}

impl From<SystemTime> for Timestamp {
    fn from(time: SystemTime) -> Self {
        let since = time.duration_since(SystemTime::UNIX_EPOCH);
        let seconds = since.unwrap_or_default().as_secs();
        Self(seconds.try_into().unwrap_or_default())
    }
}

/// `2026-05-04T02:00:00Z`.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.written("%Y-%m-%dT%H:%M:%SZ"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn both_spellings() {
        let time = Timestamp::parse_compact("20260504T020003Z").unwrap();
        assert_eq!(time.to_string(), "2026-05-04T02:00:03Z");
        assert_eq!(time.compact(), "20260504T020003Z");
        assert_eq!(Timestamp::parse(&time.to_string()), Some(time));
        assert_eq!(
            Timestamp::from(SystemTime::UNIX_EPOCH).compact(),
            "19700101T000000Z"
        );
    }

    #[test]
    fn everything_else_is_no_time() {
        for text in [
            "",
            "Z",
            "T",
            "20260504020000Z",
            "20260504T020000",
            "20260504T020000z",
            "20260229T020000Z",
            "20261304T020000Z",
            "20260504T240000Z",
            "20260504T026000Z",
            "20260504T020060Z",
            "2026-0504T020000Z",
            "+2026504T020000Z",
            "20260504T0200##Z",
            "20260504T02000é",
        ] {
            assert_eq!(Timestamp::parse_compact(text), None, "{text:?}");
            assert_eq!(Timestamp::parse(text), None, "{text:?}");
        }
        assert_eq!(Timestamp::parse("20260504T020000Z"), None);
        assert_eq!(Timestamp::parse_compact("2026-05-04T02:00:00Z"), None);
    }

    #[test]
    fn a_distance_is_never_negative() {
        let [early, late] = ["20260504T020000Z", "20260504T020001Z"];
        let (early, late) = (
            Timestamp::parse_compact(early).unwrap(),
            Timestamp::parse_compact(late).unwrap(),
        );
        assert_eq!(late.since(early), Duration::from_secs(1));
        assert_eq!(early.since(late), Duration::ZERO);
    }

    proptest! {
        #[test]
        fn what_was_written_is_read_back(seconds in 0_i64..253_402_300_800) {
            let time = Timestamp(seconds);
            prop_assert_eq!(Timestamp::parse_compact(&time.compact()), Some(time));
            prop_assert_eq!(Timestamp::parse(&time.to_string()), Some(time));
        }
    }
}
