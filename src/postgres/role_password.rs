//! The stored password of a role: read, set, put back.

use crate::docker::runner::Failure;
use crate::model::identifier::PgIdentifier;
use crate::model::scram::Verifier;
use crate::postgres::psql::Psql;
use crate::postgres::quote::{identifier, literal};

/// Keeps statements out of the server's log and out of what extensions collect.
const QUIETLY: &str = "SET log_statement = 'none'; SET log_min_duration_statement = -1; \
     SET log_min_error_statement = 'panic'; SET pg_stat_statements.track_utility = off;";

/// What a role's password is stored as; none for a role that cannot log in with one.
pub(crate) fn stored(psql: Psql<'_>, role: &PgIdentifier) -> Result<Option<Verifier>, Failure> {
    let role = literal(role.as_str());
    let sql = format!("{QUIETLY} SELECT rolpassword FROM pg_authid WHERE rolname = {role};");
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
    let sql = format!("{QUIETLY} ALTER ROLE {role} PASSWORD {password};");
    psql.ask(&sql).map(drop)
}
