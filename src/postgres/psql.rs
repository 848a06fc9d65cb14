//! Questions to a running server, asked by `psql` inside its pod.

use std::time::Duration;

use crate::docker::engine::Docker;
use crate::docker::invocation::Invocation;
use crate::docker::runner::{Failure, Output};
use crate::model::identifier::PgIdentifier;
use crate::model::secret::Secret;
use crate::postgres::session::{Login, Place, Route, Session};

/// A server that can be asked.
#[derive(Clone, Copy)]
pub(crate) struct Psql<'a> {
    docker: Docker<'a>,
    container: &'a str,
    login: Login<'a>,
    route: Route,
    place: Place,
    limit: Option<Duration>,
}

impl<'a> Psql<'a> {
    /// The server in that container.
    pub(crate) fn new(docker: Docker<'a>, container: &'a str, login: Login<'a>) -> Self {
        Self {
            docker,
            container,
            login,
            route: Route::Socket,
            place: Place::AnyDatabase,
            limit: None,
        }
    }

    /// The same server, entered as a container in its pod's network enters it.
    pub(crate) fn as_neighbour(self) -> Self {
        Self {
            route: Route::Neighbour,
            ..self
        }
    }

    /// The same server, entered with another password where one is asked for.
    pub(crate) fn with_password<'b>(self, password: &'b Secret) -> Psql<'b>
    where
        'a: 'b,
    {
        let login = Login {
            password: Some(password),
            ..self.login
        };
        Psql { login, ..self }
    }

    /// Whether it is entered as that role.
    pub(crate) fn is_entered_as(&self, role: &PgIdentifier) -> bool {
        self.login.user == role
    }

    /// In the login's database, and in no other when that is gone.
    pub(crate) fn in_the_database(self) -> Self {
        Self {
            place: Place::TheDatabase,
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

    /// With a limit of its own.
    pub(crate) fn patient(self, limit: Duration) -> Self {
        Self {
            limit: Some(limit),
            ..self
        }
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
        let session = Session {
            container: self.container,
            login: self.login,
            route: self.route,
            place: self.place,
            limit: self.limit.unwrap_or_else(|| self.docker.patience()),
        };
        session.invocation(sql)
    }
}
