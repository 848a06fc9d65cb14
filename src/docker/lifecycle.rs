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

    /// The image that a container was made from, by its id.
    pub(crate) fn image(&self, container: &str) -> Result<String, Failure> {
        let question = [
            "inspect",
            "--type",
            "container",
            "--format",
            "{{.Image}}",
            container,
        ];
        let printed = self.ask(&Invocation::docker(question))?;
        Ok(printed.trim().to_owned())
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
