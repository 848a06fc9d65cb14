//! The list of commands. Adding one is a file below `commands/` and a line in both places here;
//! `cargo test` then names what plugin.yml lacks.

use clap::{CommandFactory as _, Parser, Subcommand};

use crate::commands::{defaults, expand, help};
use crate::context::Context;
use crate::output::Reply;

/// Production postgres clusters for voodu
///
/// A `postgres` block becomes a primary and, with two replicas or more, streaming standbys:
///
///   postgres "clowk-lp" "db" {
///     image    = "postgres:17"
///     replicas = 3
///   }
#[derive(Debug, Parser)]
#[command(
    name = "voodu-postgres",
    version,
    verbatim_doc_comment,
    disable_help_subcommand = true,
    override_usage = "vd postgres:<COMMAND> [ARGUMENTS]\n       voodu-postgres <COMMAND> [ARGUMENTS]"
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Command,
}

/// Every command; its first doc line is its help everywhere.
#[derive(Debug, Subcommand)]
enum Command {
    Help(help::Args),
    Expand(expand::Args),
    Defaults(defaults::Args),
}

impl Cli {
    /// Runs the command.
    pub(crate) fn run(&self, context: &Context<'_>) -> anyhow::Result<Reply> {
        match &self.command {
            Command::Help(args) => args.run(&Self::command()),
            Command::Expand(expand::Args {}) => expand::run(context),
            Command::Defaults(args) => args.run(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
