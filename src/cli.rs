//! The list of commands. Adding one is a file below `commands/` and a line in both places here;
//! `cargo test` then names what plugin.yml lacks.

use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};

use crate::commands::{
    backup, backups, defaults, expand, expose, help, info, job, link, new_password, promote, psql,
    rejoin, restore, unexpose, unlink,
};
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
    help_template = "{about-with-newline}\n{usage-heading} {usage}{after-help}",
    override_usage = "vd postgres:<COMMAND> [ARGUMENTS]\n       voodu-postgres <COMMAND> [ARGUMENTS]"
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Command,
}

/// Every command; its first doc line is its help everywhere.
#[derive(Debug, Subcommand)]
enum Command {
    Link(link::Args),
    Unlink(unlink::Args),
    Psql(psql::Args),
    Expose(expose::Args),
    Unexpose(unexpose::Args),
    Info(info::Args),
    NewPassword(new_password::Args),
    #[command(visible_alias = "failover")]
    Promote(promote::Args),
    Rejoin(rejoin::Args),
    Backups(backups::list::Args),
    #[command(name = "backups:capture")]
    BackupsCapture(backups::capture::Args),
    #[command(name = "backups:logs")]
    BackupsLogs(backups::logs::Args),
    #[command(name = "backups:restore")]
    BackupsRestore(backups::restore::Args),
    #[command(name = "backups:download")]
    BackupsDownload(backups::download::Args),
    #[command(name = "backups:delete")]
    BackupsDelete(backups::delete::Args),
    #[command(name = "backups:prune")]
    BackupsPrune(backups::prune::Args),
    #[command(name = "backups:schedule")]
    BackupsSchedule(backups::schedule::Args),
    #[command(name = "backups:cancel")]
    BackupsCancel(backups::cancel::Args),
    Backup(backup::Args),
    Restore(restore::Args),
    Help(help::Args),
    Defaults(defaults::Args),
    Expand(expand::Args),
    #[command(hide = true)]
    Job(job::Args),
}

/// The overview's groups; every command is in one of them.
const TASKS: &[(&str, &[&str])] = &[
    ("Connect", &["link", "unlink", "psql", "expose", "unexpose"]),
    ("Operate", &["info", "new-password"]),
    ("Replicate", &["promote", "rejoin"]),
    (
        "Back up",
        &[
            "backups",
            "backups:capture",
            "backups:logs",
            "backups:restore",
            "backups:download",
            "backups:delete",
            "backups:prune",
            "backups:schedule",
            "backups:cancel",
            "backup",
            "restore",
        ],
    ),
    ("Look up", &["help", "defaults"]),
    ("Called by voodu", &["expand"]),
];

/// The command line, its overview included.
pub(crate) fn command() -> clap::Command {
    let command = Cli::command();
    let overview = help::overview(&command, TASKS);
    command.mut_subcommands(as_typed).after_help(overview)
}

/// Shows a command's usage as an operator types it.
fn as_typed(command: clap::Command) -> clap::Command {
    let typed = format!("vd postgres:{}", command.get_name());
    let usage = command.clone().bin_name(typed).render_usage().to_string();
    let usage = usage.strip_prefix("Usage: ").unwrap_or(&usage).to_owned();
    command.override_usage(usage)
}

impl Cli {
    /// Reads the arguments of this process.
    pub(crate) fn try_parse() -> Result<Self, clap::Error> {
        // The usage of all commands costs more than most commands do, and only a failure shows it.
        let quick = Cli::command().try_get_matches();
        let mut matches = quick.or_else(|_| command().try_get_matches())?;
        Self::from_arg_matches_mut(&mut matches)
    }

    /// Runs the command.
    pub(crate) fn run(&self, context: &Context<'_>) -> anyhow::Result<Reply> {
        match &self.command {
            Command::Link(args) => args.run(context),
            Command::Unlink(args) => args.run(context),
            Command::Psql(args) => args.run(context),
            Command::Promote(args) => args.run(context),
            Command::Rejoin(args) => args.run(context),
            Command::Expose(args) => args.run(context),
            Command::Unexpose(args) => args.run(context),
            Command::Info(args) => args.run(context),
            Command::NewPassword(args) => args.run(context),
            Command::Backups(args) => args.run(context),
            Command::BackupsCapture(args) => args.run(context),
            Command::BackupsLogs(args) => args.run(context),
            Command::BackupsRestore(args) => args.run(context),
            Command::BackupsDownload(args) => args.run(context),
            Command::BackupsDelete(args) => args.run(context),
            Command::BackupsPrune(args) => args.run(context),
            Command::BackupsSchedule(args) => args.run(context),
            Command::BackupsCancel(args) => args.run(context),
            Command::Backup(args) => args.run(context),
            Command::Restore(args) => args.run(context),
            Command::Help(args) => args.run(&command()),
            Command::Defaults(args) => args.run(),
            Command::Expand(expand::Args {}) => expand::run(context),
            Command::Job(args) => args.run(context),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        command().debug_assert();
    }

    #[test]
    fn every_command_belongs_to_one_task() {
        let mut grouped: Vec<_> = TASKS.iter().flat_map(|(_, names)| *names).collect();
        let command = command();
        let mut all: Vec<_> = command
            .get_subcommands()
            .filter(|command| !command.is_hide_set())
            .map(clap::Command::get_name)
            .collect();
        grouped.sort();
        all.sort_unstable();
        assert!(grouped.into_iter().copied().eq(all));
    }
}
