//! What a test run that was killed left behind.

use std::path::Path;
use std::sync::Once;

use super::docker::{docker, docker_ok};

/// The scope of one cluster of this process.
pub fn fresh_scope() -> String {
    use std::sync::atomic::{AtomicU32, Ordering};
    static COUNT: AtomicU32 = AtomicU32::new(0);
    format!(
        "e2e-{}-{}",
        std::process::id(),
        COUNT.fetch_add(1, Ordering::Relaxed)
    )
}

/// Whether the process that made this scope is gone.
fn is_abandoned(scope: &str) -> bool {
    let process = scope
        .strip_prefix("e2e-")
        .and_then(|rest| rest.split('-').next());
    process.is_some_and(|id| !Path::new("/proc").join(id).exists())
}

/// Removes, once, the containers and volumes of test processes that no longer live.
pub fn remove() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let format = ["--format", "{{.ID}} {{.Label \"voodu.scope\"}}"];
        let list = docker_ok(&[
            "ps",
            "-a",
            "--filter",
            "label=createdby=voodu",
            format[0],
            format[1],
        ]);
        for (id, scope) in list.lines().filter_map(|line| line.split_once(' ')) {
            if is_abandoned(scope) {
                docker(&["rm", "-f", id]);
            }
        }
        let list = docker_ok(&[
            "volume",
            "ls",
            "--filter",
            "label=createdby=voodu",
            "--format",
            "{{.Name}} {{.Label \"voodu.scope\"}}",
        ]);
        for (name, scope) in list.lines().filter_map(|line| line.split_once(' ')) {
            if is_abandoned(scope) {
                docker(&["volume", "rm", "-f", name]);
            }
        }
    });
}
