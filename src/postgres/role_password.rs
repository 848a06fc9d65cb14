//! The stored password of a role: read, set, put back. What every session of ours begins with keeps
//! the statements out of the server's log and out of what extensions collect.

use crate::docker::runner::Failure;
use crate::model::identifier::PgIdentifier;
use crate::model::scram::Verifier;
use crate::postgres::psql::Psql;
use crate::postgres::quote::{identifier, literal};

/// What a role's password is stored as; none for a role that cannot log in with one.
pub(crate) fn stored(psql: Psql<'_>, role: &PgIdentifier) -> Result<Option<Verifier>, Failure> {
    let role = literal(role.as_str());
    let sql = format!("SELECT rolpassword FROM pg_authid WHERE rolname = {role};");
    let answer = psql.ask(&sql)?;
    Ok(Some(answer)
        .filter(|text| !text.is_empty())
        .map(|text| Verifier::stored(&text)))
}

/// Sets it; a password that is already a verifier is stored as it is.
pub(crate) fn store(
    psql: Psql<'_>,
    role: &PgIdentifier,
    verifier: Option<&Verifier>,
) -> Result<(), Failure> {
    let role = identifier(role.as_str());
    let password = verifier.map_or("NULL".to_owned(), |verifier| literal(verifier.expose()));
    let sql = format!("ALTER ROLE {role} PASSWORD {password};");
    psql.ask(&sql).map(drop)
}
