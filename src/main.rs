//! The `voodu-postgres` plugin binary.

use std::process::ExitCode;

fn main() -> ExitCode {
    voodu_postgres::run()
}
