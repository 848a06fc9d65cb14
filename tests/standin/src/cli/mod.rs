//! The `vd` command line, as far as plugins can tell: it talks to a controller over HTTP,
//! prints what it says, and carries out what was deferred to it.

mod apply;
mod builtin;
mod client;
mod config;
mod dispatch;
mod line;
mod terminal;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;

use crate::store::Vars;

use client::Client;
use terminal::Terminal;

/// What a command line printed, and how it exited.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use]
pub struct CliOutput {
    /// All of stdout, that of local commands included.
    pub stdout: String,
    /// All of stderr.
    pub stderr: String,
    /// The exit code.
    pub status: i32,
}

/// The CLI, pointed at a controller.
#[derive(Clone, Debug)]
pub struct Shim {
    url: String,
    limit: Duration,
    env: Vars,
    directory: PathBuf,
    stdin: Vec<u8>,
}

impl Shim {
    /// Talks to a controller; `limit` is when it is thought to give up on a plugin.
    pub fn new(url: impl Into<String>, limit: Duration) -> Self {
        Self {
            url: url.into(),
            limit,
            env: Vars::new(),
            directory: PathBuf::from("."),
            stdin: Vec::new(),
        }
    }

    /// Variables on top of the process's own, for `${VAR}` and for local commands.
    #[must_use]
    pub fn with_env(mut self, env: Vars) -> Self {
        self.env.extend(env);
        self
    }

    /// Where relative paths start.
    #[must_use]
    pub fn in_directory(mut self, directory: impl Into<PathBuf>) -> Self {
        self.directory = directory.into();
        self
    }

    /// What local commands read; only when their output is captured.
    #[must_use]
    pub fn with_stdin(mut self, stdin: impl Into<Vec<u8>>) -> Self {
        self.stdin = stdin.into();
        self
    }

    /// Runs a command line and captures what it prints.
    pub fn capture<I>(&self, arguments: I) -> CliOutput
    where
        I: IntoIterator,
        I::Item: AsRef<str>,
    {
        let mut terminal = Terminal::captured(self.stdin.clone());
        let status = self.run(arguments, &mut terminal);
        let (stdout, stderr) = terminal.into_captured();
        CliOutput {
            stdout,
            stderr,
            status,
        }
    }

    /// Runs a command line on this process's own terminal; answers the exit code.
    pub fn inherit<I>(&self, arguments: I) -> i32
    where
        I: IntoIterator,
        I::Item: AsRef<str>,
    {
        self.run(arguments, &mut Terminal::inherited())
    }

    fn run<I>(&self, arguments: I, terminal: &mut Terminal) -> i32
    where
        I: IntoIterator,
        I::Item: AsRef<str>,
    {
        let words: Vec<String> = arguments
            .into_iter()
            .map(|word| word.as_ref().to_owned())
            .collect();
        match self.try_run(&line::prepare(&words), terminal) {
            Ok(status) => status,
            Err(error) => {
                terminal.complain(&format!("{error:#}"));
                1
            }
        }
    }

    fn try_run(&self, words: &[String], terminal: &mut Terminal) -> Result<i32> {
        let mut session = Session {
            shim: self,
            client: Client::new(&self.url, self.limit),
            terminal,
        };
        match session.builtin(words) {
            Some(outcome) => outcome,
            None => session.dispatch(words),
        }
    }
}

/// One command line at work.
struct Session<'a> {
    shim: &'a Shim,
    client: Client,
    terminal: &'a mut Terminal,
}
