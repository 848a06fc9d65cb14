//! A finding is a sentence.

/// What went wrong, or that nothing did.
pub type Checked<T = ()> = Result<T, String>;

/// Turns a condition into a finding.
pub fn ensure(condition: bool, otherwise: impl FnOnce() -> String) -> Checked {
    if condition { Ok(()) } else { Err(otherwise()) }
}
