//! Quoting for SQL.

/// A name: `"a""b"`.
pub(crate) fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A string constant. With a backslash in it, the form whose meaning no setting changes.
pub(crate) fn literal(text: &str) -> String {
    let quotes_doubled = text.replace('\'', "''");
    if text.contains('\\') {
        format!("E'{}'", quotes_doubled.replace('\\', "\\\\"))
    } else {
        format!("'{quotes_doubled}'")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_and_backslashes_are_escaped() {
        assert_eq!(identifier("a\"b"), "\"a\"\"b\"");
        assert_eq!(literal("it's"), "'it''s'");
        assert_eq!(literal("a\\'b"), "E'a\\\\''b'");
    }
}
