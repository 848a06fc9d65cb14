use super::*;
use crate::docker::engine::Docker;
use crate::docker::fake::FakeRunner;
use crate::postgres::session::{Login, Rights};
use std::cell::Cell;
use std::num::NonZeroU16;

const OLD: &str = "SCRAM-SHA-256$4096:b2xk$old:old";

fn new() -> NewPassword {
    let counter = Cell::new(0);
    let random = |bytes: &mut [u8]| {
        counter.set(counter.get() + 1);
        bytes.fill(counter.get());
        Ok(())
    };
    NewPassword::generate(&random).unwrap()
}

/// What became of a rotation, and the last statement that was run.
fn run(runner: &FakeRunner, proof: Result<(), String>) -> (Result<(), String>, String) {
    let role = PgIdentifier::role("user", "appuser").unwrap();
    let login = Login {
        user: &role,
        database: &PgIdentifier::database("database", "appdata").unwrap(),
        port: NonZeroU16::new(5433).unwrap(),
        password: None,
        rights: Rights::Superuser,
    };
    let psql = Psql::new(Docker::new(runner), "s-db.0", login);
    let outcome = rotate(psql, &role, &new(), || proof);
    let outcome = outcome.map_err(|error| {
        let refusal: Option<&Refusal> = error.downcast_ref();
        format!(
            "{error:#}; {}",
            refusal.map(Refusal::next).unwrap_or_default()
        )
    });
    let calls = runner.invocations();
    let secret = new().secret;
    for call in &calls {
        let shown = format!(
            "{} {:?}",
            call.argv.join(" "),
            String::from_utf8_lossy(&call.stdin)
        );
        assert!(
            !shown.contains(secret.expose()),
            "the server never sees the password"
        );
        assert!(!call.argv.join(" ").contains("SCRAM"));
    }
    let last = calls.last().unwrap();
    (outcome, String::from_utf8(last.stdin.clone()).unwrap())
}

#[test]
fn stored_and_proved() {
    let runner = FakeRunner::default().prints("docker exec", OLD);
    let (outcome, last) = run(&runner, Ok(()));
    assert_eq!(outcome, Ok(()));
    assert!(
        last.contains("ALTER ROLE \"appuser\" PASSWORD 'SCRAM-SHA-256$4096:"),
        "{last}"
    );
}

#[test]
fn without_proof_the_old_one_is_put_back() {
    let runner = FakeRunner::default().prints("docker exec", OLD);
    let (outcome, last) = run(&runner, Err("no route".to_owned()));
    let error = outcome.unwrap_err();
    assert!(error.starts_with("the new password could not be proved: no route; the role appuser has its old password again"), "{error}");
    assert!(last.contains(&format!("PASSWORD '{OLD}'")), "{last}");
    let without = FakeRunner::default().prints("docker exec", "");
    let (_, last) = run(&without, Err("no route".to_owned()));
    assert!(
        last.contains("ALTER ROLE \"appuser\" PASSWORD NULL"),
        "{last}"
    );
}

/// Where the socket asks for a password as well (`local … scram-sha-256`).
#[test]
fn the_old_one_is_put_back_with_the_password_that_the_role_has_by_then() {
    let password = |runner: &FakeRunner, call: usize| {
        let call = &runner.invocations()[call];
        call.env
            .iter()
            .map(|(_, secret)| secret.expose().to_owned())
            .collect::<Vec<_>>()
    };
    let fresh = new().secret;
    let runner = FakeRunner::default().prints("docker exec", OLD);
    let (outcome, _) = run(&runner, Err("no route".to_owned()));
    assert!(outcome.unwrap_err().contains("has its old password again"));
    assert_eq!(runner.calls().len(), 3);
    assert!(password(&runner, 1).iter().all(|it| it != fresh.expose()));
    assert_eq!(password(&runner, 2), [fresh.expose()]);
    // It was not stored after all.
    let refused = "psql: error: FATAL:  password authentication failed for user \"appuser\"\n";
    let runner = FakeRunner::default()
        .prints("docker exec", OLD)
        .once()
        .hangs("docker exec")
        .once()
        .answers("docker exec", 2, "", refused)
        .once()
        .prints("docker exec", "");
    let (outcome, last) = run(&runner, Ok(()));
    let error = outcome.unwrap_err();
    assert!(error.contains("may have either password"), "{error}");
    assert!(last.contains(OLD), "{last}");
    assert!(password(&runner, 3).iter().all(|it| it != fresh.expose()));
}

#[test]
fn a_server_that_says_no_was_not_changed() {
    let runner = FakeRunner::default()
        .prints("docker exec", OLD)
        .once()
        .answers(
            "docker exec",
            3,
            "",
            "ERROR:  cannot execute ALTER ROLE in a read-only transaction\n",
        );
    let (outcome, _) = run(&runner, Ok(()));
    let error = outcome.unwrap_err();
    assert!(
        error.contains("read-only transaction; nothing was changed"),
        "{error}"
    );
    assert_eq!(runner.calls().len(), 2);
}

#[test]
fn a_server_that_hangs_may_have_either() {
    let runner = FakeRunner::default()
        .prints("docker exec", OLD)
        .once()
        .hangs("docker exec");
    let (outcome, last) = run(&runner, Ok(()));
    let error = outcome.unwrap_err();
    assert!(
        error.contains("could not be put back")
            && error.contains("the role appuser may have either password"),
        "{error}"
    );
    assert!(last.contains(OLD), "{last}");
}
