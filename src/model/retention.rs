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
        let newest = verified.iter().map(|file| file.taken_at).max();
        self.over(verified, newest.unwrap_or(now), now)
    }

    /// The same once that one is there too. Its time is only today's clock, which may be wrong just
    /// now: ages are measured at the newest one before it, so an old one may go one capture later.
    pub(crate) fn expired_with(
        &self,
        verified: &[BackupFile],
        own: BackupFile,
        now: Timestamp,
    ) -> Vec<BackupFile> {
        let newest = verified.iter().map(|file| file.taken_at).max();
        let all = [verified, &[own]].concat();
        self.over(&all, newest.unwrap_or(now), now)
    }

    fn over(
        &self,
        verified: &[BackupFile],
        measured_at: Timestamp,
        now: Timestamp,
    ) -> Vec<BackupFile> {
        let mut by_age = verified.to_vec();
        by_age.sort_by_key(|file| (file.taken_at, file.id));
        let captured_last = by_age.iter().map(|file| file.id).max();
        by_age.pop();
        // A time that has not come yet says nothing about the others' age.
        let measured_at = measured_at.min(now);
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
#[path = "retention_tests.rs"]
mod tests;
