//! A refusal: what is wrong and what to type next. Nothing was changed when one is returned.

use std::fmt;

/// Why a command does not go on, and the operator's next step.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    reason: String,
    next: String,
}

/// What every check of the model returns.
pub(crate) type Result<T> = std::result::Result<T, Refusal>;

impl Refusal {
    /// A refusal with the reason and the next step, both without a full stop.
    pub(crate) fn new(reason: impl Into<String>, next: impl Into<String>) -> Self {
        Self {
            reason: reason.into(),
            next: next.into(),
        }
    }

    /// The next step to take.
    pub(crate) fn next(&self) -> &str {
        &self.next
    }

    /// The same refusal with one more way on.
    pub(crate) fn or(mut self, other: &str) -> Self {
        self.next.push_str("; ");
        self.next.push_str(other);
        self
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}

impl std::error::Error for Refusal {}
