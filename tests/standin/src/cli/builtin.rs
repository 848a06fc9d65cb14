//! The CLI's own verbs.

use anyhow::Result;
use clap::{Args, Parser, Subcommand};

use super::client::Client;
use super::terminal::Terminal;
use super::{Shim, apply, config};

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
    /// One pod of a statefulset, which is made anew (delete only)
    #[arg(long, value_name = "N", requires = "reference")]
    pub(super) replica: Option<u16>,
    /// Scope and name, where no file is given
    pub(super) reference: Option<String>,
}

/// Runs a verb of the CLI's own; nothing when the words name a plugin.
pub(super) fn run(
    shim: &Shim,
    client: &Client,
    words: &[String],
    terminal: &mut Terminal,
) -> Option<Result<i32>> {
    let own = ["apply", "diff", "delete", "config", "describe", "restart"];
    let verb = words.iter().find(|word| !word.starts_with('-'))?;
    if !own.contains(&verb.as_str()) {
        return None;
    }
    let line = std::iter::once("vd").chain(words.iter().map(String::as_str));
    let parsed = match Line::try_parse_from(line) {
        Ok(parsed) => parsed,
        Err(usage) => {
            let text = usage.to_string();
            if usage.use_stderr() {
                terminal.complain(text.trim_end());
            } else {
                terminal.say(text.trim_end());
            }
            return Some(Ok(usage.exit_code()));
        }
    };
    Some(parsed.run(shim, client, terminal).map(|()| 0))
}

impl Line {
    fn run(self, shim: &Shim, client: &Client, terminal: &mut Terminal) -> Result<()> {
        let format = Format::named(&self.output);
        match self.verb {
            Verb::Apply(files) => apply::apply(shim, client, &files, format, terminal),
            Verb::Diff(files) => apply::diff(shim, client, &files, format, terminal),
            Verb::Delete(files) => apply::delete(shim, client, &files, terminal),
            Verb::Config(config) => config.run(client, format, terminal),
            Verb::Describe { resource } => describe(client, &resource.join("/"), format, terminal),
            Verb::Restart { reference, kind } => restart(client, &reference, &kind, terminal),
        }
    }
}

fn describe(
    client: &Client,
    resource: &str,
    format: Format,
    terminal: &mut Terminal,
) -> Result<()> {
    let (kind, reference) = resource.split_once('/').unwrap_or((resource, ""));
    let (scope, name) = reference.rsplit_once('/').unwrap_or(("", reference));
    let query = [("kind", kind), ("scope", scope), ("name", name)];
    if format == Format::Json {
        let text = client.send("GET", "/describe", &query, "")?;
        terminal.say(text.trim_end());
        return Ok(());
    }
    let data = client.data("GET", "/describe", &query, "")?;
    terminal.say(&serde_json::to_string_pretty(&data)?);
    Ok(())
}

fn restart(client: &Client, reference: &str, kind: &str, terminal: &mut Terminal) -> Result<()> {
    let (scope, name) = reference.split_once('/').unwrap_or(("", reference));
    let query = [("scope", scope), ("name", name), ("kind", kind)];
    let data = client.data("POST", "/restart", &query, "")?;
    let kind = data["kind"].as_str().unwrap_or_default();
    terminal.say(&format!("restarted {kind}/{reference}"));
    Ok(())
}
