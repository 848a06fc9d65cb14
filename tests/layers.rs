//! The folders of `src` use each other in one direction, as the head of `lib.rs` draws it.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::fs;
use std::path::{Path, PathBuf};

/// From the words up to the commands: each may use those before it.
const LAYERS: [&str; 12] = [
    "model",
    "wire",
    "controller",
    "docker",
    "postgres",
    "expand",
    "cluster",
    "backups",
    "context",
    "output",
    "commands",
    "cli",
];

/// What may be used in one place only, or in these.
const ONE_PLACE: [(&str, &str); 9] = [
    // Nobody offers a forced promotion without a proof; what an operator typed is repeated.
    (
        "--force",
        "cluster/certainty.rs cluster/handover/mod.rs commands/promote.rs",
    ),
    ("ureq::", "controller/http.rs backups/fetch.rs"),
    ("Command::new(", "docker/runner.rs"),
    ("std::env", "lib.rs"),
    ("io::stdout", "output.rs"),
    ("io::stderr", "output.rs"),
    ("io::stdin", "lib.rs"),
    // Each of these syncs the directory as well.
    ("fs::rename(", "cluster/record_write.rs"),
    ("renameat(", "backups/directory.rs"),
];

const LONGEST_FILE: usize = 300;

fn sources() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    collect(&root, &mut files);
    files
        .into_iter()
        .map(|path| {
            let name = path.strip_prefix(&root).unwrap().display().to_string();
            (name, fs::read_to_string(path).unwrap())
        })
        .collect()
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, files);
        } else {
            files.push(path);
        }
    }
}

fn layer(name: &str) -> Option<usize> {
    let top = name.split(['/', '.']).next().unwrap();
    LAYERS.iter().position(|layer| *layer == top)
}

/// The modules behind each `crate::` in the code, imports and full paths alike.
fn used(text: &str) -> impl Iterator<Item = &str> {
    let word = |c: char| !(c.is_ascii_alphanumeric() || c == '_');
    text.split("crate::")
        .skip(1)
        .map(move |rest| rest.split(word).next().unwrap())
}

#[test]
fn imports_point_down() {
    for (file, text) in sources() {
        let Some(own) = layer(&file) else {
            assert!(
                matches!(&file[..], "lib.rs" | "main.rs") || file.starts_with("docs/"),
                "{file} is in no layer"
            );
            continue;
        };
        for module in used(&text) {
            let Some(other) = layer(module) else {
                panic!("{file} uses crate::{module}, which is in no layer");
            };
            assert!(other <= own, "{file} uses {module}, which is above it");
        }
    }
}

#[test]
fn command_files_do_not_use_each_other() {
    for (file, text) in sources() {
        for module in text.split("crate::commands::").skip(1) {
            let shared = module.starts_with("args::") || file == "cli.rs";
            assert!(
                shared || !file.starts_with("commands/"),
                "{file} uses another command"
            );
        }
    }
}

#[test]
fn the_outside_world_has_one_door_each() {
    for (file, text) in sources() {
        let program = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
        for (what, place) in ONE_PLACE {
            assert!(
                place.split(' ').any(|place| file == place)
                    || file.starts_with("docs/")
                    || file.ends_with("tests.rs")
                    || !program.contains(what),
                "{what} in {file}, not {place}"
            );
        }
    }
}

#[test]
fn files_stay_short() {
    for (file, text) in sources() {
        let lines = text.lines().count();
        assert!(lines <= LONGEST_FILE, "{file} has {lines} lines");
    }
}
