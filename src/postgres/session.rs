//! A session inside a pod, in the same state whatever an operator has set, and by whatever way the
//! server still lets somebody in: the pods' own script, run with `docker exec`.

use std::num::NonZeroU16;
use std::time::Duration;

use crate::docker::invocation::Invocation;
use crate::model::identifier::PgIdentifier;
use crate::model::secret::Secret;

/// What sets a session up, and what runs it for the plugin.
const SCRIPT: &str = concat!(
    include_str!("../../templates/entrypoint/session.sh"),
    "\n",
    include_str!("../../templates/session_in_pod.sh")
);

/// What becomes psql for an operator, whose own settings hold.
pub(crate) const PSQL_IN_POD: &str = include_str!("../../templates/psql_in_pod.sh");

/// Every server has it; the cluster's own may have been dropped.
const ANOTHER_DATABASE: &str = "postgres";

/// A statement ends before its session is killed.
const MARGIN: Duration = Duration::from_millis(500);

/// Where a cluster's servers are entered, and as whom.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Login<'a> {
    pub(crate) user: &'a PgIdentifier,
    pub(crate) database: &'a PgIdentifier,
    pub(crate) port: NonZeroU16,
    /// The one of the config, for where the image's trust in the socket is gone.
    pub(crate) password: Option<&'a Secret>,
    pub(crate) rights: Rights,
}

/// What the role may set for its session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rights {
    Superuser,
    Replication,
}

/// How the server is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Route {
    /// Through the socket, with a password where one is asked for.
    Socket,
    /// As everybody in the pod's network comes in, without one.
    Neighbour,
    /// Through the pod's own address, with the login's password and no other.
    Address,
}

/// Which databases do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    TheDatabase,
    /// Also another one, for a question to the whole server.
    AnyDatabase,
}

/// One session.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Session<'a> {
    pub(crate) container: &'a str,
    pub(crate) login: Login<'a>,
    pub(crate) route: Route,
    pub(crate) place: Place,
    /// How long it may take.
    pub(crate) limit: Duration,
}

impl Login<'_> {
    /// `psql`'s flags, which win over the pod's environment.
    fn flags(&self) -> [String; 2] {
        let Self { user, port, .. } = self;
        [format!("--username={user}"), format!("--port={port}")]
    }
}

impl Session<'_> {
    /// The command line that runs the SQL, which goes over standard input and may hold secrets.
    pub(crate) fn invocation(&self, sql: &str) -> Invocation {
        let secret = self.login.password.map(|it| ("PGPASSWORD", it));
        let route = match self.route {
            Route::Socket => "socket",
            Route::Neighbour => "neighbour",
            Route::Address => "address",
        };
        let rights = match self.login.rights {
            Rights::Superuser => "superuser",
            Rights::Replication => "role",
        };
        let databases = match self.place {
            Place::TheDatabase => self.login.database.to_string(),
            Place::AnyDatabase => format!("{} {ANOTHER_DATABASE}", self.login.database),
        };
        let seconds = self.limit.as_secs_f64().ceil().max(2.0).to_string();
        let statement = self.limit.saturating_sub(MARGIN).as_millis().max(1);
        let options = format!(" -c lock_timeout=2500 -c statement_timeout={statement}");
        let [user, port] = self.login.flags();
        let words = ["bash", "-c", SCRIPT, "session", route];
        let more = [&seconds[..], rights, &databases, &options, &user, &port];
        let words = words.into_iter().chain(more);
        Invocation::exec(self.container, secret.as_slice(), words)
            .stdin(sql)
            .limit(self.limit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_password_and_the_sql_are_no_arguments() {
        let password = Secret::chosen("password", "hunter2").unwrap();
        let session = Session {
            container: "s-db.0",
            login: Login {
                user: &PgIdentifier::role("user", "appuser").unwrap(),
                database: &PgIdentifier::database("database", "appdata").unwrap(),
                port: NonZeroU16::new(5433).unwrap(),
                password: Some(&password),
                rights: Rights::Superuser,
            },
            route: Route::Socket,
            place: Place::AnyDatabase,
            limit: Duration::from_millis(2500),
        };
        let invocation = session.invocation("SELECT pg_is_in_recovery()");
        assert_eq!(invocation.stdin, b"SELECT pg_is_in_recovery()");
        let words = &invocation.argv;
        assert_eq!(
            words[..6],
            ["docker", "exec", "-i", "-e", "PGPASSWORD", "s-db.0"]
        );
        let expected = [
            "session",
            "socket",
            "3",
            "superuser",
            "appdata postgres",
            " -c lock_timeout=2500 -c statement_timeout=2000",
            "--username=appuser",
            "--port=5433",
        ];
        assert_eq!(words[9..], expected);
        let words = words.join(" ");
        assert!(!words.contains("hunter") && !words.contains("recovery()"));
    }
}
