//! voodu-postgres.

use std::process::ExitCode;

/// Runs the plugin.
pub fn run() -> ExitCode {
    ExitCode::SUCCESS
}
