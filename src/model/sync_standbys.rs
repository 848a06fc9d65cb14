//! The value of `synchronous_standby_names` (postgres manual, "Replication" settings), read as
//! `syncrep_scanner.l` and `syncrep_gram.y` of the server read it.

use std::iter::Peekable;
use std::str::{Chars, FromStr};

/// How many standbys have to confirm a commit, and which ones may.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SyncStandbys {
    /// A commit waits while fewer than these are connected, by priority and by quorum alike.
    pub(crate) needed: usize,
    names: Vec<String>,
}

/// The text is empty, or postgres would not load it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NoSyncStandbys;

impl SyncStandbys {
    /// Whether a connection with that `application_name` counts. Case does not matter, and `*` is
    /// every connection, quoted or not.
    pub(crate) fn counts(&self, application_name: &str) -> bool {
        let same = |name: &String| name == "*" || name.eq_ignore_ascii_case(application_name);
        self.names.iter().any(same)
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Token {
    Name(String),
    Number(usize, String),
    Any,
    First,
    Comma,
    Open,
    Close,
}

impl FromStr for SyncStandbys {
    type Err = NoSyncStandbys;

    /// `a, b`, `2 (a, b)`, `FIRST 2 (a, b)`, `ANY 2 (a, b)`.
    fn from_str(text: &str) -> Result<Self, NoSyncStandbys> {
        let tokens = tokens(text)?;
        let (needed, list) = match &tokens[..] {
            [
                Token::Any | Token::First,
                Token::Number(needed, _),
                Token::Open,
                list @ ..,
                Token::Close,
            ]
            | [
                Token::Number(needed, _),
                Token::Open,
                list @ ..,
                Token::Close,
            ] => (*needed, list),
            list => (1, list),
        };
        let names = names(list)?;
        if needed == 0 {
            return Err(NoSyncStandbys);
        }
        Ok(Self { needed, names })
    }
}

/// Names with a comma between each two. A number is a name too.
fn names(list: &[Token]) -> Result<Vec<String>, NoSyncStandbys> {
    let name = |words: &[Token]| match words {
        [Token::Name(name) | Token::Number(_, name)] => Ok(name.clone()),
        _ => Err(NoSyncStandbys),
    };
    list.split(|token| *token == Token::Comma)
        .map(name)
        .collect()
}

fn tokens(text: &str) -> Result<Vec<Token>, NoSyncStandbys> {
    let mut chars = text.chars().peekable();
    let mut tokens = Vec::new();
    while let Some(first) = chars.peek().copied() {
        let token = match first {
            ' ' | '\t' | '\n' | '\r' | '\x0c' | '\x0b' => {
                chars.next();
                continue;
            }
            ',' | '(' | ')' | '*' => {
                chars.next();
                match first {
                    ',' => Token::Comma,
                    '(' => Token::Open,
                    ')' => Token::Close,
                    _ => Token::Name("*".to_owned()),
                }
            }
            '"' => Token::Name(quoted(&mut chars)?),
            '0'..='9' => {
                let digits = run(&mut chars, |c| c.is_ascii_digit());
                let number = digits.parse().map_err(|_| NoSyncStandbys)?;
                Token::Number(number, digits)
            }
            c if starts_a_word(c) => {
                let word = run(&mut chars, |c| {
                    starts_a_word(c) || c.is_ascii_digit() || c == '$'
                });
                match &word.to_ascii_lowercase()[..] {
                    "any" => Token::Any,
                    "first" => Token::First,
                    _ => Token::Name(word),
                }
            }
            _ => return Err(NoSyncStandbys),
        };
        tokens.push(token);
    }
    Ok(tokens)
}

fn starts_a_word(c: char) -> bool {
    c.is_ascii_alphabetic() || c == '_' || !c.is_ascii()
}

fn run(chars: &mut Peekable<Chars<'_>>, belongs: impl Fn(char) -> bool) -> String {
    let mut word = String::new();
    while let Some(c) = chars.next_if(|c| belongs(*c)) {
        word.push(c);
    }
    word
}

/// Up to the closing quote; two in a row are one in the name.
fn quoted(chars: &mut Peekable<Chars<'_>>) -> Result<String, NoSyncStandbys> {
    chars.next();
    let mut name = String::new();
    loop {
        match chars.next() {
            Some('"') if chars.next_if_eq(&'"').is_some() => name.push('"'),
            Some('"') => return Ok(name),
            Some(c) => name.push(c),
            None => return Err(NoSyncStandbys),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(text: &str) -> Option<(usize, Vec<String>)> {
        let read: SyncStandbys = text.parse().ok()?;
        Some((read.needed, read.names))
    }

    #[test]
    fn every_form_of_the_manual() {
        for (text, needed, names) in [
            ("*", 1, &["*"][..]),
            ("s1", 1, &["s1"]),
            ("s1,s2", 1, &["s1", "s2"]),
            ("2 (s1, s2)", 2, &["s1", "s2"]),
            ("FIRST 2 (s1, *)", 2, &["s1", "*"]),
            ("any 1(s1,\"two words\")", 1, &["s1", "two words"]),
            ("\"a\"\"b\", \"ANY\"", 1, &["a\"b", "ANY"]),
            (
                "\"voodu-postgres-standby-1\"",
                1,
                &["voodu-postgres-standby-1"],
            ),
            ("\t7 ,\n_x$1 ", 1, &["7", "_x$1"]),
        ] {
            let names = names.iter().map(|name| (*name).to_owned()).collect();
            assert_eq!(read(text), Some((needed, names)), "{text}");
        }
    }

    #[test]
    fn what_postgres_does_not_load_names_nobody() {
        for text in [
            "",
            "  ",
            ",",
            "a,",
            "a b",
            "a-b",
            "0 (a)",
            "2 (a",
            "2 a)",
            "ANY (a)",
            "ANY 1",
            "any",
            "first, a",
            "\"a",
            "ANY 1 ()",
            "(a)",
            "99999999999999999999 (a)",
        ] {
            assert_eq!(read(text), None, "{text:?}");
        }
    }

    #[test]
    fn names_are_compared_without_case() {
        let named: SyncStandbys = "\"Voodu-Postgres-Standby-1\"".parse().unwrap();
        assert!(named.counts("voodu-postgres-standby-1") && !named.counts("x"));
        let all: SyncStandbys = "\"*\"".parse().unwrap();
        assert!(all.counts("anything"));
    }

    fn quote(name: &str) -> String {
        format!("\"{}\"", name.replace('"', "\"\""))
    }

    proptest! {
        #[test]
        fn quoted_names_come_back(
            names in prop::collection::vec("[ -~é\n]{0,12}", 1..5), needed in 1_usize..9,
            form in prop::sample::select(vec!["", "ANY ", "First "]), space in "[ \t\n]{0,2}",
        ) {
            let list: Vec<_> = names.iter().map(|name| quote(name)).collect();
            let list = list.join(&format!("{space},{space}"));
            let text = format!("{space}{form}{needed}{space}({list}){space}");
            prop_assert_eq!(read(&text), Some((needed, names.clone())));
            prop_assert_eq!(read(&list), Some((1, names)));
        }

        #[test]
        fn any_text_is_read_without_a_panic(text in "\\PC{0,30}") {
            let _ = read(&text);
        }
    }
}
