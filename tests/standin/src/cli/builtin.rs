//! The CLI's own verbs.

use anyhow::Result;
use clap::{Args, Parser, Subcommand};
use serde_json::Value;

use super::{Session, client, config};

#[derive(Parser)]
#[command(name = "vd", disable_help_subcommand = true)]
struct Line {
    /// Print the controller's reply as it is
    #[arg(
        short,
        long,
        global = true,
        value_name = "FORMAT",
        default_value = "text"
    )]
    output: String,
    #[command(subcommand)]
    verb: Verb,
}

/// How a reply is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    /// For people.
    Text,
    /// As it came.
    Json,
}

impl Format {
    /// Every unknown name is text.
    fn named(name: &str) -> Self {
        match name {
            "json" => Self::Json,
            _ => Self::Text,
        }
    }
}

#[derive(Subcommand)]
enum Verb {
    /// Apply blocks and manifests
    Apply(Files),
    /// Show what an apply would change
    Diff(Files),
    /// Delete what a file declares, or everything of one name
    Delete(Files),
    /// Read or change config buckets
    Config(config::Config),
    /// Show a stored resource
    Describe {
        /// Kind, and scope/name when it does not follow a slash
        #[arg(required = true, num_args = 1..=2)]
        resource: Vec<String>,
    },
    /// Replace all pods of a resource, one after the other
    Restart {
        /// Scope and name
        reference: String,
        /// Deployment or statefulset
        #[arg(short, long, default_value = "")]
        kind: String,
    },
}

/// Which files, and what may be deleted.
#[derive(Args)]
pub(super) struct Files {
    /// A `.voodu` file
    #[arg(short = 'f', long = "file", value_name = "FILE")]
    pub(super) paths: Vec<String>,
    /// Delete stored siblings, or data
    #[arg(long)]
    pub(super) prune: bool,
    /// Accepted for the platform's sake
    #[arg(short, long, alias = "auto-approve")]
    yes: bool,
    /// Scope and name where no file is given, or `scope/name.N` for one pod, which is made anew
    pub(super) reference: Option<String>,
}

impl Session<'_> {
    /// Runs a verb of the CLI's own; nothing when the words name a plugin.
    pub(super) fn builtin(&mut self, words: &[String]) -> Option<Result<i32>> {
        let own = ["apply", "diff", "delete", "config", "describe", "restart"];
        let verb = words.iter().find(|word| !word.starts_with('-'))?;
        if !own.contains(&verb.as_str()) {
            return None;
        }
        let line = std::iter::once("vd").chain(words.iter().map(String::as_str));
        Some(match Line::try_parse_from(line) {
            Ok(line) => self.run_verb(line).map(|()| 0),
            Err(usage) => Ok(self.explain(&usage)),
        })
    }

    fn explain(&mut self, usage: &clap::Error) -> i32 {
        let text = usage.to_string();
        if usage.use_stderr() {
            self.terminal.complain(text.trim_end());
        } else {
            self.terminal.say(text.trim_end());
        }
        usage.exit_code()
    }

    fn run_verb(&mut self, line: Line) -> Result<()> {
        let format = Format::named(&line.output);
        match line.verb {
            Verb::Apply(files) => self.apply(&files, format),
            Verb::Diff(files) => self.diff(&files, format),
            Verb::Delete(files) => self.delete(&files),
            Verb::Config(config) => self.config(config, format),
            Verb::Describe { resource } => self.describe(&resource.join("/"), format),
            Verb::Restart { reference, kind } => self.restart(&reference, &kind),
        }
    }

    fn describe(&mut self, resource: &str, format: Format) -> Result<()> {
        let (kind, reference) = resource.split_once('/').unwrap_or((resource, ""));
        let (scope, name) = reference.rsplit_once('/').unwrap_or(("", reference));
        let query = [("kind", kind), ("scope", scope), ("name", name)];
        let text = self.client.get("/describe", &query)?;
        match format {
            Format::Json => self.terminal.say(text.trim_end()),
            Format::Text => {
                let data = client::data(&text)?;
                self.terminal.say(&serde_json::to_string_pretty(&data)?);
            }
        }
        Ok(())
    }

    fn restart(&mut self, reference: &str, kind: &str) -> Result<()> {
        let (scope, name) = reference.split_once('/').unwrap_or(("", reference));
        let query = [("scope", scope), ("name", name), ("kind", kind)];
        let reply = self.client.post("/restart", &query, &Value::Null)?;
        let data = client::data(&reply)?;
        let kind = data["kind"].as_str().unwrap_or_default();
        self.terminal.say(&format!("restarted {kind}/{reference}"));
        Ok(())
    }
}
