//! Why a pod's server said nothing. What is only not known is told apart from what is certain: a
//! server that answers late, or lets nobody in, may well accept the applications' writes.

use std::fmt;

/// The exit code of a session that was turned away with SQLSTATE 57P03, `cannot_connect_now`.
pub(crate) const NOT_READY: i32 = 80;

/// Why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Silence {
    /// Its container does not run.
    NotRunning,
    /// It was waited for in vain.
    Hangs,
    /// Nothing listens: postgres does not run in the container.
    Down,
    /// It starts, stops or recovers, and accepts no session yet.
    NotReady(String),
    /// It does not let the plugin in.
    CannotLogIn(String),
    /// All connections are taken, those for WAL senders too.
    Crowded(String),
    /// Something else, in these words.
    Refuses(String),
}

/// What the client library says itself, in English under `LC_ALL=C`.
const NOTHING_LISTENS: [&str; 2] = ["Connection refused", "No such file or directory"];
/// What the server says for SQLSTATE 53300, `too_many_connections`.
const CROWDED: [&str; 4] = [
    "too many clients",
    "too many connections",
    "connection slots are reserved",
    "max_wal_senders",
];
/// For class 28, `invalid_authorization_specification`, and the library's own words.
const CANNOT_LOG_IN: [&str; 6] = [
    "authentication failed",
    "no password supplied",
    "pg_hba.conf",
    "is not permitted to log in",
    "SASL authentication",
    "authentication method",
];

impl Silence {
    /// What an exit code and the last words of a session that did not come about mean. Words in
    /// another language than English are passed on and prove nothing.
    pub(crate) fn of(code: i32, stderr: &str) -> Self {
        let complaint = stderr.trim_end().lines().rfind(|line| !is_hint(line));
        let complaint = complaint.unwrap_or_default().trim().to_owned();
        let says = |words: &[&str]| words.iter().any(|words| complaint.contains(words));
        if complaint.ends_with("timeout expired") {
            Self::Hangs
        } else if code == NOT_READY {
            Self::NotReady(complaint)
        } else if complaint.contains("connect") && says(&NOTHING_LISTENS) {
            Self::Down
        } else if says(&CROWDED) {
            Self::Crowded(complaint)
        } else if says(&CANNOT_LOG_IN) || is_about_a_role(&complaint) {
            Self::CannotLogIn(complaint)
        } else if complaint.is_empty() {
            Self::Refuses("it ended the session without a word".to_owned())
        } else {
            Self::Refuses(complaint)
        }
    }

    /// What to do about it, for the pod of that container.
    pub(crate) fn next(&self, container: &str) -> String {
        match self {
            Self::Hangs => format!("see what it does with docker top {container}"),
            Self::Crowded(_) => format!(
                "end what holds them (docker logs {container} names who is turned away), or raise max_connections and max_wal_senders in the block's pg_config"
            ),
            Self::CannotLogIn(_) => format!(
                "let the superuser in again in the pg_hba.conf of {container}, or set its password with vd pg:new-password"
            ),
            Self::NotRunning | Self::Down | Self::NotReady(_) | Self::Refuses(_) => {
                format!("its log says why: docker logs {container}")
            }
        }
    }

    /// One word for a table.
    pub(crate) fn word(&self) -> &'static str {
        match self {
            Self::NotRunning => "ended",
            Self::Hangs => "hangs",
            Self::Down => "down",
            Self::NotReady(_) => "starting",
            Self::CannotLogIn(_) => "login refused",
            Self::Crowded(_) => "no connection left",
            Self::Refuses(_) => "no sessions",
        }
    }
}

/// Of the client library, after its reason.
fn is_hint(line: &str) -> bool {
    line.starts_with('\t')
}

fn is_about_a_role(complaint: &str) -> bool {
    complaint.contains("role \"") && complaint.ends_with("does not exist")
}

/// A predicate: `s-db.0 …`.
impl fmt::Display for Silence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotRunning => f.write_str("has just ended"),
            Self::Hangs => f.write_str("did not answer in time"),
            Self::Down => f.write_str("runs, and postgres does not run in it"),
            Self::NotReady(words) => write!(f, "does not accept sessions yet: {words}"),
            Self::CannotLogIn(words) => write!(f, "does not let the plugin log in: {words}"),
            Self::Crowded(words) => write!(f, "has no connection left: {words}"),
            Self::Refuses(words) => write!(f, "does not accept sessions: {words}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn case(code: i32, stderr: &str, expected: &str, word: &str) {
        let silence = Silence::of(code, stderr);
        assert_eq!((&silence.to_string()[..], silence.word()), (expected, word));
    }

    #[test]
    fn a_server_s_last_words_are_told_apart() {
        let socket = "psql: error: connection to server on socket \"/var/run/postgresql/.s.PGSQL.5432\" failed: ";
        let hint = "\n\tIs the server running locally and accepting connections on that socket?\n";
        for reason in NOTHING_LISTENS {
            let words = format!("{socket}{reason}{hint}");
            case(2, &words, "runs, and postgres does not run in it", "down");
        }
        for reason in [
            "FATAL:  sorry, too many clients already",
            "FATAL:  remaining connection slots are reserved for roles with the SUPERUSER attribute",
            "FATAL:  number of requested standby connections exceeds max_wal_senders (currently 2)",
        ] {
            let expected = format!("has no connection left: {socket}{reason}");
            case(
                2,
                &format!("{socket}{reason}\n"),
                &expected,
                "no connection left",
            );
        }
        for reason in [
            "FATAL:  password authentication failed for user \"app\"",
            "fe_sendauth: no password supplied",
            "FATAL:  no pg_hba.conf entry for host \"[local]\"",
            "FATAL:  role \"app\" is not permitted to log in",
            "FATAL:  role \"app\" does not exist",
        ] {
            let expected = format!("does not let the plugin log in: {socket}{reason}");
            case(
                2,
                &format!("{socket}{reason}\n"),
                &expected,
                "login refused",
            );
        }
        let timeout = "psql: error: connection to server failed: timeout expired\n";
        case(2, timeout, "did not answer in time", "hangs");
        let starting = "FATAL:  das Datenbanksystem startet";
        let expected = format!("does not accept sessions yet: {starting}");
        case(NOT_READY, starting, &expected, "starting");
    }

    #[test]
    fn other_words_prove_nothing() {
        let german = "FATAL:  tut mir leid, schon zu viele Verbindungen";
        let expected = format!("does not accept sessions: {german}");
        case(2, german, &expected, "no sessions");
        let silent = "does not accept sessions: it ended the session without a word";
        case(2, "", silent, "no sessions");
    }
}
