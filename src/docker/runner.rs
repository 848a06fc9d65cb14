//! The one place that starts processes. A child never gets the plugin's own pipes: the controller
//! would wait for them when the plugin is long gone.

use std::fmt;
use std::io::{self, Read, Write as _};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use crate::docker::invocation::Invocation;
use crate::model::excerpt::excerpt;

/// Runs command lines. Shared between threads, so that several pods are asked at once.
pub(crate) trait Runner: Sync {
    /// Runs it to its end and collects what it printed, whatever its exit code.
    fn capture(&self, invocation: &Invocation) -> Result<Output, Failure>;

    /// Runs it on the terminal of this process, for as long as it takes; returns its exit code.
    /// Input that the invocation has comes in the terminal's place.
    fn attach(&self, invocation: &Invocation) -> Result<u8, Failure>;
}

/// What came of a command line.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Output {
    /// 128 and more for a signal, as in a shell.
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// Why a command line did not do its work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    command: String,
    problem: Problem,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Problem {
    CannotRun(String),
    TimedOut(Duration),
    Exited(i32, String),
    Unexpected(String),
}

impl Failure {
    /// It ran too long and was killed.
    pub(crate) fn timed_out(&self) -> bool {
        matches!(self.problem, Problem::TimedOut(_))
    }

    /// The operator's next step, when docker itself is the trouble.
    pub(crate) fn next(&self) -> Option<&'static str> {
        match self.problem {
            Problem::CannotRun(_) | Problem::TimedOut(_) => {
                Some("see whether docker answers (docker ps), and run the command again")
            }
            Problem::Exited(..) | Problem::Unexpected(_) => None,
        }
    }

    /// It printed something that cannot be understood.
    pub(crate) fn unexpected(invocation: &Invocation, printed: &str) -> Self {
        Self::new(invocation, Problem::Unexpected(printed.to_owned()))
    }

    fn new(invocation: &Invocation, problem: Problem) -> Self {
        Self {
            command: invocation.to_string(),
            problem,
        }
    }

    /// It could not be started, or not be waited for.
    pub(crate) fn cannot_run(invocation: &Invocation, error: &io::Error) -> Self {
        Self::new(invocation, Problem::CannotRun(error.to_string()))
    }

    /// It had to be killed.
    pub(crate) fn too_slow(invocation: &Invocation) -> Self {
        Self::new(invocation, Problem::TimedOut(invocation.time()))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let command = &self.command;
        match &self.problem {
            Problem::CannotRun(error) => write!(f, "cannot run {command}: {error}"),
            Problem::TimedOut(limit) => {
                write!(f, "{command} did not end within {} s", limit.as_secs_f32())
            }
            Problem::Exited(code, stderr) if stderr.is_empty() => {
                write!(f, "{command} exited {code}")
            }
            Problem::Exited(code, stderr) => write!(f, "{command} exited {code}: {stderr}"),
            Problem::Unexpected(printed) => {
                write!(f, "{command} printed {}", excerpt(printed))
            }
        }
    }
}

impl std::error::Error for Failure {}

impl Output {
    /// What it printed, when it succeeded; else the last line that it complained with.
    pub(crate) fn succeeded(self, invocation: &Invocation) -> Result<String, Failure> {
        if self.code == 0 {
            return Ok(self.stdout);
        }
        // Docker's own last line only says where its help is.
        let said = |line: &&str| !line.is_empty() && !line.contains("docker run --help");
        let lines = self.stderr.lines().map(str::trim);
        let complaint = lines.rev().find(said).unwrap_or_default();
        let problem = Problem::Exited(self.code, complaint.to_owned());
        Err(Failure::new(invocation, problem))
    }
}

/// The machine's processes.
pub(crate) struct SystemRunner;

impl Runner for SystemRunner {
    fn capture(&self, invocation: &Invocation) -> Result<Output, Failure> {
        let deadline = Instant::now() + invocation.time();
        let failed = |error| Failure::cannot_run(invocation, &error);
        let mut command = command(invocation)?;
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().map_err(failed)?;
        feed(&mut child, invocation.stdin.clone());
        let (stdout, stderr) = (collect(child.stdout.take()), collect(child.stderr.take()));
        let Some(status) = wait(&mut child, deadline).map_err(failed)? else {
            return Err(Failure::too_slow(invocation));
        };
        // A grandchild may hold the pipes open: not waited for either.
        let read = |pipe: Receiver<Vec<u8>>| {
            let left = deadline.saturating_duration_since(Instant::now());
            let bytes = pipe.recv_timeout(left.max(Duration::from_millis(100)));
            bytes.map_err(|_| Failure::too_slow(invocation))
        };
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        Ok(Output {
            code: status,
            stdout: read(stdout).map(text)?,
            stderr: read(stderr).map(text)?,
        })
    }

    fn attach(&self, invocation: &Invocation) -> Result<u8, Failure> {
        let failed = |error| Failure::cannot_run(invocation, &error);
        let mut command = command(invocation)?;
        if !invocation.stdin.is_empty() {
            command.stdin(Stdio::piped());
        }
        let mut child = command.spawn().map_err(failed)?;
        feed(&mut child, invocation.stdin.clone());
        let status = child.wait().map_err(failed)?;
        Ok(u8::try_from(code(status)).unwrap_or(1))
    }
}

fn command(invocation: &Invocation) -> Result<Command, Failure> {
    let [program, arguments @ ..] = &invocation.argv[..] else {
        let error = io::Error::from(io::ErrorKind::InvalidInput);
        return Err(Failure::cannot_run(invocation, &error));
    };
    let mut command = Command::new(program);
    command.args(arguments);
    for (name, secret) in &invocation.env {
        command.env(name, secret.expose());
    }
    Ok(command)
}

/// Writes in a thread of its own: a child that never reads must not hold anybody up.
fn feed(child: &mut Child, input: Vec<u8>) {
    if let Some(mut stdin) = child.stdin.take() {
        // A child that does not want its input closes the pipe, and its exit code tells.
        thread::spawn(move || stdin.write_all(&input).ok());
    }
}

fn collect(pipe: Option<impl Read + Send + 'static>) -> Receiver<Vec<u8>> {
    let (sender, receiver) = channel();
    thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut pipe) = pipe {
            // What came before an error is what there is.
            pipe.read_to_end(&mut bytes).ok();
        }
        sender.send(bytes).ok();
    });
    receiver
}

/// The exit code, or nothing when the child had to be killed.
fn wait(child: &mut Child, deadline: Instant) -> io::Result<Option<i32>> {
    let mut nap = Duration::from_micros(500);
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(code(status)));
        }
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            child.kill()?;
            child.wait()?;
            return Ok(None);
        }
        thread::sleep(nap.min(left));
        nap = (nap * 2).min(Duration::from_millis(10));
    }
}

fn code(status: std::process::ExitStatus) -> i32 {
    use std::os::unix::process::ExitStatusExt as _;
    status
        .code()
        .or(status.signal().map(|signal| 128 + signal))
        .unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sh(script: &str) -> Invocation {
        Invocation::new(["sh", "-c", script]).limit(Duration::from_millis(500))
    }

    #[test]
    fn output_and_exit_code_are_kept_apart() {
        let output = SystemRunner
            .capture(&sh("cat; echo no >&2; exit 3").stdin("yes"))
            .unwrap();
        let expected = Output {
            code: 3,
            stdout: "yes".into(),
            stderr: "no\n".into(),
        };
        assert_eq!(output, expected);
        let failure = output.succeeded(&sh("x")).unwrap_err();
        assert_eq!(failure.to_string(), "sh -c x exited 3: no");
    }

    #[test]
    fn docker_s_pointer_to_its_help_is_no_reason() {
        let output = Output {
            code: 125,
            stderr: "docker: no such image.\n\nRun 'docker run --help' for more information\n"
                .into(),
            ..Output::default()
        };
        let failure = output.succeeded(&sh("x")).unwrap_err();
        assert_eq!(
            failure.to_string(),
            "sh -c x exited 125: docker: no such image."
        );
    }

    #[test]
    fn a_child_that_hangs_is_killed() {
        let before = Instant::now();
        let failure = SystemRunner.capture(&sh("sleep 30")).unwrap_err();
        assert!(failure.timed_out() && before.elapsed() < Duration::from_secs(5));
    }

    #[test]
    fn a_grandchild_that_keeps_the_pipes_is_not_waited_for() {
        let before = Instant::now();
        let failure = SystemRunner.capture(&sh("sleep 6 & exit 0")).unwrap_err();
        assert!(failure.timed_out() && before.elapsed() < Duration::from_secs(5));
    }

    #[test]
    fn a_missing_program_is_named() {
        let failure = SystemRunner.capture(&Invocation::new(["/no/such/docker", "ps"]));
        let text = failure.unwrap_err().to_string();
        assert!(
            text.starts_with("cannot run /no/such/docker ps: "),
            "{text}"
        );
    }
}
