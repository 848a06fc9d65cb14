//! plugin.yml and the README are held against the code. `BLESS=1 cargo test` rewrites their lists
//! of commands.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use clap::CommandFactory as _;

use crate::cli::Cli;

fn read(name: &str) -> String {
    std::fs::read_to_string(path(name)).unwrap()
}

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

/// One line for each command: what comes before its name, between, and after its help.
fn list([before, between, after]: [&str; 3]) -> String {
    let mut list = String::new();
    for command in Cli::command().get_subcommands() {
        let (name, about) = (command.get_name(), command.get_about().unwrap());
        writeln!(list, "{before}{name}{between}{about}{after}").unwrap();
    }
    list
}

/// Holds the part of a file between two texts against a list.
#[track_caller]
fn hold(name: &str, head: &str, tail: &str, list: &str) {
    let text = read(name);
    let (before, rest) = text.split_once(head).unwrap();
    let end = if tail.is_empty() {
        rest.len()
    } else {
        rest.find(tail).unwrap()
    };
    if std::env::var_os("BLESS").is_some() && &rest[..end] != list {
        let text = format!("{before}{head}{list}{}", &rest[end..]);
        // Another test may be reading the file.
        let new = path(&format!("{name}.new"));
        std::fs::write(&new, text).unwrap();
        std::fs::rename(new, path(name)).unwrap();
        return;
    }
    assert_eq!(&rest[..end], list, "run BLESS=1 cargo test");
}

#[test]
fn plugin_yml_lists_the_commands_of_the_command_line() {
    for command in Cli::command().get_subcommands() {
        let about = command.get_about().unwrap().to_string();
        assert!(
            !about.contains([':', '#', '\'', '"', '\n', '|']),
            "plain YAML and no table cell's end: {about}"
        );
    }
    let list = list(["  - name: ", "\n    help: ", ""]);
    hold("plugin.yml", "commands:\n", "", &list);
}

#[test]
fn the_readme_lists_the_commands_of_the_command_line() {
    let list = list(["| `", "` | ", " |"]);
    hold(
        "README.md",
        "| Command | Purpose |\n| --- | --- |\n",
        "\n`--help`",
        &list,
    );
}

#[test]
fn plugin_yml_has_the_crates_version() {
    let text = read("plugin.yml");
    let version = concat!("version: ", env!("CARGO_PKG_VERSION"));
    assert!(text.lines().any(|line| line == version), "{version}");
}
