//! Programs of this machine.

use std::process::Command;

use crate::found::Checked;
use crate::support::docker;

/// Runs a program that may hang.
pub fn bounded(seconds: u64, words: &[&str]) -> Checked<String> {
    let output = Command::new("timeout")
        .args(["-k", "1", &seconds.to_string()])
        .args(words)
        .output()
        .map_err(|error| error.to_string())?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout)
            .trim_end()
            .to_owned());
    }
    if output.status.code() == Some(124) {
        return Err(format!("no answer in {seconds} s"));
    }
    Err(String::from_utf8_lossy(&output.stderr)
        .trim_end()
        .to_owned())
}

/// How many times more work waits than a processor does well beside its own, 8 at the most.
pub fn crowd() -> f64 {
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load
        .split(' ')
        .next()
        .and_then(|load| load.parse::<f64>().ok());
    let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let processors = u32::try_from(processors).map_or(1.0, f64::from);
    (load.unwrap_or(0.0) / processors / 3.0).min(8.0)
}

/// A container's state as docker sees it, and since when.
pub fn state(container: &str) -> (String, String) {
    let output = docker(&[
        "inspect",
        "-f",
        "{{.State.Status}} {{.State.StartedAt}}",
        container,
    ]);
    let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    let (state, since) = text.split_once(' ').unwrap_or(("absent", ""));
    (state.to_owned(), since.to_owned())
}
