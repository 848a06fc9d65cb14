//! `vd plugin:command`.

use std::fs::{self, File};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use super::Shim;
use super::client::Client;
use super::line;
use super::terminal::Terminal;
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

pub(super) fn run(
    shim: &Shim,
    client: &Client,
    words: &[String],
    terminal: &mut Terminal,
) -> Result<i32> {
    let Some((plugin, command, arguments)) = line::plugin_command(words) else {
        bail!(
            "unknown command {:?}: no builtin and no plugin registered",
            words.join(" ")
        );
    };
    let path = format!("/plugin/{plugin}/{command}");
    let body = json!({ "args": arguments }).to_string();
    let text = client.send("POST", &path, &[], &body).map_err(|error| {
        if error.to_string().contains(" unreachable (") {
            error.context(format!("dispatch {plugin}:{command}"))
        } else {
            error
        }
    })?;
    if line::wants_json(words) {
        terminal.say(text.trim_end_matches('\n'));
        return Ok(0);
    }
    let mut document: Value = serde_json::from_str(&text).context("decode the reply")?;
    let reply: Reply = serde_json::from_value(document["data"].take())?;
    render(shim, &reply, terminal)
}

/// The message, a tick per action, then what was left for this side to do. The first local
/// command that fails ends the line with its exit code.
fn render(shim: &Shim, reply: &Reply, terminal: &mut Terminal) -> Result<i32> {
    if !reply.message.is_empty() {
        terminal.say(&reply.message);
    }
    for line in &reply.applied {
        terminal.say(&format!("  ✓ {line}"));
    }
    for local in &reply.exec_local {
        let status = terminal.run(&local.command, &shim.directory, &shim.env)?;
        if status != 0 {
            return Ok(status);
        }
    }
    for file in &reply.fetch_file {
        fetch(shim, file, terminal)?;
    }
    Ok(0)
}

fn fetch(shim: &Shim, file: &FetchFile, terminal: &mut Terminal) -> Result<()> {
    let destination = shim.directory.join(&file.dest_path);
    if destination.exists() {
        bail!(
            "fetch_file {}: file already exists (move/rename it, or pass --to <other>)",
            file.dest_path
        );
    }
    let mut source = File::open(&file.remote_path)
        .with_context(|| format!("fetch_file: open {}", file.remote_path))?;
    let mut copy = fs::File::create(&destination)
        .with_context(|| format!("fetch_file: create {}", file.dest_path))?;
    let bytes = std::io::copy(&mut source, &mut copy)?;
    terminal.say(&format!("  ✓ wrote {} ({bytes} bytes)", file.dest_path));
    Ok(())
}
