//! A password: it never shows itself in messages.

use std::fmt;

use crate::model::refusal::{Refusal, Result};

/// A password that a pod can receive through its environment unchanged.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Secret(String);

/// The kernel's limit for one argument of `docker run`, with room for the variable's name.
const LONGEST: usize = 100_000;

impl Secret {
    /// Checks a password that somebody chose. The platform trims environment values, expands
    /// `${…}` in them and cannot store a line break.
    pub(crate) fn chosen(field: &str, text: &str) -> Result<Self> {
        let problem = if text.trim() != text {
            "starts or ends with a blank, which the platform cuts off"
        } else if text.contains("${") {
            "contains ${, which the platform expands"
        } else if text.chars().any(char::is_control) {
            "contains a line break or another control character"
        } else if text.len() > LONGEST {
            "is longer than a container's environment can hold"
        } else {
            return Ok(Self(text.to_owned()));
        };
        Err(Refusal::new(
            format!("{field}: the password {problem}"),
            "choose another password",
        ))
    }

    /// A password made of 32 random bytes, as 64 hex digits.
    pub(crate) fn from_random(bytes: [u8; 32]) -> Self {
        Self(hex::encode(bytes))
    }

    /// The password itself, for the places that must hold it.
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_may_hold_every_printable_character() {
        let text = r#"a@b:c/d?e#f%g h'i"j\k$l`m!n{o}é"#;
        assert_eq!(Secret::chosen("password", text).unwrap().expose(), text);
    }

    #[test]
    fn what_a_pod_would_receive_changed_is_refused() {
        let long = "hunter2".repeat(20_000);
        for text in [
            " hunter2",
            "hunter2 ",
            "hunter2\nx",
            "hunter2\n",
            "${hunter2}",
            "hunter2\0",
            "\thunter2",
            &long,
        ] {
            let refusal = Secret::chosen("password", text).unwrap_err();
            assert!(!refusal.to_string().contains("hunter2"), "{text:?}");
        }
    }

    #[test]
    fn debugging_shows_nothing() {
        assert_eq!(format!("{:?}", Secret("hunter2".into())), "Secret(…)");
    }
}
