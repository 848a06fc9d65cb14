//! One file, one command: its arguments, whose doc comments are the help, and what it does.

pub(crate) mod args;
pub(crate) mod defaults;
pub(crate) mod expand;
pub(crate) mod help;
