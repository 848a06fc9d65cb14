//! Lists that are written from the code.

use std::fmt::Write as _;

use clap::Command;

use super::{path, read};
use crate::cli::command;

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

fn about(command: &Command) -> String {
    let about = command.get_about().unwrap().to_string();
    assert!(
        !about.contains([':', '#', '\'', '"', '\n', '|']),
        "plain YAML and no table cell's end: {about}"
    );
    about
}

/// The controller knows nothing of aliases: each is a command of its own to it.
#[test]
fn plugin_yml_lists_the_commands_of_the_command_line() {
    let mut list = String::new();
    for command in command().get_subcommands().filter(|it| !it.is_hide_set()) {
        let (name, about) = (command.get_name(), about(command));
        writeln!(list, "  - name: {name}\n    help: {about}").unwrap();
        for alias in command.get_all_aliases() {
            writeln!(list, "  - name: {alias}\n    help: The same as {name}").unwrap();
        }
    }
    hold("plugin.yml", "commands:\n", "", &list);
}

/// The command as it is typed, without its options.
fn synopsis(command: &Command) -> String {
    let usage = command.clone().render_usage().to_string();
    let usage = usage.trim_start_matches("Usage: vd postgres:");
    // A bar would end the table's cell.
    usage.replace(" [OPTIONS]", "").replace('|', "\\|")
}

/// The options of its own: the text below the table has those that most commands take.
fn options(command: &Command) -> String {
    let everywhere = [Some("help"), Some("output"), Some("json")];
    let own = command
        .get_arguments()
        .filter(|argument| !argument.is_positional())
        .filter(|option| !everywhere.contains(&option.get_long()));
    let options: Vec<_> = own.map(|option| format!("`{option}`")).collect();
    options.join(" ")
}

#[test]
fn the_readme_lists_the_commands_with_their_options() {
    let mut list = String::new();
    let mut all = command();
    // Names the values of options.
    all.build();
    for command in all.get_subcommands().filter(|it| !it.is_hide_set()) {
        let about = about(command);
        let aliases: Vec<_> = command.get_all_aliases().collect();
        let also = match aliases[..] {
            [] => String::new(),
            _ => format!(" (also `{}`)", aliases.join("`, `")),
        };
        let (synopsis, options) = (synopsis(command), options(command));
        writeln!(list, "| `{synopsis}`{also} | {options} | {about} |").unwrap();
    }
    hold(
        "README.md",
        "| Command | Options | Purpose |\n| --- | --- | --- |\n",
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

/// The config's keys are constants of one module.
#[test]
fn the_readme_has_every_key_of_the_config() {
    let bucket = read("src/model/bucket.rs");
    let keys = bucket.split("pub(crate) mod keys {").nth(1).unwrap();
    let keys = keys.split("\n}\n").next().unwrap();
    let mut keys: Vec<_> = keys
        .lines()
        .filter(|line| line.contains(": &str ="))
        .map(|line| line.split('"').nth(1).unwrap())
        .collect();
    let readme = read("README.md");
    let table = readme
        .split("Keys of the config (`vd config <scope>/<name>`):")
        .nth(1)
        .unwrap();
    let rows = table
        .lines()
        .skip_while(|line| !line.starts_with("| `"))
        .take_while(|line| line.starts_with("| `"));
    let mut rows: Vec<_> = rows.map(|row| row.split('`').nth(1).unwrap()).collect();
    keys.sort_unstable();
    rows.sort_unstable();
    assert_eq!(rows, keys);
}
