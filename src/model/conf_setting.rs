//! One setting of postgresql.conf: a key that cannot smuggle a second one in, and a value as the
//! file spells it.

use std::fmt;

use serde_json::Value;

use crate::model::excerpt;
use crate::model::field;
use crate::model::refusal::{Refusal, Result};

/// As long as a name in postgres.
const LONGEST_WORD: usize = 63;

/// A setting's name: `^[a-z][a-z0-9_]*$`, or two such words with a dot for a parameter of an
/// extension (`pg_stat_statements.track`).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ConfKey(String);

impl ConfKey {
    /// Checks a key of `pg_config`.
    pub(crate) fn new(text: &str) -> Result<Self> {
        let word = |word: &str| {
            word.len() <= LONGEST_WORD
                && word.starts_with(|c: char| c.is_ascii_lowercase())
                && word
                    .chars()
                    .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
        };
        let mut words = text.split('.');
        if words.clone().count() <= 2 && words.all(word) {
            return Ok(Self(text.to_owned()));
        }
        Err(Refusal::new(
            format!(
                "pg_config: {} is not the name of a setting",
                excerpt::excerpt(text)
            ),
            "use lower-case letters, digits and underscores, and one dot for a parameter of an extension",
        ))
    }

    /// The bare name.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// A setting's value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ConfValue {
    /// Plain decimal digits; the server does not read an exponent.
    Number(String),
    Switch(bool),
    Text(String),
}

impl ConfValue {
    /// Reads a value of `pg_config`; `key` names it in a refusal.
    pub(crate) fn new(key: &ConfKey, value: &Value) -> Result<Self> {
        let field = format!("pg_config.{}", key.as_str());
        match value {
            Value::Bool(switch) => Ok(Self::Switch(*switch)),
            Value::Number(number) => Ok(Self::Number(field::decimal(number))),
            Value::String(text) if text.contains(['\n', '\r', '\0']) => Err(Refusal::new(
                format!(
                    "{field}: the value contains a line break or a NUL, which postgresql.conf cannot hold"
                ),
                "write the value on one line",
            )),
            Value::String(text) => Ok(Self::Text(text.clone())),
            other => Err(field::wrong_type(
                &field,
                "a string, a number or a boolean",
                other,
            )),
        }
    }

    /// The value as postgres reads it, before any quoting.
    pub(crate) fn meaning(&self) -> &str {
        match self {
            Self::Number(text) | Self::Text(text) => text,
            Self::Switch(true) => "on",
            Self::Switch(false) => "off",
        }
    }
}

/// The spelling in postgresql.conf (postgres manual, 20.1.2): strings in single quotes, with a
/// quote doubled and a backslash too, since the server reads escapes there.
impl fmt::Display for ConfValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => {
                let escaped = text.replace('\\', r"\\").replace('\'', "''");
                write!(f, "'{escaped}'")
            }
            other => f.write_str(other.meaning()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn value(json: &Value) -> Result<ConfValue> {
        ConfValue::new(&ConfKey::new("work_mem")?, json)
    }

    /// Reads a quoted value back as the server's scanner does (`DeescapeQuotedString`).
    fn read_back(quoted: &str) -> Option<String> {
        let inner = quoted.strip_prefix('\'')?.strip_suffix('\'')?;
        let mut characters = inner.chars();
        let mut text = String::new();
        while let Some(character) = characters.next() {
            match character {
                '\n' => return None,
                '\'' => text.push(characters.next().filter(|next| *next == '\'')?),
                '\\' => match characters.next()? {
                    '\\' => text.push('\\'),
                    _ => return None,
                },
                other => text.push(other),
            }
        }
        Some(text)
    }

    #[test]
    fn values_are_spelled_as_the_server_reads_them() {
        let spelled = |json| value(&json).unwrap().to_string();
        assert_eq!(spelled(json!(200)), "200");
        assert_eq!(spelled(json!(3.0)), "3");
        assert_eq!(spelled(json!(1.1)), "1.1");
        assert_eq!(spelled(json!(1e-7)), "0.0000001");
        assert_eq!(spelled(json!(true)), "on");
        assert_eq!(spelled(json!(false)), "off");
        assert_eq!(spelled(json!("it's")), "'it''s'");
        assert_eq!(spelled(json!(r"a\")), r"'a\\'");
    }

    #[test]
    fn what_a_line_cannot_hold_is_refused() {
        for json in [
            json!("a\nb"),
            json!("a\0"),
            json!("a\r"),
            json!(["a"]),
            json!({"a": 1}),
        ] {
            let refusal = value(&json).unwrap_err();
            assert!(refusal.to_string().starts_with("pg_config.work_mem:"));
        }
    }

    #[test]
    fn keys_are_names() {
        for key in ["work_mem", "pg_stat_statements.track", "cron.database_name"] {
            assert!(ConfKey::new(key).is_ok(), "{key}");
        }
        for key in [
            "", "Work_mem", "1a", "a b", "a.b.c", ".a", "a.", "a\nb", "a=b", "a'", "_a",
        ] {
            assert!(ConfKey::new(key).is_err(), "{key:?}");
        }
    }

    proptest! {
        #[test]
        fn the_server_reads_back_what_was_written(text in "[^\n\r\0]{0,80}") {
            let spelled = value(&json!(text)).unwrap().to_string();
            prop_assert!(!spelled.contains(['\n', '\r', '\0']));
            prop_assert_eq!(read_back(&spelled), Some(text));
        }

        #[test]
        fn numbers_have_no_exponent(number in proptest::num::f64::NORMAL) {
            let spelled = value(&json!(number)).unwrap().to_string();
            prop_assert!(spelled.bytes().all(|b| b.is_ascii_digit() || b == b'.' || b == b'-'));
            prop_assert_eq!(spelled.parse::<f64>().unwrap().to_bits(), number.to_bits());
        }
    }
}
