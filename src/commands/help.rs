//! `help`: the overview, or one command's help.

use anyhow::bail;
use clap::error::ErrorKind;
use serde_json::{Value, json};

use crate::commands::args::OutputArgs;
use crate::model::excerpt::excerpt;
use crate::model::refusal::Refusal;
use crate::output::Reply;

/// Show what the plugin can do
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  vd postgres:help
  vd postgres:help link
  vd postgres:help backups:capture")]
pub(crate) struct Args {
    /// The command to explain. `vd` splits a word at its colon, so several words are one name
    #[arg(num_args = 0..=2)]
    command: Vec<String>,

    #[command(flatten)]
    output: OutputArgs,
}

impl Args {
    /// Explains the commands of that command line, in the words of its `--help`.
    pub(crate) fn run(&self, all: &clap::Command) -> anyhow::Result<Reply> {
        let name = &self.command.join(":");
        if name.is_empty() {
            return self.output.reply(list(all), || help_of(all, &["--help"]));
        }
        let command = all.find_subcommand(name).ok_or_else(|| {
            Refusal::new(
                format!("there is no command {}", excerpt(name)),
                "run vd postgres:help for the list",
            )
        })?;
        let words = [name, "--help"];
        self.output.reply(entry(command), || help_of(all, &words))
    }
}

/// The commands by task, each with its first line of help.
pub(crate) fn overview(all: &clap::Command, tasks: &[(&str, &[&str])]) -> String {
    let width = all
        .get_subcommands()
        .map(|command| command.get_name().len());
    let width = width.max().unwrap_or_default();
    let line = |command: &clap::Command| {
        let about = command.get_about().map(ToString::to_string);
        let (name, about) = (command.get_name(), about.unwrap_or_default());
        format!("  {name:width$}  {about}\n")
    };
    let groups = tasks.iter().map(|(task, names)| {
        let commands = names.iter().filter_map(|name| all.find_subcommand(name));
        let lines: String = commands.map(line).collect();
        format!("{task}:\n{lines}\n")
    });
    let hint = "vd postgres:<COMMAND> --help explains a command; pg is short for postgres.";
    groups.chain([hint.to_owned()]).collect()
}

fn help_of(all: &clap::Command, words: &[&str]) -> anyhow::Result<String> {
    let line = std::iter::once(all.get_name()).chain(words.iter().copied());
    match all.clone().try_get_matches_from(line) {
        Err(help) if help.kind() == ErrorKind::DisplayHelp => Ok(help.to_string()),
        Err(error) => Err(error.into()),
        Ok(_) => bail!("{} has no help", words.join(" ")),
    }
}

fn list(all: &clap::Command) -> Value {
    let shown = all
        .get_subcommands()
        .filter(|command| !command.is_hide_set());
    let commands: Vec<_> = shown.map(entry).collect();
    json!({"commands": commands})
}

fn entry(command: &clap::Command) -> Value {
    let about = command.get_about().map(ToString::to_string);
    json!({"name": command.get_name(), "help": about})
}
