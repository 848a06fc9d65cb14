//! plugin.yml is held against the code. `BLESS=1 cargo test` rewrites its list of commands.

use std::fmt::Write as _;
use std::path::Path;

use clap::CommandFactory as _;

use crate::cli::Cli;

const HEAD: &str = "commands:\n";

fn plugin_yml() -> (std::path::PathBuf, String) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("plugin.yml");
    let text = std::fs::read_to_string(&path).unwrap();
    (path, text)
}

#[test]
fn plugin_yml_lists_the_commands_of_the_command_line() {
    let (path, text) = plugin_yml();
    let mut list = String::new();
    for command in Cli::command().get_subcommands() {
        let about = command.get_about().unwrap();
        assert!(
            !about.to_string().contains([':', '#', '\'', '"', '\n']),
            "plain YAML: {about}"
        );
        writeln!(list, "  - name: {}\n    help: {about}", command.get_name()).unwrap();
    }
    let (head, commands) = text.split_once(HEAD).unwrap();
    if std::env::var_os("BLESS").is_some() && commands != list {
        std::fs::write(path, format!("{head}{HEAD}{list}")).unwrap();
        return;
    }
    assert_eq!(commands, list, "run BLESS=1 cargo test");
}

#[test]
fn plugin_yml_has_the_crates_version() {
    let (_, text) = plugin_yml();
    let version = concat!("version: ", env!("CARGO_PKG_VERSION"));
    assert!(text.lines().any(|line| line == version), "{version}");
}
