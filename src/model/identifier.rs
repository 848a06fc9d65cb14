//! Names inside postgres, and the words that reach `initdb`.

use std::fmt;

use crate::model::excerpt::excerpt;
use crate::model::refusal::{Refusal, Result};

/// The length of a name in postgres (NAMEDATALEN - 1).
const LONGEST: usize = 63;

/// A database, role or extension name, 1 to 63 characters. It is still quoted in SQL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PgIdentifier(String);

impl PgIdentifier {
    /// A database: `[A-Za-z_][A-Za-z0-9_]*`, not `template0`, which takes no connections.
    pub(crate) fn database(field: &str, text: &str) -> Result<Self> {
        if text == "template0" {
            return Err(Refusal::new(
                format!("{field}: template0 takes no connections"),
                "choose another database name",
            ));
        }
        Self::spelled(field, text, "")
    }

    /// A role: `[A-Za-z_][A-Za-z0-9_]*`, and not one of postgres' reserved role names.
    pub(crate) fn role(field: &str, text: &str) -> Result<Self> {
        if text.starts_with("pg_") || text == "public" || text == "none" {
            return Err(Refusal::new(
                format!("{field}: postgres reserves the role name {}", excerpt(text)),
                "choose a name that is not public or none and does not start with pg_",
            ));
        }
        Self::spelled(field, text, "")
    }

    /// An extension: like a database, and a dash after the first character (`uuid-ossp`).
    pub(crate) fn extension(field: &str, text: &str) -> Result<Self> {
        Self::spelled(field, text, "-")
    }

    fn spelled(field: &str, text: &str, also: &str) -> Result<Self> {
        let first = |c: char| c.is_ascii_alphabetic() || c == '_';
        let later = |c: char| c.is_ascii_alphanumeric() || c == '_' || also.contains(c);
        if text.starts_with(first) && text.chars().all(later) && text.len() <= LONGEST {
            return Ok(Self(text.to_owned()));
        }
        let dashes = if also.is_empty() { "" } else { ", dashes" };
        Err(Refusal::new(
            format!(
                "{field}: {} is not a name that postgres can use everywhere",
                excerpt(text)
            ),
            format!(
                "use 1 to {LONGEST} letters, digits{dashes} and underscores, not a digit first"
            ),
        ))
    }

    /// The bare name.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for PgIdentifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A locale or encoding: `[A-Za-z0-9_.@-]+`, because the official image evaluates
/// `POSTGRES_INITDB_ARGS` as shell text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct InitdbWord(String);

impl InitdbWord {
    /// Checks the word.
    pub(crate) fn new(field: &str, text: &str) -> Result<Self> {
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '@' | '-');
        if !text.is_empty() && text.chars().all(allowed) && text.len() <= LONGEST {
            return Ok(Self(text.to_owned()));
        }
        Err(Refusal::new(
            format!("{field}: {} cannot be an argument of initdb", excerpt(text)),
            "use letters, digits, dots, dashes, underscores and @, as in C.UTF-8",
        ))
    }
}

impl fmt::Display for InitdbWord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reserved_names_are_refused() {
        for role in ["pg_monitor", "public", "none", ""] {
            assert!(PgIdentifier::role("user", role).is_err(), "{role}");
        }
        assert!(PgIdentifier::role("user", "Public").is_ok());
        assert!(PgIdentifier::database("database", "template0").is_err());
        assert!(PgIdentifier::database("database", "pg_data").is_ok());
    }

    #[test]
    fn a_dash_belongs_to_extensions_only() {
        assert!(PgIdentifier::extension("extensions[0]", "uuid-ossp").is_ok());
        assert!(PgIdentifier::extension("extensions[0]", "-uuid").is_err());
        assert!(PgIdentifier::database("database", "uuid-ossp").is_err());
    }

    #[test]
    fn length_is_postgres_own() {
        assert!(PgIdentifier::role("user", &"a".repeat(63)).is_ok());
        assert!(PgIdentifier::role("user", &"a".repeat(64)).is_err());
    }

    proptest! {
        #[test]
        fn an_accepted_name_needs_no_escaping(text in "\\PC{0,70}") {
            if let Ok(name) = PgIdentifier::database("database", &text) {
                prop_assert!(!name.as_str().contains(|c: char| !(c.is_ascii_alphanumeric() || c == '_')));
                prop_assert!(!name.as_str().is_empty() && name.as_str().len() <= LONGEST);
            }
        }

        #[test]
        fn an_accepted_initdb_word_is_no_shell_syntax(text in "[ -~\n]{0,12}") {
            if let Ok(word) = InitdbWord::new("initdb_locale", &text) {
                let syntax = |c: char| c.is_whitespace() || "$`\"'\\;&|<>(){}*?~#!".contains(c);
                prop_assert!(!word.to_string().contains(syntax));
            }
        }
    }
}
