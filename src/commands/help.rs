//! `help`: the overview, or one command's help.

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
  vd postgres:help expand")]
pub(crate) struct Args {
    /// The command to explain
    command: Option<String>,

    #[command(flatten)]
    output: OutputArgs,
}

impl Args {
    /// Explains the commands of that command line.
    pub(crate) fn run(&self, mut all: clap::Command) -> anyhow::Result<Reply> {
        all.build();
        let Some(name) = &self.command else {
            let text = all.render_long_help().to_string();
            return self.output.reply(list(&all), || Ok(text));
        };
        let command = all.find_subcommand_mut(name).ok_or_else(|| {
            Refusal::new(
                format!("there is no command {}", excerpt(name)),
                "run vd postgres:help for the list",
            )
        })?;
        let text = command.render_long_help().to_string();
        self.output.reply(entry(command), || Ok(text))
    }
}

fn list(all: &clap::Command) -> Value {
    let commands: Vec<_> = all.get_subcommands().map(entry).collect();
    json!({"commands": commands})
}

fn entry(command: &clap::Command) -> Value {
    let about = command.get_about().map(ToString::to_string);
    json!({"name": command.get_name(), "help": about})
}
