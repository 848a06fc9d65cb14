//! A point in time, to the second and in UTC, as it stands in file names and lists.

use std::fmt;
use std::time::{Duration, SystemTime};

use chrono::{DateTime, NaiveDateTime};

const COMPACT: &str = "%Y%m%dT%H%M%SZ";
const EXTENDED: &str = "%Y-%m-%dT%H:%M:%SZ";

/// Seconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Timestamp(i64);

impl Timestamp {
    /// `20260504T020000Z`, for file names.
    pub(crate) fn compact(self) -> String {
        self.written(COMPACT)
    }

    /// Reads what `compact` or `Display` wrote.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let read = |format| {
            let time = NaiveDateTime::parse_from_str(text, format).ok()?;
            let time = Self(time.and_utc().timestamp());
            // A leap second, a sign or a missing zero reads as a time, too.
            (time.written(format) == text).then_some(time)
        };
        read(COMPACT).or_else(|| read(EXTENDED))
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
        f.write_str(&self.written(EXTENDED))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn both_spellings() {
        let time = Timestamp::parse("20260504T020000Z").unwrap();
        assert_eq!(time.to_string(), "2026-05-04T02:00:00Z");
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
            "2026-0504T020000Z",
            "+2026504T020000Z",
            "20260504T02000０Z",
        ] {
            assert_eq!(Timestamp::parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn a_distance_is_never_negative() {
        let [early, late] = ["20260504T020000Z", "20260504T020001Z"];
        let (early, late) = (
            Timestamp::parse(early).unwrap(),
            Timestamp::parse(late).unwrap(),
        );
        assert_eq!(late.since(early), Duration::from_secs(1));
        assert_eq!(early.since(late), Duration::ZERO);
    }

    proptest! {
        #[test]
        fn what_was_written_is_read_back(seconds in 0_i64..253_402_300_800) {
            let time = Timestamp(seconds);
            prop_assert_eq!(Timestamp::parse(&time.compact()), Some(time));
        }
    }
}
