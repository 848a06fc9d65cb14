//! `preview --root DIR --plugins DIR FILE` applies a file to a platform that runs nothing, and
//! prints what a real one would create: without passwords, long files cut short.
#![allow(clippy::print_stdout, clippy::print_stderr)]

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use clap::Parser;
use serde_json::Value;
use voodu_standin::engine::MemoryEngine;
use voodu_standin::{EngineChoice, Platform};

/// Print what applying a file would create
#[derive(Parser)]
struct Preview {
    /// The controller root
    #[arg(long)]
    root: PathBuf,
    /// A plugin's directory, or a directory of plugins
    #[arg(long)]
    plugins: PathBuf,
    /// A `.voodu` file
    file: PathBuf,
}

fn main() -> ExitCode {
    match Preview::parse().run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

impl Preview {
    fn run(&self) -> Result<()> {
        let memory = Arc::new(MemoryEngine::default());
        let platform = Platform::builder()
            .root(&self.root)
            .plugin_dir(&self.plugins)
            .engine(EngineChoice::Memory(Arc::clone(&memory)))
            .probes(false)
            .pause(Duration::ZERO)
            .start()?;
        platform.apply_file(&self.file)?;
        print_manifests(&platform)?;
        println!("# docker commands, in this order\n");
        for command in memory.commands() {
            let words: Vec<String> = command.iter().map(|word| shown(word)).collect();
            println!("docker {}", words.join(" "));
        }
        Ok(())
    }
}

fn print_manifests(platform: &Platform) -> Result<()> {
    for manifest in platform.manifests() {
        println!("# {}\n", manifest.reference());
        if let Some(files) = manifest.spec["files"].as_object() {
            for (key, content) in files {
                println!("{}", beginning(key, content.as_str().unwrap_or("(binary)")));
            }
        } else {
            let mut spec = manifest.spec.clone();
            spec.get_mut("env").map(hide_passwords);
            println!("{}\n", serde_json::to_string_pretty(&spec)?);
        }
    }
    Ok(())
}

/// The first lines of a file, indented under its name and size.
fn beginning(key: &str, content: &str) -> String {
    const SHOWN: usize = 6;
    let all = content.lines().count();
    let mut lines = vec![format!("{key} ({} bytes)", content.len())];
    lines.extend(content.lines().take(SHOWN).map(indented));
    if all > SHOWN {
        lines.push(indented(&format!("... ({all} lines in all)")));
    }
    lines.join("\n") + "\n"
}

fn indented(line: &str) -> String {
    format!("  | {line}").trim_end().to_owned()
}

fn is_password(key: &str, value: &str) -> bool {
    key.contains("PASSWORD") && !value.is_empty()
}

fn hide_passwords(env: &mut Value) {
    for (key, value) in env.as_object_mut().into_iter().flatten() {
        if value.as_str().is_some_and(|text| is_password(key, text)) {
            *value = Value::from("***");
        }
    }
}

/// One word of a command line, quoted for a shell, without its password.
fn shown(word: &str) -> String {
    match word.split_once('=') {
        Some((key, value)) if is_password(key, value) => format!("{key}=***"),
        _ => quoted(word),
    }
}

fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=@,+".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_never_shown() {
        assert_eq!(
            shown("POSTGRES_PASSWORD=s3 cret=x"),
            "POSTGRES_PASSWORD=***"
        );
        assert_eq!(shown("POSTGRES_PASSWORD="), "POSTGRES_PASSWORD=");
        assert_eq!(shown("TZ=a b"), "'TZ=a b'");
        let mut env = serde_json::json!({"PG_REPLICATION_PASSWORD": "s3cret", "PG_PORT": "5433"});
        hide_passwords(&mut env);
        assert_eq!(
            env,
            serde_json::json!({"PG_REPLICATION_PASSWORD": "***", "PG_PORT": "5433"})
        );
    }

    #[test]
    fn a_long_file_is_cut_short() {
        let text = beginning("key", &"line\n".repeat(9));
        assert_eq!(text.lines().count(), 8);
        assert!(text.starts_with("key (45 bytes)\n  | line\n"));
        assert!(text.ends_with("  | ... (9 lines in all)\n"));
        assert_eq!(beginning("key", "one"), "key (3 bytes)\n  | one\n");
    }
}
