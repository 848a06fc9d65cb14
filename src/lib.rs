//! voodu-postgres: a `postgres` block goes in, a postgres cluster comes up.
//!
//! The folders, from the words up to the commands. Each uses those above it in this list and
//! never one below; `tests/layers.rs` reads the imports and says so.
//!
//! ```text
//! model      the words of the README as values: checked once, no I/O
//! wire       the controller's JSON, field for field
//! controller the seam to the controller: what is stored there
//! docker     the seam to docker: command lines as values, one place that starts processes
//! postgres   what is said to a running server
//! expand     a block becomes manifests and actions; pure, with the templates
//! cluster    a cluster as it is stored and as it runs; the topology record
//! backups    the backups directory and the containers that work on it
//! context    what a command may touch
//! output     the one door out: documents, errors, exit codes
//! commands   one file, one command
//! cli        the list of commands
//! ```
//!
//! The scripts that run in the pods are in `templates/`, as the files they are.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod backups;
mod cli;
mod cluster;
mod commands;
mod context;
mod controller;
mod docker;
#[cfg(test)]
mod docs;
mod expand;
mod model;
mod output;
mod postgres;
mod wire;

use std::io::{self, IsTerminal as _, Read as _};
use std::process::ExitCode;
use std::time::SystemTime;

use clap::error::ErrorKind;

use cli::Cli;
use context::Context;
use controller::Controller;
use controller::http::HttpController;
use docker::runner::SystemRunner;
use output::{Failure, Reply};

/// Runs the command of this process' arguments: exit code 0 when it is done, 1 when it failed or
/// was refused, 2 when the command line is wrong.
pub fn run() -> ExitCode {
    output::deliver(&outcome())
}

fn outcome() -> Result<Reply, Failure> {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return asked_for(error),
    };
    let context = Context {
        env: &|name| std::env::var_os(name),
        stdin: &stdin,
        random: &|bytes| getrandom::fill(bytes).map_err(io::Error::from),
        now: &SystemTime::now,
        binary: &std::env::current_exe,
        connect: &connect,
        progress: &output::progress,
        runner: &SystemRunner,
    };
    cli.run(&context).map_err(Failure::Command)
}

/// Help and version reach us as errors, and are none.
fn asked_for(error: clap::Error) -> Result<Reply, Failure> {
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => Ok(Reply::Text(error.to_string())),
        _ => Err(Failure::Usage(error)),
    }
}

fn connect(url: &str) -> Result<Box<dyn Controller>, controller::Error> {
    Ok(Box::new(HttpController::at(url)?))
}

fn stdin() -> io::Result<Option<Vec<u8>>> {
    let mut stdin = io::stdin().lock();
    if stdin.is_terminal() {
        return Ok(None);
    }
    let mut input = Vec::with_capacity(16 * 1024);
    stdin.read_to_end(&mut input)?;
    Ok(Some(input))
}
