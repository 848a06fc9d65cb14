//! Where the CLI prints: this process's own streams, or memory.

use std::io::{self, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result};

use crate::store::Vars;

/// Stdout and stderr.
pub(super) enum Terminal {
    Inherited,
    Captured {
        stdin: Vec<u8>,
        stdout: Vec<u8>,
        stderr: Vec<u8>,
    },
}

impl Terminal {
    pub(super) fn inherited() -> Self {
        Self::Inherited
    }

    pub(super) fn captured(stdin: Vec<u8>) -> Self {
        Self::Captured {
            stdin,
            stdout: Vec::new(),
            stderr: Vec::new(),
        }
    }

    pub(super) fn into_captured(self) -> (String, String) {
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        match self {
            Self::Inherited => (String::new(), String::new()),
            Self::Captured { stdout, stderr, .. } => (text(stdout), text(stderr)),
        }
    }

    /// One line on stdout.
    pub(super) fn say(&mut self, line: &str) {
        match self {
            // Nobody reads on: nothing is left to say.
            Self::Inherited => writeln!(io::stdout(), "{line}").unwrap_or_default(),
            Self::Captured { stdout, .. } => stdout.extend(format!("{line}\n").bytes()),
        }
    }

    /// One line on stderr.
    pub(super) fn complain(&mut self, line: &str) {
        match self {
            Self::Inherited => writeln!(io::stderr(), "{line}").unwrap_or_default(),
            Self::Captured { stderr, .. } => stderr.extend(format!("{line}\n").bytes()),
        }
    }

    /// Runs a command on these streams; answers its exit code.
    pub(super) fn run(&mut self, command: &[String], directory: &Path, env: &Vars) -> Result<i32> {
        let (program, arguments) = command.split_first().context("exec_local: empty command")?;
        let mut process = Command::new(program);
        process.args(arguments).current_dir(directory).envs(env);
        let failed = || format!("exec_local {program}");
        let status = match self {
            Self::Inherited => process.status().with_context(failed)?,
            Self::Captured {
                stdin,
                stdout,
                stderr,
            } => {
                process
                    .stdin(Stdio::piped())
                    .stdout(Stdio::piped())
                    .stderr(Stdio::piped());
                let mut child = process.spawn().with_context(failed)?;
                let (pipe, input) = (child.stdin.take(), stdin.clone());
                // A command that does not read its stdin closes it: not an error.
                std::thread::spawn(move || pipe.map(|mut pipe| pipe.write_all(&input).ok()));
                let output = child.wait_with_output().with_context(failed)?;
                stdout.extend(output.stdout);
                stderr.extend(output.stderr);
                output.status
            }
        };
        Ok(status.code().unwrap_or(-1))
    }
}
