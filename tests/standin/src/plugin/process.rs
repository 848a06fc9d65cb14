//! Running a plugin once: its own pipes, its output read only when it is over, SIGKILL to the
//! process alone when the time is up.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
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
    /// Grows when callers hang up, which kills the plugins that run for them.
    pub(crate) hang_ups: &'a AtomicU64,
}

/// Why there is no output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The process was killed; whatever it printed is gone.
    Killed(String),
    /// It could not be started or waited for.
    Broken(String),
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Killed(message) | Self::Broken(message) => f.write_str(message),
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
        let end = wait(&mut child, call).map_err(|error| broken(&error.to_string()))?;
        // A child of the plugin that kept its stdout open holds the answer back, as it does
        // on the platform.
        let (stdout, stderr) = pipes.read();
        match end {
            End::Exited(exit) => Ok(Output {
                status: exit.code().unwrap_or(-1),
                stdout,
                stderr,
            }),
            End::OutOfTime => {
                let limit = humantime::format_duration(call.limit);
                let name = &self.name;
                Err(Failure::Killed(format!(
                    "plugin {name:?}: timeout after {limit}"
                )))
            }
            End::HungUp => Err(Failure::Killed(format!(
                "plugin {:?}: context canceled",
                self.name
            ))),
        }
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

/// How a process came to its end.
enum End {
    Exited(ExitStatus),
    OutOfTime,
    HungUp,
}

/// Waits until the process ends, or kills it when the time is up or the caller is gone.
fn wait(child: &mut Child, call: &Invocation<'_>) -> std::io::Result<End> {
    let deadline = Instant::now() + call.limit;
    let hang_ups = call.hang_ups.load(Ordering::Relaxed);
    let mut nap = Duration::from_micros(500);
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(End::Exited(status));
        }
        let left = deadline.saturating_duration_since(Instant::now());
        let hung_up = call.hang_ups.load(Ordering::Relaxed) != hang_ups;
        if hung_up || left.is_zero() {
            child.kill()?;
            child.wait()?;
            return Ok(if hung_up { End::HungUp } else { End::OutOfTime });
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
