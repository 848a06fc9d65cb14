//! Questions to a running server, asked by `psql` inside its pod over the socket.

use std::num::NonZeroU16;
use std::time::Duration;

use crate::docker::engine::Docker;
use crate::docker::invocation::{Invocation, PROBE};
use crate::docker::runner::{Failure, Output};
use crate::model::identifier::PgIdentifier;
use crate::wire::deployed_spec::DeployedSpec;

/// A commit must not wait for standbys.
const OPTIONS: &str = "PGOPTIONS=-c synchronous_commit=local -c lock_timeout=2500";
/// A statement ends before its session is killed.
const MARGIN: Duration = Duration::from_millis(500);

/// Where a cluster's servers are entered.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Login<'a> {
    pub(crate) user: &'a PgIdentifier,
    pub(crate) database: &'a PgIdentifier,
    pub(crate) port: NonZeroU16,
}

impl<'a> Login<'a> {
    /// As the cluster's superuser, in its database.
    pub(crate) fn to(deployed: &'a DeployedSpec) -> Self {
        Self {
            user: &deployed.user,
            database: &deployed.database,
            port: deployed.port,
        }
    }

    /// `psql` with these as flags, which win over the pod's environment.
    pub(crate) fn psql(&self) -> Vec<String> {
        let Self {
            user,
            database,
            port,
        } = self;
        let words = [
            "psql".to_owned(),
            format!("--username={user}"),
            format!("--dbname={database}"),
            format!("--port={port}"),
        ];
        words.into()
    }
}

/// A server that can be asked.
#[derive(Clone, Copy)]
pub(crate) struct Psql<'a> {
    docker: Docker<'a>,
    container: &'a str,
    login: Login<'a>,
    route: &'static [&'static str],
    limit: Duration,
}

/// Through the socket, where the superuser needs no password.
const SOCKET: &[&str] = &[];

/// As everybody in the pod's network comes in.
const LOOPBACK: &[&str] = &["--host=127.0.0.1", "--no-password"];

impl<'a> Psql<'a> {
    /// The server in that container.
    pub(crate) fn new(docker: Docker<'a>, container: &'a str, login: Login<'a>) -> Self {
        Self {
            docker,
            container,
            login,
            route: SOCKET,
            limit: PROBE,
        }
    }

    /// The same server, entered as a container in its pod's network enters it.
    pub(crate) fn as_neighbour(self) -> Self {
        Self {
            route: LOOPBACK,
            ..self
        }
    }

    /// Runs statements and reads the rows that came before the first one that failed.
    pub(crate) fn read<T>(
        &self,
        sql: &str,
        read: impl Fn(&str) -> Option<T>,
    ) -> Result<T, Failure> {
        let question = self.question(sql);
        let output = self.docker.capture(&question)?;
        let printed = if output.stdout.is_empty() {
            output.succeeded(&question)?
        } else {
            output.stdout
        };
        read(&printed).ok_or_else(|| Failure::unexpected(&question, &printed))
    }

    /// The same, for statements that may take longer.
    pub(crate) fn patient(self, limit: Duration) -> Self {
        Self { limit, ..self }
    }

    /// Runs statements, which go over standard input and may hold secrets. Answers rows without
    /// decoration, columns separated by `|`; the first error ends it.
    pub(crate) fn ask(&self, sql: &str) -> Result<String, Failure> {
        let answer = self.docker.ask(&self.question(sql))?;
        Ok(answer.trim_end().to_owned())
    }

    /// Runs statements and answers whatever came, also when one of them failed.
    pub(crate) fn capture(&self, sql: &str) -> Result<Output, Failure> {
        self.docker.capture(&self.question(sql))
    }

    fn question(&self, sql: &str) -> Invocation {
        let psql = self.login.psql();
        let timeout = self.limit.saturating_sub(MARGIN).as_millis().max(1);
        let options = format!("{OPTIONS} -c statement_timeout={timeout}");
        let command = ["env", &options, "PGCONNECT_TIMEOUT=2"]
            .into_iter()
            .chain(psql.iter().map(String::as_str))
            .chain(self.route.iter().copied())
            .chain(["-XAtq", "--set=ON_ERROR_STOP=1"]);
        Invocation::exec(self.container, &[], command)
            .stdin(sql)
            .limit(self.limit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::docker::fake::FakeRunner;

    #[test]
    fn a_question_goes_over_standard_input() {
        let runner = FakeRunner::default().prints("docker exec -i s-db.0 env ", "f\n");
        let login = Login {
            user: &PgIdentifier::role("user", "appuser").unwrap(),
            database: &PgIdentifier::database("database", "appdata").unwrap(),
            port: NonZeroU16::new(5433).unwrap(),
        };
        let psql = Psql::new(Docker::new(&runner), "s-db.0", login);
        assert_eq!(psql.ask("SELECT pg_is_in_recovery()").unwrap(), "f");
        let asked = &runner.invocations()[0];
        assert_eq!(asked.stdin, b"SELECT pg_is_in_recovery()");
        assert!(!asked.argv.join(" ").contains("recovery"));
        assert!(asked.argv.join(" ").ends_with(
            "psql --username=appuser --dbname=appdata --port=5433 -XAtq --set=ON_ERROR_STOP=1"
        ));
    }
}
