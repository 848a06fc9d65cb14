//! Plugins on disk: finding one by name or alias, and which commands it has.

mod output;
mod process;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow};
use serde::Deserialize;

use crate::manifest::null_as_default;

pub(crate) use output::Output;
pub(crate) use process::Invocation;

/// The directories a controller finds plugins in.
#[derive(Clone, Debug, Default)]
pub(crate) struct Plugins {
    directories: Vec<PathBuf>,
}

/// `plugin.yml`, as far as the controller reads it.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Metadata {
    #[serde(deserialize_with = "null_as_default")]
    name: String,
    #[serde(deserialize_with = "null_as_default")]
    version: String,
    #[serde(deserialize_with = "null_as_default")]
    description: String,
    #[serde(deserialize_with = "null_as_default")]
    aliases: Vec<String>,
    #[serde(deserialize_with = "null_as_default")]
    entrypoint: String,
    #[serde(deserialize_with = "null_as_default")]
    commands: Vec<Command>,
    #[serde(deserialize_with = "null_as_default")]
    env: BTreeMap<String, String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Command {
    name: String,
}

/// One plugin, read from disk for every call as the controller does.
#[derive(Debug)]
pub(crate) struct Plugin {
    /// The manifest's name, or the directory's.
    pub name: String,
    /// The manifest's version.
    pub version: String,
    /// The manifest's description.
    pub description: String,
    /// Other names it answers to.
    pub aliases: Vec<String>,
    directory: PathBuf,
    entrypoint: bool,
    commands: BTreeMap<String, PathBuf>,
    env: BTreeMap<String, String>,
}

impl Plugins {
    /// Adds a directory: a plugin itself (it has a `plugin.yml`) or a directory of plugins.
    pub(crate) fn add(&mut self, directory: &Path) {
        self.directories.push(directory.to_owned());
    }

    /// The value of `VOODU_ROOT` in a plugin's environment: the plugins' root.
    pub(crate) fn root(&self) -> PathBuf {
        let first = self.directories.first().cloned().unwrap_or_default();
        if first.join("plugin.yml").exists() {
            first.parent().map(Path::to_owned).unwrap_or(first)
        } else {
            first
        }
    }

    /// Every readable plugin.
    pub(crate) fn all(&self) -> Vec<Plugin> {
        self.candidates()
            .iter()
            .filter_map(|directory| Plugin::load(directory).ok())
            .collect()
    }

    /// Finds by name first, then by alias; broken plugins are skipped over.
    pub(crate) fn find(&self, name: &str) -> Result<Plugin> {
        let candidates = self.candidates();
        let named = |directory: &&PathBuf| {
            directory.file_name().is_some_and(|last| last == name)
                || Plugin::load(directory).is_ok_and(|plugin| plugin.name == name)
        };
        if let Some(directory) = candidates.iter().find(named) {
            return Plugin::load(directory);
        }
        self.all()
            .into_iter()
            .find(|plugin| plugin.aliases.iter().any(|alias| alias == name))
            .ok_or_else(|| {
                let root = self.root();
                anyhow!(
                    "plugin {name:?} not found in {} (no directory match, no alias match)",
                    root.display()
                )
            })
    }

    fn candidates(&self) -> Vec<PathBuf> {
        let mut out = Vec::new();
        for directory in &self.directories {
            if directory.join("plugin.yml").exists() {
                out.push(directory.clone());
                continue;
            }
            let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
            let mut nested: Vec<PathBuf> = entries
                .map(|entry| entry.path())
                .filter(|path| path.is_dir())
                .collect();
            nested.sort();
            out.extend(nested);
        }
        out
    }
}

impl Plugin {
    /// Reads a plugin; a missing `plugin.yml` is fine, a malformed one is not.
    pub(crate) fn load(directory: &Path) -> Result<Self> {
        let directory = std::path::absolute(directory)?;
        let metadata = read_metadata(&directory.join("plugin.yml"))?;
        let files = executables(&directory);
        let base = directory.file_name().unwrap_or_default().to_string_lossy();
        let mut names: Vec<String> = metadata
            .commands
            .into_iter()
            .map(|command| command.name)
            .collect();
        if names.is_empty() {
            names = files.keys().cloned().collect();
        }
        let entrypoint = !metadata.entrypoint.is_empty();
        let commands = if entrypoint {
            let binary = directory.join(&metadata.entrypoint);
            names
                .into_iter()
                .map(|name| (name, binary.clone()))
                .collect()
        } else {
            files
        };
        Ok(Self {
            name: if metadata.name.is_empty() {
                base.into_owned()
            } else {
                metadata.name
            },
            version: metadata.version,
            description: metadata.description,
            aliases: metadata.aliases,
            entrypoint,
            commands,
            env: metadata.env,
            directory,
        })
    }

    /// Whether the command can be reached at all.
    pub(crate) fn declares(&self, command: &str) -> bool {
        self.commands.contains_key(command)
    }

    /// Where the plugin lives.
    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    /// The reachable commands, sorted.
    pub(crate) fn commands(&self) -> impl Iterator<Item = &str> {
        self.commands.keys().map(String::as_str)
    }

    /// The reachable commands, as an error lists them.
    pub(crate) fn available(&self) -> String {
        const SHOWN: usize = 20;
        let names: Vec<&str> = self.commands().take(SHOWN).collect();
        let more = if self.commands.len() > SHOWN {
            ", ..."
        } else {
            ""
        };
        format!("{}{more}", names.join(", "))
    }
}

fn read_metadata(path: &Path) -> Result<Metadata> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Ok(Metadata::default());
        }
        Err(error) => return Err(error).with_context(|| format!("read {}", path.display())),
    };
    serde_norway::from_str(&text).with_context(|| format!("parse {}", path.display()))
}

/// The files of `commands/` and `bin/`; `bin/` wins.
fn executables(directory: &Path) -> BTreeMap<String, PathBuf> {
    let mut out = BTreeMap::new();
    for part in ["commands", "bin"] {
        let entries = std::fs::read_dir(directory.join(part));
        for entry in entries.into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            if !name.starts_with('.') && entry.path().is_file() {
                out.insert(name, entry.path());
            }
        }
    }
    out
}

#[cfg(test)]
mod tests;
