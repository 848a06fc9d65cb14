//! `help`, and `--help` of every command.

use crate::support::{plugin, run};

const COMMANDS: &[&str] = &[
    "link",
    "unlink",
    "psql",
    "expose",
    "unexpose",
    "info",
    "new-password",
    "promote",
    "rejoin",
    "backups",
    "backups:capture",
    "backups:logs",
    "backups:restore",
    "backups:download",
    "backups:delete",
    "backups:prune",
    "backups:schedule",
    "backups:cancel",
    "backup",
    "restore",
    "help",
    "defaults",
    "expand",
];

#[test]
fn the_overview_names_every_command() {
    let answer = run(plugin().arg("help"));
    assert_eq!(answer.code, 0);
    for command in COMMANDS {
        assert!(
            answer.stdout.contains(&format!("\n  {command} ")),
            "{command}"
        );
    }
    assert_eq!(run(plugin().arg("--help")).stdout, answer.stdout);
}

#[test]
fn every_command_explains_itself() {
    for command in COMMANDS {
        let asked = run(plugin().args([command, "--help"]));
        assert_eq!(asked.code, 0, "{command}");
        assert!(
            asked.stdout.contains("Usage:") && asked.stdout.contains("Example"),
            "{command}"
        );
        assert!(
            asked
                .stdout
                .contains(&format!("Usage: vd postgres:{command}")),
            "{}",
            asked.stdout
        );
        assert_eq!(run(plugin().args(["help", command])).stdout, asked.stdout);
        // As `vd` passes it on.
        let words = command.split(':');
        assert_eq!(run(plugin().arg("help").args(words)).stdout, asked.stdout);
    }
}

#[test]
fn the_document_is_no_envelope() {
    for flag in [&["-o", "json"][..], &["--json"]] {
        let document = run(plugin().arg("help").args(flag)).document();
        assert!(document.get("status").is_none());
        let names: Vec<_> = document["commands"]
            .as_array()
            .unwrap()
            .iter()
            .map(|entry| &entry["name"])
            .collect();
        assert_eq!(names, COMMANDS);
    }
}

#[test]
fn an_unknown_command_is_refused() {
    let error = run(plugin().args(["help", "lnk"])).error();
    assert!(
        error.contains("\"lnk\"") && error.contains("vd postgres:help"),
        "{error}"
    );
}
