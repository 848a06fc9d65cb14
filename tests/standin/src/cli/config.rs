//! `vd config`.

use anyhow::{Context, Result, bail};
use clap::Args;
use serde_json::json;

use super::builtin::Format;
use super::client::Client;
use super::terminal::Terminal;
use crate::store::Vars;

#[derive(Args)]
pub(super) struct Config {
    /// Change the bucket without restarting what it feeds
    #[arg(long)]
    no_restart: bool,
    /// scope[/name], then list, get, set or unset, then keys or KEY=VALUE pairs
    #[arg(required = true, num_args = 1..)]
    words: Vec<String>,
}

const VERBS: [&str; 4] = ["list", "get", "set", "unset"];

impl Config {
    pub(super) fn run(
        mut self,
        client: &Client,
        format: Format,
        terminal: &mut Terminal,
    ) -> Result<()> {
        // `vd config:set s/n A=1` arrives with the verb first.
        if self.words.len() > 1 && VERBS.contains(&self.words[0].as_str()) {
            self.words.swap(0, 1);
        }
        let reference = self.words.remove(0);
        let verb = if self.words.is_empty() {
            "list".to_owned()
        } else {
            self.words.remove(0)
        };
        let (scope, name) = reference.split_once('/').unwrap_or((&reference, ""));
        let mut query = vec![("scope", scope), ("name", name)];
        if self.no_restart {
            query.push(("restart", "false"));
        }
        match verb.as_str() {
            "list" | "get" => {
                let vars = self.matching(client, &query)?;
                show(&vars, format, terminal)
            }
            "set" => {
                let vars = self.pairs()?;
                client.send("POST", "/config", &query, &json!(vars).to_string())?;
                show(&vars, format, terminal)
            }
            "unset" => {
                for key in &self.words {
                    let mut query = query.clone();
                    query.push(("key", key));
                    client.send("DELETE", "/config", &query, "")?;
                    terminal.say(&format!("Unset {key}"));
                }
                Ok(())
            }
            other => bail!("unknown config verb {other:?} (want list, set, get, unset)"),
        }
    }

    /// The keys that contain the given word, whatever its case.
    fn matching(&self, client: &Client, query: &[(&str, &str)]) -> Result<Vars> {
        let mut data = client.data("GET", "/config", query, "")?;
        let mut vars: Vars = serde_json::from_value(data["vars"].take())?;
        if let Some(pattern) = self.words.first() {
            let needle = pattern.to_uppercase();
            vars.retain(|key, _| key.to_uppercase().contains(&needle));
            if vars.is_empty() {
                bail!("no keys match {pattern:?}");
            }
        }
        Ok(vars)
    }

    fn pairs(&self) -> Result<Vars> {
        if self.words.is_empty() {
            bail!("set: at least one KEY=VALUE is required");
        }
        let pair = |word: &String| {
            let (key, value) = word
                .split_once('=')
                .with_context(|| format!("expected KEY=VALUE, got {word:?}"))?;
            Ok((key.trim().to_owned(), value.to_owned()))
        };
        self.words.iter().map(pair).collect()
    }
}

fn show(vars: &Vars, format: Format, terminal: &mut Terminal) -> Result<()> {
    if format == Format::Json {
        terminal.say(&serde_json::to_string_pretty(vars)?);
        return Ok(());
    }
    if vars.is_empty() {
        terminal.say("No environment variables set");
    }
    for (key, value) in vars {
        terminal.say(&format!("{key}={value}"));
    }
    Ok(())
}
