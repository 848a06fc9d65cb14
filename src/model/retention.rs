//! How many backups are kept, and for how long.

use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;
use std::time::Duration;

use crate::model::backup_file::BackupFile;
use crate::model::bucket::{Vars, keys};
use crate::model::excerpt::excerpt;
use crate::model::refusal::{Refusal, Result};
use crate::model::timestamp::Timestamp;

/// What the flags of one run say. Unset leaves that axis to the config; 0 lifts its limit.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Flags {
    pub(crate) keep: Option<u32>,
    pub(crate) max_age: Option<MaxAge>,
}

/// The limits that hold.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Retention {
    keep: Option<NonZeroU32>,
    max_age: Option<MaxAge>,
}

/// An age as it was written: `7d`, `2w`, `168h`; 0 is no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct MaxAge {
    count: u32,
    unit: Unit,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unit {
    Hours,
    Days,
    Weeks,
}

impl Retention {
    /// Each axis for itself: the flag, else the config, where a cluster's own key is over its
    /// scope's.
    pub(crate) fn of(flags: Flags, config: &Vars<'_>) -> Result<Self> {
        let keep = match flags.keep {
            Some(keep) => Some(keep),
            None => config.parsed(keys::BACKUP_KEEP, "a number such as 30")?,
        };
        let max_age = match flags.max_age {
            Some(max_age) => Some(max_age),
            None => config.parsed(keys::BACKUP_MAX_AGE, "an age such as 7d")?,
        };
        Ok(Self {
            keep: keep.and_then(NonZeroU32::new),
            max_age: max_age.filter(|age| age.count > 0),
        })
    }

    /// Whether nothing is ever deleted.
    pub(crate) fn is_none(&self) -> bool {
        *self == Self::default()
    }

    /// Which of these verified backups are over a limit, the oldest first. Ages are measured at the
    /// newest one, so that failing captures delete nothing, and the newest one always stays; so does
    /// the one that was captured last, should the clock have made it older than it is.
    pub(crate) fn expired(&self, verified: &[BackupFile], now: Timestamp) -> Vec<BackupFile> {
        let mut by_age = verified.to_vec();
        by_age.sort_by_key(|file| (file.taken_at, file.id));
        let captured_last = by_age.iter().map(|file| file.id).max();
        let Some(newest) = by_age.pop() else {
            return by_age;
        };
        // A time that has not come yet says nothing about the others' age.
        let measured_at = newest.taken_at.min(now);
        let mut expired = Vec::new();
        for (behind, file) in (1..).zip(by_age.iter().rev()) {
            let too_many = self.keep.is_some_and(|keep| behind >= keep.get());
            let age = measured_at.since(file.taken_at);
            let too_old = self.max_age.is_some_and(|max| age > max.duration());
            if (too_many || too_old) && Some(file.id) != captured_last {
                expired.push(*file);
            }
        }
        expired.reverse();
        expired
    }
}

/// `keep 30, max age 7d`.
impl fmt::Display for Retention {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keep = self.keep.map(|keep| format!("keep {keep}"));
        let max_age = self.max_age.map(|age| format!("max age {age}"));
        let limits: Vec<_> = keep.into_iter().chain(max_age).collect();
        f.write_str(&limits.join(", "))
    }
}

impl MaxAge {
    /// The time itself.
    pub(crate) fn duration(self) -> Duration {
        let hours = match self.unit {
            Unit::Hours => 1,
            Unit::Days => 24,
            Unit::Weeks => 7 * 24,
        };
        Duration::from_secs(u64::from(self.count) * hours * 60 * 60)
    }
}

impl FromStr for MaxAge {
    type Err = Refusal;

    fn from_str(text: &str) -> Result<Self> {
        let refusal = || {
            Refusal::new(
                format!("{} is not an age", excerpt(text)),
                "write hours, days or weeks, such as 168h, 7d or 2w; 0 is no limit",
            )
        };
        let (count, unit) = match text.as_bytes().last() {
            Some(b'h') => (&text[..text.len() - 1], Unit::Hours),
            Some(b'd') => (&text[..text.len() - 1], Unit::Days),
            Some(b'w') => (&text[..text.len() - 1], Unit::Weeks),
            _ if text == "0" => (text, Unit::Days),
            _ => return Err(refusal()),
        };
        let all = count.bytes().all(|byte| byte.is_ascii_digit());
        let count = count.parse().ok().filter(|_| all).ok_or_else(refusal)?;
        Ok(Self { count, unit })
    }
}

/// As it was written.
impl fmt::Display for MaxAge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = match self.unit {
            Unit::Hours => 'h',
            Unit::Days => 'd',
            Unit::Weeks => 'w',
        };
        write!(f, "{}{unit}", self.count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::backup_id::BackupId;
    use crate::model::resource_ref::ResourceRef;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    fn flags(keep: Option<u32>, max_age: Option<&str>) -> Flags {
        Flags {
            keep,
            max_age: max_age.map(|age| age.parse().unwrap()),
        }
    }

    fn retention(flags: Flags, config: &Value) -> Result<String> {
        let cluster = ResourceRef::new("s", "db")?;
        let config = Vars {
            config: config.as_object().unwrap(),
            cluster: &cluster,
        };
        Retention::of(flags, &config).map(|retention| retention.to_string())
    }

    #[test]
    fn each_axis_has_a_precedence_of_its_own() {
        let config = json!({"BACKUP_KEEP": "30", "BACKUP_MAX_AGE": "14d"});
        for (flags, expected) in [
            (flags(None, None), "keep 30, max age 14d"),
            (flags(Some(5), None), "keep 5, max age 14d"),
            (flags(Some(0), None), "max age 14d"),
            (flags(None, Some("2w")), "keep 30, max age 2w"),
            (flags(None, Some("0")), "keep 30"),
            (flags(Some(0), Some("0d")), ""),
        ] {
            assert_eq!(retention(flags, &config).unwrap(), expected, "{flags:?}");
        }
        let none = flags(None, None);
        assert_eq!(retention(none, &json!({})).unwrap(), "");
        assert_eq!(
            retention(none, &json!({"BACKUP_KEEP": "0", "BACKUP_MAX_AGE": ""})).unwrap(),
            ""
        );
    }

    #[test]
    fn garbage_in_the_config_is_an_error_that_names_the_key() {
        for (key, value) in [
            ("BACKUP_KEEP", "many"),
            ("BACKUP_KEEP", "-1"),
            ("BACKUP_MAX_AGE", "7"),
            ("BACKUP_MAX_AGE", "7 d"),
            ("BACKUP_MAX_AGE", "d"),
            ("BACKUP_MAX_AGE", "1.5d"),
            ("BACKUP_MAX_AGE", "+1d"),
        ] {
            let refusal = retention(flags(None, None), &json!({key: value})).unwrap_err();
            assert!(refusal.to_string().starts_with(key), "{refusal}");
        }
    }

    fn files(days: &[u32]) -> Vec<BackupFile> {
        let file = |(number, day): (u32, &u32)| BackupFile {
            id: BackupId::new(number).unwrap(),
            taken_at: day_of_may(*day),
        };
        (1..).zip(days).map(file).collect()
    }

    fn day_of_may(day: u32) -> Timestamp {
        Timestamp::parse_compact(&format!("202605{day:02}T020000Z")).unwrap()
    }

    #[track_caller]
    fn expires(keep: u32, max_age: &str, days: &[u32], expected: &[&str]) {
        let config = serde_json::Map::new();
        let cluster = ResourceRef::new("s", "db").unwrap();
        let config = Vars {
            config: &config,
            cluster: &cluster,
        };
        let retention = Retention::of(flags(Some(keep), Some(max_age)), &config).unwrap();
        let expired = retention.expired(&files(days), day_of_may(31));
        let ids: Vec<_> = expired.iter().map(|file| file.id.to_string()).collect();
        assert_eq!(ids, expected);
    }

    #[test]
    fn what_fails_either_limit_expires() {
        expires(0, "0", &[1, 2, 3], &[]);
        expires(2, "0", &[1, 2, 3], &["b001"]);
        expires(0, "1d", &[1, 2, 3], &["b001"]);
        expires(1, "1d", &[1, 2, 3], &["b001", "b002"]);
        expires(5, "24h", &[1, 2], &[]);
        expires(5, "23h", &[1, 2], &["b001"]);
    }

    #[test]
    fn age_is_measured_at_the_newest_success_which_stays() {
        // Thirty days later nothing more has expired.
        expires(3, "7d", &[1], &[]);
        expires(3, "7d", &[1, 2], &[]);
        expires(1, "1h", &[], &[]);
    }

    #[test]
    fn a_clock_that_was_wrong_for_one_backup_expires_no_other() {
        let mut verified = files(&[29, 30, 31]);
        verified[2].taken_at = Timestamp::parse_compact("20360101T000000Z").unwrap();
        let retention = Retention {
            keep: None,
            max_age: Some("7d".parse().unwrap()),
        };
        assert_eq!(retention.expired(&verified, day_of_may(31)), []);
    }

    #[test]
    fn what_was_captured_last_stays_whatever_the_clock_said() {
        // The clock was ahead when the second was captured, and is right again.
        expires(1, "0", &[1, 31, 2], &["b001"]);
        expires(0, "1d", &[31, 1], &[]);
    }

    proptest! {
        #[test]
        fn the_newest_never_expires(days in prop::collection::vec(1_u32..31, 1..20), keep in 0_u32..4, age in 0_u32..9) {
            let retention = Retention {
                keep: NonZeroU32::new(keep),
                max_age: (age > 0).then_some(MaxAge { count: age, unit: Unit::Days }),
            };
            let all = files(&days);
            let expired = retention.expired(&all, day_of_may(31));
            let newest = all.iter().max_by_key(|file| (file.taken_at, file.id)).unwrap();
            prop_assert!(!expired.contains(newest));
            prop_assert!(!expired.contains(all.last().unwrap()));
            if keep > 0 {
                prop_assert!(all.len() - expired.len() <= keep as usize + 1);
            }
        }
    }
}
