//! What a command may touch: its surroundings, each as a value or a function that `lib.rs` binds
//! to the real thing.

use std::ffi::OsString;
use std::io;

/// The surroundings of one run.
pub(crate) struct Context<'a> {
    /// Reads an environment variable.
    pub(crate) env: &'a dyn Fn(&str) -> Option<OsString>,
    /// Reads all of standard input; `None` when it is a terminal, which is never waited for.
    pub(crate) stdin: &'a dyn Fn() -> io::Result<Option<Vec<u8>>>,
    /// Fills a buffer with bytes that nobody can guess.
    pub(crate) random: &'a dyn Fn(&mut [u8]) -> io::Result<()>,
}
