//! The one door out. Standard output carries exactly one document; what is for the eyes of an
//! operator who runs the binary by hand goes to standard error.

use std::io::{self, IsTerminal as _, Write as _};
use std::process::ExitCode;

use clap::error::ErrorKind;
use serde::Serialize;

use crate::cluster::lease::Lease;
use crate::context::{Caller, Context};
use crate::controller;
use crate::docker::invocation::Invocation;
use crate::docker::runner;
use crate::model::dump_url::without_urls;
use crate::model::refusal::Refusal;
use crate::model::resource_ref::ResourceRef;
use crate::wire::action::Action;
use crate::wire::dispatch::Outcome;
use crate::wire::envelope::Envelope;

/// What a command returns.
pub(crate) enum Reply {
    /// The document for the controller, or the one that `-o json` asked for.
    Document(String),
    Text(String),
    /// What a check found wrong: exit code 1.
    Failed(String),
    /// A command of the operator's own took the terminal and ended with that exit code.
    Ended(u8),
}

impl Reply {
    /// A reply to the controller.
    pub(crate) fn ok(data: impl Serialize) -> anyhow::Result<Self> {
        Ok(Self::Document(serde_json::to_string(&Envelope::Ok {
            data,
        })?))
    }

    /// A reply to `vd`: what the operator reads, and what the controller then does.
    pub(crate) fn dispatch(
        message: impl Into<String>,
        actions: impl IntoIterator<Item = Action>,
    ) -> anyhow::Result<Self> {
        Self::ok(Outcome {
            message: message.into(),
            actions: actions.into_iter().collect(),
        })
    }

    /// The reply of a command that holds the lease of its cluster: the next holder waits until the
    /// controller has stored it.
    pub(crate) fn dispatch_under(
        lease: Lease,
        message: impl Into<String>,
        actions: impl IntoIterator<Item = Action>,
    ) -> anyhow::Result<Self> {
        let actions: Vec<_> = actions.into_iter().collect();
        lease.answers(&actions);
        Self::dispatch(message, actions)
    }
}

/// A command whose output or terminal belongs to the operator.
pub(crate) struct Local<'a> {
    pub(crate) cluster: &'a ResourceRef,
    pub(crate) command: Vec<String>,
    /// What the operator reads before it.
    pub(crate) message: String,
    /// The CLI's own line for it.
    pub(crate) summary: String,
}

impl Local<'_> {
    /// Hands it to the CLI, on the operator's side; started by hand, the plugin is there already
    /// and runs it itself.
    pub(crate) fn reply(self, context: &Context<'_>, caller: Caller) -> anyhow::Result<Reply> {
        match caller {
            Caller::Controller => {
                let action = Action::exec_local(self.cluster, self.command);
                Reply::dispatch(self.message, [action.summary(self.summary)])
            }
            Caller::Operator { input } => {
                let invocation = Invocation::new(self.command).stdin(input);
                Ok(Reply::Ended(context.runner.attach(&invocation)?))
            }
        }
    }
}

/// Why there is no reply.
pub(crate) enum Failure {
    /// A command failed or refused: exit code 1.
    Command(anyhow::Error),
    /// The command line is wrong: exit code 2.
    Usage(clap::Error),
}

/// Writes the outcome of a run and returns its exit code.
pub(crate) fn deliver(outcome: &Result<Reply, Failure>) -> ExitCode {
    let (written, code) = match outcome {
        Ok(Reply::Document(text) | Reply::Text(text)) => (to_stdout(text), 0),
        Ok(Reply::Failed(text)) => (to_stdout(text), 1),
        Ok(Reply::Ended(code)) => (Ok(()), *code),
        Err(failure) => (failure.write(), failure.exit_code()),
    };
    match written {
        Ok(()) => ExitCode::from(code),
        Err(_) => ExitCode::FAILURE,
    }
}

impl Failure {
    fn exit_code(&self) -> u8 {
        match self {
            Self::Command(_) => 1,
            Self::Usage(_) => 2,
        }
    }

    fn write(&self) -> io::Result<()> {
        if io::stdout().is_terminal() {
            return io::stderr().lock().write_all(self.for_eyes().as_bytes());
        }
        let error = self.sentence();
        let envelope: Envelope<()> = Envelope::Error { error };
        to_stdout(&serde_json::to_string(&envelope)?)
    }

    fn for_eyes(&self) -> String {
        match self {
            Self::Usage(error) => without_urls(&error.to_string()),
            Self::Command(error) => match hint(error) {
                Some(hint) => format!("error: {error:#}\nhint: {hint}\n"),
                None => format!("error: {error:#}\n"),
            },
        }
    }

    /// Reason and next step as one sentence, as the operator sees it behind `vd`.
    fn sentence(&self) -> String {
        match self {
            Self::Usage(error) if is_missing_command(error) => {
                "no command given; see vd postgres:help".to_owned()
            }
            Self::Usage(error) => {
                let text = without_urls(&error.to_string());
                let lines = text.lines().take_while(|line| !line.is_empty());
                let reason = lines.map(str::trim).collect::<Vec<_>>().join(" ");
                let reason = reason.strip_prefix("error: ").unwrap_or(&reason);
                format!("{reason}; see {}", help_for(&text))
            }
            Self::Command(error) => match hint(error) {
                Some(hint) => format!("{error:#}; {hint}"),
                None => format!("{error:#}"),
            },
        }
    }
}

/// Where the command that was typed is explained: its usage is a line of the error.
fn help_for(error: &str) -> String {
    let usage = error.lines().find_map(|line| line.strip_prefix("Usage: "));
    let command = usage.and_then(|usage| usage.split(' ').nth(1));
    match command.filter(|word| word.starts_with("postgres:") && !word.contains('<')) {
        Some(command) => format!("vd {command} --help"),
        None => "vd postgres:help".to_owned(),
    }
}

fn is_missing_command(error: &clap::Error) -> bool {
    error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
}

fn hint(error: &anyhow::Error) -> Option<&str> {
    let of_refusal = error.downcast_ref().map(Refusal::next);
    of_refusal
        .or_else(|| error.downcast_ref().map(controller::Error::next))
        .or_else(|| error.downcast_ref().and_then(runner::Failure::next))
}

/// Shows a line while the command still runs. The controller keeps standard error to itself.
pub(crate) fn progress(line: &str) {
    let mut stderr = io::stderr().lock();
    if stderr.is_terminal() {
        // Whoever closed the terminal misses a line.
        writeln!(stderr, "{line}").ok();
    }
}

/// Says how far it is, now: for the log of a container.
pub(crate) fn tell(line: &str) -> io::Result<()> {
    to_stdout(line)
}

fn to_stdout(text: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(text.as_bytes())?;
    if !text.ends_with('\n') {
        stdout.write_all(b"\n")?;
    }
    stdout.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal() -> Failure {
        Failure::Command(Refusal::new("port: 0 is not a port", "use 5432").into())
    }

    #[test]
    fn a_refusal_is_one_sentence_for_the_controller() {
        assert_eq!(refusal().sentence(), "port: 0 is not a port; use 5432");
    }

    #[test]
    fn a_refusal_has_its_hint_on_a_line_of_its_own_for_the_eyes() {
        assert_eq!(
            refusal().for_eyes(),
            "error: port: 0 is not a port\nhint: use 5432\n"
        );
    }

    #[test]
    fn an_error_without_a_hint_keeps_its_causes() {
        let error = anyhow::anyhow!("no such file").context("read the request");
        assert_eq!(
            Failure::Command(error).sentence(),
            "read the request: no such file"
        );
    }
}
