//! Drives the binary as the controller does: a command, standard input, and what comes back.

#![allow(clippy::unwrap_used, clippy::panic)]

mod defaults;
mod expand;
mod help;
mod support;
mod usage;
