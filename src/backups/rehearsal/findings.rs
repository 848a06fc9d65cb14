//! What a rehearsal found: why a dump cannot be restored, in one sentence.

use std::collections::BTreeSet;

use crate::backups::rehearsal::protocol::Message;
use crate::model::excerpt::{excerpt, plain};

/// Codes of errors (postgres manual, appendix "Error Codes").
const DEPENDENT_OBJECTS: &str = "2BP01";
const OUT_OF_MEMORY: &str = "53200";
const UNDEFINED_OBJECT: &str = "42704";
const INVALID_SCHEMA: &str = "3F000";

/// More of a kind are counted.
const MOST: usize = 20;
/// How many of the statements that fail are told.
const TOLD: usize = 5;

/// What is missing or in the way; nothing of it when the dump can be restored.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    /// A statement ended the transaction of the rehearsal itself.
    pub(super) ended: bool,
    /// The transaction needs more locks than the server has.
    locks: bool,
    /// Objects that are not in the dump and depend on what it replaces.
    dependents: Vec<String>,
    extensions: BTreeSet<String>,
    roles: BTreeSet<String>,
    schemas: BTreeSet<String>,
    /// Other errors, with their statements.
    failed: Vec<String>,
    count: usize,
}

impl Findings {
    /// Takes up the server's error to a statement.
    pub(super) fn add(&mut self, error: &Message, statement: &[u8]) {
        let field = |letter| error.field(letter).unwrap_or_default();
        let (code, message, detail) = (field(b'C'), field(b'M'), field(b'D'));
        let named = |before: &str, after: &str| {
            let name = message.strip_prefix(before)?.strip_suffix(after)?;
            Some(plain(name.strip_prefix('"')?.strip_suffix('"')?))
        };
        match &code[..] {
            OUT_OF_MEMORY if message.starts_with("out of shared memory") => self.locks = true,
            DEPENDENT_OBJECTS => {
                let objects = detail
                    .lines()
                    .filter_map(|line| line.split(" depends on ").next());
                for object in objects.map(plain) {
                    if !self.dependents.contains(&object) {
                        self.dependents.push(object);
                    }
                }
            }
            UNDEFINED_OBJECT if message.starts_with("role ") => {
                self.roles.extend(named("role ", " does not exist"));
            }
            INVALID_SCHEMA => self.schemas.extend(named("schema ", " does not exist")),
            _ if message.starts_with("extension ") && message.ends_with(" is not available") => {
                self.extensions
                    .extend(named("extension ", " is not available"));
            }
            _ => {
                self.count += 1;
                if self.failed.len() < TOLD {
                    let statement = String::from_utf8_lossy(statement);
                    let statement = excerpt(statement.trim());
                    self.failed
                        .push(format!("{} in {statement}", plain(&message)));
                }
            }
        }
    }

    /// Why the dump cannot be restored: `ended` when it ended the transaction, `locks` when the server
    /// has too few, else a sentence without its full stop. None when it can.
    pub(crate) fn refusal(&self) -> Option<String> {
        if self.ended {
            return Some("ended".to_owned());
        }
        if self.locks {
            return Some("locks".to_owned());
        }
        let missing = [
            (
                &self.extensions,
                "extensions that this server's image does not have",
                "",
            ),
            (
                &self.roles,
                "roles that this server does not have",
                " (CREATE ROLE makes them)",
            ),
            (
                &self.schemas,
                "schemas that are not in it",
                " (CREATE SCHEMA makes them)",
            ),
        ];
        let missing = missing.iter().filter(|(names, ..)| !names.is_empty());
        let missing: Vec<_> = missing
            .map(|(names, what, how)| {
                let names: Vec<_> = names.iter().cloned().collect();
                format!("{what}: {}{how}", listed(&names))
            })
            .collect();
        let mut reasons = Vec::new();
        if !missing.is_empty() {
            reasons.push(format!("the dump needs {}", missing.join("; and ")));
        }
        if !self.dependents.is_empty() {
            reasons.push(format!(
                "objects that are not in the dump depend on some that it replaces: {}. Drop them, or move them out of the way",
                listed(&self.dependents)
            ));
        }
        // What fails besides may fail for that.
        if !reasons.is_empty() {
            return Some(reasons.join(". And "));
        }
        let more = self.count.saturating_sub(self.failed.len());
        let more = match more {
            0 => String::new(),
            more => format!("; and {more} more statements fail"),
        };
        (self.count > 0).then(|| {
            format!(
                "the dump cannot be restored here: {}{more}",
                self.failed.join("; ")
            )
        })
    }
}

fn listed(names: &[String]) -> String {
    let mut shown: Vec<_> = names.iter().take(MOST).cloned().collect();
    if names.len() > MOST {
        shown.push(format!("{} more", names.len() - MOST));
    }
    shown.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(code: &str, message: &str, detail: &str) -> Message {
        let body = format!("SERROR\0C{code}\0M{message}\0D{detail}\0\0");
        Message {
            kind: b'E',
            body: body.into_bytes(),
        }
    }

    fn refusal(errors: &[Message]) -> Option<String> {
        let mut findings = Findings::default();
        for error in errors {
            findings.add(error, b"CREATE TABLE x ();\n");
        }
        findings.refusal()
    }

    #[test]
    fn everything_that_is_missing_is_told_at_once() {
        assert_eq!(refusal(&[]), None);
        let role = |name: &str| error("42704", &format!("role \"{name}\" does not exist"), "");
        let schema = error("3F000", "schema \"vault\" does not exist", "");
        let extension = error("0A000", "extension \"pg_trgm\" is not available", "");
        let said = refusal(&[role("b"), schema, role("a"), extension, role("b")]).unwrap();
        assert_eq!(
            said,
            "the dump needs extensions that this server's image does not have: pg_trgm; and roles that this server does not have: a, b (CREATE ROLE makes them); and schemas that are not in it: vault (CREATE SCHEMA makes them)"
        );
    }

    #[test]
    fn what_depends_on_the_dump_is_named_once() {
        let detail =
            "view public.v depends on table public.t\nview public.w depends on view public.v";
        let depends = error("2BP01", "cannot drop table public.t", detail);
        let exists = error("42P07", "relation \"t\" already exists", "");
        let said = refusal(&[depends.clone(), depends, exists]).unwrap();
        assert!(
            said.contains("replaces: view public.v, view public.w. Drop them"),
            "{said}"
        );
    }

    #[test]
    fn other_errors_come_with_their_statements() {
        let one = error("42883", "function f() does not exist", "");
        let said = refusal(std::slice::from_ref(&one)).unwrap();
        assert_eq!(
            said,
            "the dump cannot be restored here: function f() does not exist in \"CREATE TABLE x ();\""
        );
        let many = vec![one; 8];
        assert!(
            refusal(&many)
                .unwrap()
                .ends_with("; and 3 more statements fail")
        );
        let locks = error("53200", "out of shared memory", "");
        assert_eq!(refusal(&[many[0].clone(), locks]).unwrap(), "locks");
    }

    #[test]
    fn a_name_does_nothing_to_a_terminal() {
        let named = error("42704", "role \"x\n\u{1b}[2J\" does not exist", "");
        let depends = error("2BP01", "no", "view \u{1b}]0;x\u{7} depends on table t");
        for said in [refusal(&[named]), refusal(&[depends])] {
            assert!(!said.unwrap().contains(char::is_control));
        }
    }
}
