//! Running a plugin once: its own pipes, its output read only when it is over, SIGKILL to the
//! process alone when the time is up.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::process::{Child, Command, Stdio};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::{Output, Plugin};

/// One call of one command.
#[derive(Debug)]
pub(crate) struct Invocation<'a> {
    pub(crate) command: &'a str,
    pub(crate) arguments: &'a [String],
    pub(crate) stdin: Vec<u8>,
    pub(crate) env: &'a BTreeMap<String, String>,
    pub(crate) limit: Duration,
}

/// Why there is no output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The process was killed; whatever it printed is gone.
    TimedOut(String),
    /// It could not be started or waited for.
    Broken(String),
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::TimedOut(message) | Self::Broken(message) => f.write_str(message),
        }
    }
}

impl Plugin {
    /// Runs a command to its end.
    pub(crate) fn run(&self, call: &Invocation<'_>) -> Result<Output, Failure> {
        let broken = |what: &str| Failure::Broken(format!("plugin {:?}: {what}", self.name));
        let Some(path) = self.commands.get(call.command) else {
            return Err(broken(&format!("command {:?} not found", call.command)));
        };
        if self.entrypoint && !path.is_file() {
            return Err(broken(&format!(
                "entrypoint not found or not a file at {}, did the install hook fetch the binary?",
                path.display()
            )));
        }
        let mut command = Command::new(path);
        if self.entrypoint {
            command.arg(call.command);
        }
        command
            .args(call.arguments)
            .current_dir(&self.directory)
            .env("VOODU_PLUGIN_DIR", &self.directory)
            .envs(&self.env)
            .envs(call.env)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = spawn(&mut command).map_err(|error| broken(&error.to_string()))?;
        let pipes = Pipes::attach(&mut child, call.stdin.clone());
        let exited = wait(&mut child, call.limit).map_err(|error| broken(&error.to_string()))?;
        // A child of the plugin that kept its stdout open holds the answer back, as it does
        // on the platform.
        let (stdout, stderr) = pipes.read();
        let Some(exit) = exited else {
            let limit = humantime::format_duration(call.limit);
            return Err(Failure::TimedOut(format!(
                "plugin {:?}: timeout after {limit}",
                self.name
            )));
        };
        Ok(Output {
            status: exit.code().unwrap_or(-1),
            stdout,
            stderr,
        })
    }
}

/// A binary that was just written counts as busy while any other thread is between fork and
/// exec, so that is tried again.
fn spawn(command: &mut Command) -> std::io::Result<Child> {
    for _ in 0..50 {
        match command.spawn() {
            Err(error) if error.kind() == std::io::ErrorKind::ExecutableFileBusy => {
                thread::sleep(Duration::from_millis(10));
            }
            outcome => return outcome,
        }
    }
    command.spawn()
}

/// Waits until the process ends, or kills it and answers nothing.
fn wait(child: &mut Child, limit: Duration) -> std::io::Result<Option<std::process::ExitStatus>> {
    let deadline = Instant::now() + limit;
    let mut nap = Duration::from_micros(500);
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            child.kill()?;
            child.wait()?;
            return Ok(None);
        }
        thread::sleep(nap.min(left));
        nap = (nap * 2).min(Duration::from_millis(20));
    }
}

struct Pipes {
    stdout: Option<JoinHandle<Vec<u8>>>,
    stderr: Option<JoinHandle<Vec<u8>>>,
}

impl Pipes {
    fn attach(child: &mut Child, input: Vec<u8>) -> Self {
        if let Some(mut stdin) = child.stdin.take() {
            // A plugin that never reads its stdin closes it: not an error.
            thread::spawn(move || stdin.write_all(&input).ok());
        }
        Self {
            stdout: child.stdout.take().map(reader),
            stderr: child.stderr.take().map(reader),
        }
    }

    fn read(self) -> (Vec<u8>, Vec<u8>) {
        let join = |handle: Option<JoinHandle<Vec<u8>>>| {
            handle
                .and_then(|handle| handle.join().ok())
                .unwrap_or_default()
        };
        (join(self.stdout), join(self.stderr))
    }
}

fn reader(mut pipe: impl Read + Send + 'static) -> JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut out = Vec::new();
        // What was read before an error is the output.
        pipe.read_to_end(&mut out).ok();
        out
    })
}
