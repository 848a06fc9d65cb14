//! Whether a password lets somebody in: a new session over TCP, through the pod's own address,
//! because the image trusts its socket and 127.0.0.1.

use crate::docker::engine::Docker;
use crate::model::secret::Secret;
use crate::postgres::session::{Login, Place, Route, Session};

/// What came of a login.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum FreshLogin {
    Accepted,
    /// It lets somebody in, and accepts no writes.
    InRecovery,
    WrongPassword,
    /// The server did not get as far as the password, and says so in these words.
    Unanswered(String),
}

impl FreshLogin {
    /// Logs in to the server of a container. The password travels in the environment.
    pub(crate) fn attempt(
        docker: Docker<'_>,
        container: &str,
        login: Login<'_>,
        password: &Secret,
    ) -> Self {
        let password = Some(password);
        let session = Session {
            container,
            login: Login { password, ..login },
            route: Route::Address,
            place: Place::AnyDatabase,
            limit: docker.patience(),
        };
        let output = match docker.capture(&session.invocation("SELECT pg_is_in_recovery()")) {
            Ok(output) => output,
            Err(failure) => return Self::Unanswered(failure.to_string()),
        };
        if output.code == 0 && output.stdout.trim() == "t" {
            return Self::InRecovery;
        }
        if output.code == 0 {
            return Self::Accepted;
        }
        if output.stderr.contains("password authentication failed") {
            return Self::WrongPassword;
        }
        let complaint = output.stderr.trim_end().lines().last().unwrap_or_default();
        Self::Unanswered(complaint.trim().to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::docker::fake::FakeRunner;
    use crate::model::identifier::PgIdentifier;
    use crate::postgres::session::Rights;
    use std::num::NonZeroU16;

    fn attempt(runner: &FakeRunner) -> FreshLogin {
        let login = Login {
            user: &PgIdentifier::role("user", "appuser").unwrap(),
            database: &PgIdentifier::database("database", "appdata").unwrap(),
            port: NonZeroU16::new(5433).unwrap(),
            password: None,
            rights: Rights::Superuser,
        };
        let password = Secret::chosen("password", "hunter2").unwrap();
        FreshLogin::attempt(Docker::new(runner), "s-db.0", login, &password)
    }

    #[test]
    fn the_answers_are_told_apart() {
        let psql = "docker exec -i -e PGPASSWORD s-db.0 bash -c ";
        let refused = "psql: error: connection to server at \"172.18.0.2\", port 5433 failed: FATAL:  password authentication failed for user \"appuser\"\n";
        let starting =
            "psql: error: connection failed\nFATAL:  the database system is starting up\n";
        for (code, stderr, expected) in [
            (0, "", FreshLogin::Accepted),
            (2, refused, FreshLogin::WrongPassword),
            (
                2,
                starting,
                FreshLogin::Unanswered("FATAL:  the database system is starting up".to_owned()),
            ),
        ] {
            let runner = FakeRunner::default().answers(psql, code, "", stderr);
            assert_eq!(attempt(&runner), expected);
            assert!(!runner.calls()[0].contains("hunter2"));
            assert_eq!(runner.invocations()[0].env.len(), 1);
        }
        let standby = FakeRunner::default().prints(psql, "t\n");
        assert_eq!(attempt(&standby), FreshLogin::InRecovery);
        let hanging = FakeRunner::default().hangs(psql);
        assert!(matches!(attempt(&hanging), FreshLogin::Unanswered(_)));
    }
}
