//! Containers are stopped, started and entered.

use std::time::Duration;

use crate::docker::engine::Docker;
use crate::docker::invocation::Invocation;
use crate::docker::runner::Failure;

impl Docker<'_> {
    /// Lets what runs in a container stop by itself, and kills it after so many seconds.
    pub(crate) fn stop(
        &self,
        container: &str,
        seconds: u8,
        limit: Duration,
    ) -> Result<(), Failure> {
        self.change(&["stop", "--time", &seconds.to_string(), container], limit)
    }

    /// Kills what runs in a container. Docker does not start it again by itself.
    pub(crate) fn kill(&self, container: &str, limit: Duration) -> Result<(), Failure> {
        self.change(&["kill", container], limit)
    }

    /// Starts a container, from whatever state it is in.
    pub(crate) fn restart(&self, container: &str, limit: Duration) -> Result<(), Failure> {
        self.change(&["restart", container], limit)
    }

    /// What a container wrote to its log in the last seconds.
    pub(crate) fn recent_log(&self, container: &str, seconds: u64) -> Result<String, Failure> {
        let since = format!("{seconds}s");
        let question = ["logs", "--since", &since, "--tail", "5000", container];
        let output = self.capture(&Invocation::docker(question))?;
        Ok(output.stdout + &output.stderr)
    }

    /// Whether a command inside a container succeeds.
    pub(crate) fn succeeds(&self, container: &str, command: &[&str]) -> Result<bool, Failure> {
        let invocation = Invocation::exec(container, &[], command.iter().copied());
        Ok(self.capture(&invocation)?.code == 0)
    }

    fn change(&self, arguments: &[&str], limit: Duration) -> Result<(), Failure> {
        let invocation = Invocation::docker(arguments.iter().copied()).limit(limit);
        self.ask(&invocation).map(drop)
    }
}
