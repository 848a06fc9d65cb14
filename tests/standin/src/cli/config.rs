//! `vd config`.

use anyhow::{Context, Result, bail};
use clap::Args;
use serde_json::json;

use super::Session;
use super::builtin::Format;
use super::client::{self, Query};
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
    /// Takes reference and verb off the words.
    fn head(&mut self) -> (String, String) {
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
        (reference, verb)
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

impl Session<'_> {
    pub(super) fn config(&mut self, mut config: Config, format: Format) -> Result<()> {
        let (reference, verb) = config.head();
        let (scope, name) = reference.split_once('/').unwrap_or((&reference, ""));
        let restart = if config.no_restart { "false" } else { "" };
        let query = [("scope", scope), ("name", name), ("restart", restart)];
        match verb.as_str() {
            "list" | "get" => {
                let vars = self.matching(&query, config.words.first())?;
                self.show(&vars, format)
            }
            "set" => {
                let vars = config.pairs()?;
                self.client.post("/config", &query, &json!(vars))?;
                self.show(&vars, format)
            }
            "unset" => {
                for key in &config.words {
                    let mut query = query.to_vec();
                    query.push(("key", key));
                    self.client.delete("/config", &query)?;
                    self.terminal.say(&format!("Unset {key}"));
                }
                Ok(())
            }
            other => bail!("unknown config verb {other:?} (want list, set, get, unset)"),
        }
    }

    /// The keys that contain the given word, whatever its case.
    fn matching(&self, query: Query<'_>, pattern: Option<&String>) -> Result<Vars> {
        let mut data = client::data(&self.client.get("/config", query)?)?;
        let mut vars: Vars = serde_json::from_value(data["vars"].take())?;
        if let Some(pattern) = pattern {
            let needle = pattern.to_uppercase();
            vars.retain(|key, _| key.to_uppercase().contains(&needle));
            if vars.is_empty() {
                bail!("no keys match {pattern:?}");
            }
        }
        Ok(vars)
    }

    fn show(&mut self, vars: &Vars, format: Format) -> Result<()> {
        if format == Format::Json {
            self.terminal.say(&serde_json::to_string_pretty(vars)?);
            return Ok(());
        }
        if vars.is_empty() {
            self.terminal.say("No environment variables set");
        }
        for (key, value) in vars {
            self.terminal.say(&format!("{key}={value}"));
        }
        Ok(())
    }
}
