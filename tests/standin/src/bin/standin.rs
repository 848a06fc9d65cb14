//! `standin serve` runs the platform until it is stopped; `standin vd … -- <words>` runs one
//! command line of the CLI on a platform of its own, on the same root.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::{Args, Parser};
use voodu_standin::engine::MemoryEngine;
use voodu_standin::{Builder, EngineChoice, Platform};

/// Where a dry run keeps its containers, under the root.
const MEMORY: &str = "memory.json";

/// A stand-in for the voodu controller and its CLI
#[derive(Parser)]
#[command(name = "standin")]
enum Standin {
    /// Listen until stopped
    Serve {
        #[command(flatten)]
        on: On,
        /// Where to listen
        #[arg(long, default_value = "127.0.0.1:8686")]
        addr: String,
        /// Do not run probes
        #[arg(long)]
        no_probes: bool,
    },
    /// Run one command line of the CLI
    Vd {
        #[command(flatten)]
        on: On,
        /// What follows `vd`
        #[arg(last = true, required = true)]
        words: Vec<String>,
    },
}

#[derive(Args)]
struct On {
    /// The controller root
    #[arg(long)]
    root: PathBuf,
    /// A plugin's directory, or a directory of plugins
    #[arg(long)]
    plugins: Vec<PathBuf>,
    /// Run nothing on docker: only print what would run
    #[arg(long)]
    dry: bool,
}

impl On {
    /// What remembers containers instead of docker, from one command line to the next.
    fn memory(&self) -> Result<Option<Arc<MemoryEngine>>> {
        if !self.dry {
            return Ok(None);
        }
        let memory = MemoryEngine::load(&self.root.join(MEMORY))?;
        Ok(Some(Arc::new(memory)))
    }

    fn builder(&self) -> Builder {
        let pause = if self.dry { 0 } else { 2 };
        let builder = Platform::builder()
            .root(&self.root)
            .pause(Duration::from_secs(pause));
        self.plugins.iter().fold(builder, Builder::plugin_dir)
    }
}

fn main() -> ExitCode {
    let outcome = match Standin::parse() {
        Standin::Serve {
            on,
            addr,
            no_probes,
        } => serve(&on, |builder| builder.address(addr).probes(!no_probes)),
        Standin::Vd { on, words } => vd(&on, &words),
    };
    match outcome {
        Ok(code) => ExitCode::from(u8::try_from(code).unwrap_or(1)),
        Err(error) => {
            writeln!(io::stderr(), "error: {error:#}").unwrap_or_default();
            ExitCode::FAILURE
        }
    }
}

fn serve(on: &On, change: impl FnOnce(Builder) -> Builder) -> Result<i32> {
    let engine = on.memory()?.map(EngineChoice::Memory);
    let builder = on.builder().engine(engine.unwrap_or_default());
    let platform = change(builder).replay(true).start()?;
    writeln!(io::stdout(), "listening on {}", platform.url())?;
    loop {
        std::thread::park();
    }
}

/// Probes end with the process, so a single command line runs none.
fn vd(on: &On, words: &[String]) -> Result<i32> {
    let memory = on.memory()?;
    let engine = memory.clone().map(EngineChoice::Memory);
    let platform = on
        .builder()
        .engine(engine.unwrap_or_default())
        .probes(false)
        .start()?;
    let code = platform.shim().inherit(words);
    platform.wait_for_jobs();
    if let Some(memory) = memory {
        memory.save(&on.root.join(MEMORY))?;
        if words.iter().any(|word| word == "apply") {
            print_manifests(&platform).context("print the manifests")?;
        }
        print_commands(&memory).context("print the commands")?;
    }
    Ok(code)
}

/// Manifests, the content of asset files included.
fn print_manifests(platform: &Platform) -> Result<()> {
    let mut out = io::stdout().lock();
    for manifest in platform.manifests() {
        writeln!(out, "\n# {}", manifest.reference())?;
        match manifest.spec["files"].as_object() {
            Some(files) => {
                for (key, content) in files {
                    let content = content.as_str().unwrap_or("(binary)");
                    writeln!(out, "## {key}\n{content}")?;
                }
            }
            None => writeln!(out, "{}", serde_json::to_string_pretty(&manifest.spec)?)?,
        }
    }
    Ok(())
}

/// What would have run, in order.
fn print_commands(memory: &MemoryEngine) -> Result<()> {
    let mut out = io::stdout().lock();
    let commands = memory.commands();
    if !commands.is_empty() {
        writeln!(out, "\n# docker commands")?;
    }
    for command in commands {
        let words: Vec<String> = command.iter().map(|word| quoted(word)).collect();
        writeln!(out, "docker {}", words.join(" "))?;
    }
    Ok(())
}

fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=@,+".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}
