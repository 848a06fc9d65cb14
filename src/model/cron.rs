//! When something recurs, in the words of cron that the platform reads.

use std::fmt;
use std::str::FromStr;

use crate::model::excerpt::excerpt;
use crate::model::refusal::{Refusal, Result};

/// Five fields, or `@daily` and its like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cron(String);

const NAMED: [&str; 5] = ["@hourly", "@daily", "@weekly", "@monthly", "@yearly"];

/// What each field counts, and between which numbers.
const FIELDS: [(&str, u8, u8); 5] = [
    ("minute", 0, 59),
    ("hour", 0, 23),
    ("day of the month", 1, 31),
    ("month", 1, 12),
    ("day of the week", 0, 6),
];

impl FromStr for Cron {
    type Err = Refusal;

    fn from_str(text: &str) -> Result<Self> {
        let words: Vec<_> = text.split_ascii_whitespace().collect();
        if let [word] = words[..] {
            if NAMED.contains(&word) {
                return Ok(Self(word.to_owned()));
            }
        }
        if words.len() != FIELDS.len() {
            return Err(Refusal::new(
                format!("{} is not a schedule", excerpt(text)),
                "write minute, hour, day of the month, month and day of the week, such as \"0 3 * * *\", or @daily",
            ));
        }
        for (word, (field, lowest, highest)) in words.iter().zip(FIELDS) {
            let range = Range { lowest, highest };
            if !word.split(',').all(|part| range.holds(part)) {
                return Err(Refusal::new(
                    format!("{} in the schedule is not a {field}", excerpt(word)),
                    format!("use *, or numbers from {lowest} to {highest} as in 1,5 or 1-5 or */2"),
                ));
            }
        }
        Ok(Self(words.join(" ")))
    }
}

struct Range {
    lowest: u8,
    highest: u8,
}

impl Range {
    /// `*`, `5`, `1-5`, each perhaps with `/2` behind it.
    fn holds(&self, part: &str) -> bool {
        let (part, step) = part.split_once('/').unwrap_or((part, "1"));
        let step = number(step).is_some_and(|step| step > 0 && step <= self.highest.max(1));
        let inside = |text| number(text).filter(|it| (self.lowest..=self.highest).contains(it));
        let covers = match part.split_once('-') {
            _ if part == "*" => true,
            None => inside(part).is_some(),
            Some((first, last)) => {
                matches!((inside(first), inside(last)), (Some(first), Some(last)) if first <= last)
            }
        };
        step && covers
    }
}

fn number(text: &str) -> Option<u8> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| digits)
}

impl fmt::Display for Cron {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schedules() {
        for text in [
            "0 3 * * *",
            "*/15 0-6,22 1 1-12/3 0,6",
            "59 23 31 12 6",
            "@daily",
        ] {
            assert_eq!(text.parse::<Cron>().unwrap().to_string(), text);
        }
        assert_eq!(
            " 0  3 * *\t* ".parse::<Cron>().unwrap().to_string(),
            "0 3 * * *"
        );
    }

    #[test]
    fn what_the_platform_would_not_run() {
        for text in [
            "",
            "daily",
            "@midnight",
            "0 3 * *",
            "0 3 * * * *",
            "60 3 * * *",
            "0 24 * * *",
            "0 3 0 * *",
            "0 3 * 13 *",
            "0 3 * * 7",
            "0 3 * * mon",
            "5-1 3 * * *",
            "*/0 3 * * *",
            "+1 3 * * *",
            "1,,2 3 * * *",
            "1- 3 * * *",
            "$(x) 3 * * *",
            "0 3 * * \"",
        ] {
            assert!(text.parse::<Cron>().is_err(), "{text}");
        }
    }
}
