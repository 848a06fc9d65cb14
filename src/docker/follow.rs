//! Watching a container that works in the background.

use std::time::Duration;

use crate::docker::engine::Docker;
use crate::docker::invocation::Invocation;
use crate::docker::runner::Failure;

/// Its log until it ends, and then its exit code as one's own. Whoever stops watching does not stop
/// it.
const FOLLOW: &str = "docker logs -f \"$1\"; code=$(docker wait \"$1\") && exit \"$code\"; exit 1";

/// The command line for the operator's side of the CLI.
pub(crate) fn follow(container: &str) -> Vec<String> {
    ["sh", "-c", FOLLOW, "sh", container]
        .map(str::to_owned)
        .into()
}

/// Its exit code; nothing when it still works after that time.
pub(crate) fn ended(
    docker: Docker<'_>,
    container: &str,
    within: Duration,
) -> Result<Option<i32>, Failure> {
    let question = Invocation::docker(["wait", container]).limit(within);
    let printed = match docker.ask(&question) {
        Ok(printed) => printed,
        Err(failure) if failure.timed_out() => return Ok(None),
        Err(failure) => return Err(failure),
    };
    let code = printed.trim().parse();
    code.map(Some)
        .map_err(|_| Failure::unexpected(&question, &printed))
}

/// What it has said so far.
pub(crate) fn log(docker: Docker<'_>, container: &str) -> Result<String, Failure> {
    docker.ask(&Invocation::docker(["logs", container]))
}
