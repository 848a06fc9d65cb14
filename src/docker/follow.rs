//! Watching a container that works in the background.

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

/// What it has said so far.
pub(crate) fn log(docker: Docker<'_>, container: &str) -> Result<String, Failure> {
    docker.ask(&Invocation::docker(["logs", container]))
}
