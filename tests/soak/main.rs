//! A soak: two clusters with an application each, and random steps, one and two at a time. After each
//! round everything has to be well again, and nothing may be missing.
//!
//! `SEED`, `MINUTES` and `MAJOR` say what is run, `REPLAY` or `--replay` name a file of rounds that are
//! run instead. A failure leaves such a file, and a shortened one.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    missing_docs,
    unreachable_pub
)]

#[path = "../e2e/support/mod.rs"]
#[allow(dead_code, unused_imports)]
mod support;

mod act;
mod advice;
mod check;
mod clock;
mod disks;
mod faults;
mod found;
mod jobs;
mod journal;
mod ledger;
mod options;
mod outside;
mod random;
mod reigns;
mod report;
mod run;
mod samples;
mod settle;
mod shorter;
mod step;
mod subject;
mod takeover;
mod watch;

use std::process::ExitCode;

fn main() -> ExitCode {
    match options::Options::read() {
        Ok(Some(options)) => report::soak(&options),
        Ok(None) => ExitCode::SUCCESS,
        Err(usage) => {
            eprintln!("{usage}");
            ExitCode::from(2)
        }
    }
}
