//! `vd plugin:command`.

use std::fs::File;

use anyhow::{Context, Result, bail};
use serde_json::json;

use super::{Session, client, line};
use crate::wire::wire;

wire! {
    /// The `data` of a dispatch's reply.
    Reply {
        message: String,
        applied: Vec<String>,
        exec_local: Vec<ExecLocal>,
        fetch_file: Vec<FetchFile>,
    }
}

wire! {
    /// A command to run here.
    ExecLocal { command: Vec<String>, }
}

wire! {
    /// A file to copy here.
    FetchFile { remote_path: String, dest_path: String, }
}

impl Session<'_> {
    /// Runs a plugin's command and does what it left to this side; answers the exit code.
    pub(super) fn dispatch(&mut self, words: &[String]) -> Result<i32> {
        let Some((plugin, command, arguments)) = line::plugin_command(words) else {
            bail!(
                "unknown command {:?}: no builtin and no plugin registered",
                words.join(" ")
            );
        };
        let path = format!("/plugin/{plugin}/{command}");
        let body = json!({ "args": arguments });
        let text = self.client.post(&path, &[], &body).map_err(|error| {
            if error.to_string().contains(" unreachable (") {
                error.context(format!("dispatch {plugin}:{command}"))
            } else {
                error
            }
        })?;
        if line::wants_json(words) {
            self.terminal.say(text.trim_end_matches('\n'));
            return Ok(0);
        }
        self.render(&serde_json::from_value(client::data(&text)?)?)
    }

    /// The message, a tick per action, then what was left for this side to do. The first local
    /// command that fails ends the line with its exit code.
    fn render(&mut self, reply: &Reply) -> Result<i32> {
        if !reply.message.is_empty() {
            self.terminal.say(&reply.message);
        }
        for line in &reply.applied {
            self.terminal.say(&format!("  ✓ {line}"));
        }
        for local in &reply.exec_local {
            let shim = self.shim;
            let status = self
                .terminal
                .run(&local.command, &shim.directory, &shim.env)?;
            if status != 0 {
                return Ok(status);
            }
        }
        for file in &reply.fetch_file {
            self.fetch(file)?;
        }
        Ok(0)
    }

    fn fetch(&mut self, file: &FetchFile) -> Result<()> {
        let (from, to) = (&file.remote_path, &file.dest_path);
        let destination = self.shim.directory.join(to);
        if destination.exists() {
            bail!("fetch_file {to}: file already exists (move/rename it, or pass --to <other>)");
        }
        let mut source = File::open(from).with_context(|| format!("fetch_file: open {from}"))?;
        let mut copy =
            File::create(&destination).with_context(|| format!("fetch_file: create {to}"))?;
        let bytes = std::io::copy(&mut source, &mut copy)?;
        self.terminal
            .say(&format!("  ✓ wrote {to} ({bytes} bytes)"));
        Ok(())
    }
}
