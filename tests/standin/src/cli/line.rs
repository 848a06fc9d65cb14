//! What happens to a command line before anybody looks at it.

/// Splits `plugin:command` words and takes remote flags away.
pub(super) fn prepare(words: &[String]) -> Vec<String> {
    split_colons(&strip_remote(words))
}

/// `-r X` names a host to forward to; no plugin ever sees it.
fn strip_remote(words: &[String]) -> Vec<String> {
    let mut kept = Vec::new();
    let mut words = words.iter();
    while let Some(word) = words.next() {
        match word.as_str() {
            "-r" | "--remote" => {
                words.next();
            }
            _ if word.starts_with("--remote=") => {}
            _ => kept.push(word.clone()),
        }
    }
    kept
}

/// Every positional word of the shape `a:b[:c…]` is split at its first colon.
fn split_colons(words: &[String]) -> Vec<String> {
    let mut out = Vec::new();
    let mut value_follows = false;
    for word in words {
        if value_follows || word.starts_with('-') {
            value_follows = !value_follows && takes_value(word);
            out.push(word.clone());
            continue;
        }
        match word.split_once(':') {
            Some((left, right)) if is_identifier(left) && right.split(':').all(is_identifier) => {
                out.extend([left.to_owned(), right.to_owned()]);
            }
            _ => out.push(word.clone()),
        }
    }
    out
}

/// The CLI's own flags that are followed by a value.
fn takes_value(flag: &str) -> bool {
    matches!(
        flag,
        "-a" | "--app"
            | "-f"
            | "--file"
            | "-o"
            | "--output"
            | "--controller-url"
            | "--replicas"
            | "--format"
    )
}

fn is_identifier(word: &str) -> bool {
    !word.is_empty()
        && !word.starts_with('-')
        && word
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
}

/// A plugin's name, its command, and the words after them.
pub(super) fn plugin_command(words: &[String]) -> Option<(&str, &str, &[String])> {
    let start = leading_flags(words);
    let [plugin, command, rest @ ..] = words.get(start..)? else {
        return None;
    };
    let help = matches!(command.as_str(), "-h" | "--help");
    if !is_identifier(plugin) || !(help || command.split(':').all(is_identifier)) {
        return None;
    }
    Some((plugin, if help { "help" } else { command }, rest))
}

fn leading_flags(words: &[String]) -> usize {
    let mut at = 0;
    while let Some(word) = words.get(at).filter(|word| word.starts_with('-')) {
        at += if takes_value(word) { 2 } else { 1 };
    }
    at
}

/// Whether the CLI itself is asked for JSON: its flag parsing looks at flags only, wherever
/// they are, and stops at the first it does not know.
pub(super) fn wants_json(words: &[String]) -> bool {
    let mut json = false;
    let mut words = words.iter().filter(|word| word.as_str() != "-");
    while let Some(word) = words.next() {
        match word.as_str() {
            "-o" | "--output" => json = words.next().is_some_and(|format| format == "json"),
            "-ojson" | "-o=json" | "--output=json" => json = true,
            "--controller-url" => {
                words.next();
            }
            flag if flag.starts_with("--controller-url=") || flag.starts_with("--output=") => {}
            flag if flag.starts_with('-') => break,
            _ => {}
        }
    }
    json
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<String> {
        line.split_whitespace().map(ToOwned::to_owned).collect()
    }

    #[track_caller]
    fn case(line: &str, expected: &str) {
        assert_eq!(prepare(&words(line)).join(" "), expected);
    }

    #[test]
    fn words_are_split_at_the_first_colon() {
        case("pg:backups:capture s/n", "pg backups:capture s/n");
        case("pg:x --at=12:30 12:30", "pg x --at=12:30 12 30");
        case("pg:x a:b/c u:p@h http://x", "pg x a:b/c u:p@h http://x");
        case("-f a:b apply", "-f a:b apply");
    }

    #[test]
    fn the_remote_flag_is_eaten() {
        case("pg:promote s/n -r 1 --yes", "pg promote s/n --yes");
        case("pg:promote s/n --remote 1 --remote=2", "pg promote s/n");
    }

    #[test]
    fn two_identifiers_are_a_plugin_and_its_command() {
        let line = words("-o json pg backups:list s/n -o json");
        let (plugin, command, rest) = plugin_command(&line).unwrap();
        assert_eq!((plugin, command), ("pg", "backups:list"));
        assert_eq!(rest.join(" "), "s/n -o json");
        assert_eq!(plugin_command(&words("pg --help")).unwrap().1, "help");
        assert!(plugin_command(&words("pg s/n")).is_none());
        assert!(plugin_command(&words("pg")).is_none());
    }

    #[test]
    fn json_is_noticed_unless_an_unknown_flag_comes_first() {
        assert!(wants_json(&words("pg info s/n -o json")));
        assert!(wants_json(&words("-o json pg info s/n --foo")));
        assert!(!wants_json(&words("pg info s/n --foo -o json")));
        assert!(!wants_json(&words("pg info s/n -o yaml")));
        assert!(!wants_json(&words("pg info s/n --json")));
    }
}
