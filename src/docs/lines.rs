//! Every command that an operator is told to type is one.

use clap::error::ErrorKind;

use super::{files, read};
use crate::cli::command;

/// What stands for something of the operator's own.
const PLACEHOLDERS: [(&str, &str); 9] = [
    ("<scope>/<name>", "clowk-lp/db"),
    ("<ref>", "clowk-lp/db"),
    ("<cluster>", "clowk-lp/db"),
    ("<application>", "clowk-lp/web"),
    ("<id>", "b001"),
    ("<N>", "1"),
    ("<n>", "1"),
    ("[--replica N]", "--replica 1"),
    ("…", ""),
];

const PREFIXES: [&str; 2] = ["vd postgres:", "vd pg:"];

/// The words of a shell's line, up to where another program or a comment begins.
fn words(line: &str) -> Vec<String> {
    let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
    for c in line.chars() {
        match (quote, c) {
            (Some(open), _) if c == open => quote = None,
            (Some(_), _) => word.get_or_insert_default().push(c),
            (None, '\'' | '"') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None, '|' | '<' | '>' | ';' | '&' | '#') => break,
            (None, c) if c.is_whitespace() => words.extend(word.take()),
            (None, c) => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}

/// Parses what follows `vd postgres:`; help counts as parsed.
#[track_caller]
fn assert_parses(line: &str, source: &str) {
    let mut line = line.to_owned();
    for (placeholder, value) in PLACEHOLDERS {
        line = line.replace(placeholder, value);
    }
    let words = words(&line);
    let parsed =
        command().try_get_matches_from(std::iter::once("voodu-postgres".to_owned()).chain(words));
    if let Err(error) = parsed {
        let shown = [ErrorKind::DisplayHelp, ErrorKind::DisplayVersion];
        assert!(shown.contains(&error.kind()), "{source}: {line}\n{error}");
    }
}

/// The rest of each line after `vd postgres:` or `vd pg:`; a whole line in quotes ends with them.
fn told(text: &str) -> impl Iterator<Item = &str> {
    let rest = |(at, prefix): (usize, &str)| {
        let rest = &text[at + prefix.len()..];
        let end = if text[..at].ends_with('"') { '"' } else { '\n' };
        rest.split(['\n', end]).next().unwrap_or_default()
    };
    PREFIXES
        .into_iter()
        .flat_map(move |prefix| text.match_indices(prefix).map(rest))
}

/// The same where the command's name is not left open.
fn named(text: &str) -> impl Iterator<Item = &str> {
    told(text).filter(|rest| rest.starts_with(|first: char| first.is_ascii_lowercase()))
}

#[test]
fn every_line_in_the_readmes_fences_parses() {
    let readme = read("README.md");
    let fences = readme.split("```").skip(1).step_by(2);
    let lines: Vec<_> = fences.flat_map(named).collect();
    assert!(lines.len() >= 8, "{lines:?}");
    for line in lines {
        assert_parses(line, "README.md");
    }
}

#[test]
fn every_command_in_the_readmes_sentences_parses() {
    let readme = read("README.md");
    let sentences: String = readme.split("```").step_by(2).collect();
    for code in sentences.split('`').skip(1).step_by(2) {
        for line in named(code) {
            // A name alone speaks of the command.
            if line.split_whitespace().count() > 1 {
                assert_parses(line, "README.md");
            } else {
                assert_exists(line, "README.md");
            }
        }
    }
}

#[test]
fn every_example_in_the_help_parses() {
    for command in command().get_subcommands().filter(|it| !it.is_hide_set()) {
        let name = command.get_name();
        let examples = command.get_after_help().map(ToString::to_string);
        let examples = examples.unwrap_or_default();
        for line in named(&examples) {
            assert_parses(line, name);
        }
        let plain = command.get_positionals().next().is_none();
        assert!(
            plain || named(&examples).next().is_some(),
            "{name} has no example"
        );
    }
}

#[track_caller]
fn assert_exists(line: &str, source: &str) {
    let ends = |c: char| !(c.is_ascii_alphanumeric() || c == '-' || c == ':');
    let name = line.split(ends).next().unwrap().trim_end_matches(':');
    let all = command();
    let Some(command) = all.find_subcommand(name) else {
        panic!("{source} speaks of vd postgres:{name}, and there is no such command: {line}");
    };
    // Up to where the sentence goes on, or what follows is for another program.
    let line = line.split(" -- ").next().unwrap();
    let line = line.split(['`', '"', ',', ';', '(', '\'']).next().unwrap();
    for flag in line.split(" --").skip(1) {
        let ends = |c: char| !(c.is_ascii_alphanumeric() || c == '-');
        let flag = flag.split(ends).next().unwrap();
        let known = command
            .get_arguments()
            .any(|option| option.get_long() == Some(flag));
        assert!(
            known || flag.is_empty(),
            "{source}: {name} has no --{flag}: {line}"
        );
    }
}

/// The next step of a refusal, and what a pod's log says to do.
#[test]
fn messages_name_commands_that_exist() {
    let mut sources = files("src", ".rs");
    sources.extend(files("templates", ".sh"));
    sources.extend(files("templates", ".tera"));
    for source in sources
        .iter()
        .filter(|source| !source.starts_with("src/docs"))
    {
        for line in named(&read(source)) {
            assert_exists(line, source);
        }
    }
}

/// A row is looked up by what one sees, so it must be what is printed. The platform's own messages
/// are not ours to hold.
#[test]
fn the_readmes_troubleshooting_quotes_messages_that_exist() {
    let mut sources = files("src", ".rs");
    sources.extend(files("templates", ".sh"));
    let sources = sources.iter().filter(|name| !name.starts_with("src/docs"));
    let printed: String = sources.map(|name| joined(&read(name))).collect();
    let readme = read("README.md");
    let section = readme.split("## Troubleshooting").nth(1).unwrap();
    let section = section.split("\n## ").next().unwrap();
    let cells = section.lines().filter(|line| line.starts_with("| `"));
    let mut quotes = 0;
    for cell in cells.map(|row| row.split(" | ").next().unwrap()) {
        let platform = ["from `vd", "from the controller", "entrypoint"];
        if platform.iter().any(|word| cell.contains(word)) {
            continue;
        }
        let numbers = |c: char| c == '…' || c.is_ascii_digit();
        for quote in cell.split('`').skip(1).step_by(2) {
            for fragment in quote.split(numbers).filter(|part| part.len() > 8) {
                assert!(printed.contains(fragment), "nothing prints {fragment}");
                quotes += 1;
            }
        }
    }
    assert!(quotes > 20, "{quotes}");
}

/// Source text with its strings on one line.
fn joined(text: &str) -> String {
    let lines = text.split("\\\n").map(str::trim_start);
    lines.collect()
}
