//! How an operator's own text is quoted in a message: short, and on one line.

const LONGEST: usize = 60;

/// Quotes text for a message, control characters escaped, cut after 60 characters.
pub(crate) fn excerpt(text: &str) -> String {
    let mut quoted = String::from("\"");
    for (index, character) in text.chars().enumerate() {
        if index == LONGEST {
            quoted.push('…');
            break;
        }
        // Unlike `escape_default`, this keeps readable characters outside ASCII.
        quoted.extend(character.escape_debug());
    }
    quoted.push('"');
    quoted
}

/// A key for a message: as it is when it is an ordinary word, else quoted.
pub(crate) fn key(text: &str) -> String {
    let ordinary = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    if !text.is_empty() && text.len() <= LONGEST && text.chars().all(ordinary) {
        text.to_owned()
    } else {
        excerpt(text)
    }
}

/// What a server or a disk said, for a message: on one line, and nothing in it that a terminal obeys.
pub(crate) fn plain(text: &str) -> String {
    text.replace(char::is_control, " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_text_is_cut() {
        let quoted = excerpt(&"é".repeat(1_000_000));
        assert_eq!(quoted.chars().count(), LONGEST + 3);
        assert!(quoted.ends_with("…\""));
    }

    #[test]
    fn control_characters_are_escaped() {
        assert_eq!(excerpt("a\n\u{1b}[31m\0\""), r#""a\n\u{1b}[31m\0\"""#);
    }

    #[test]
    fn an_ordinary_key_stays_bare() {
        assert_eq!(key("max_connections"), "max_connections");
        assert_eq!(key("a b"), "\"a b\"");
        assert_eq!(key(""), "\"\"");
    }
}
