//! A role gets another password: stored, proved by a fresh login, and otherwise put back. Whatever
//! publishes it comes after that.

use std::io;

use crate::docker::runner::Failure;
use crate::model::identifier::PgIdentifier;
use crate::model::refusal::Refusal;
use crate::model::scram::Verifier;
use crate::model::secret::Secret;
use crate::postgres::psql::Psql;
use crate::postgres::role_password::{store, stored};

/// A password, and what the server stores of it.
pub(crate) struct NewPassword {
    pub(crate) secret: Secret,
    verifier: Verifier,
}

impl NewPassword {
    /// Makes one of bytes that nobody can guess.
    pub(crate) fn generate(random: &dyn Fn(&mut [u8]) -> io::Result<()>) -> io::Result<Self> {
        let (mut password, mut salt) = ([0; 32], [0; 16]);
        random(&mut password)?;
        random(&mut salt)?;
        let secret = Secret::from_random(password);
        let verifier = Verifier::of(&secret, salt);
        Ok(Self { secret, verifier })
    }
}

/// Gives a role the password, when `prove` finds that it lets somebody in. Run again, it starts over
/// with another one, whatever an earlier run left.
pub(crate) fn rotate(
    psql: Psql<'_>,
    role: &PgIdentifier,
    new: &NewPassword,
    prove: impl FnOnce() -> Result<(), String>,
) -> anyhow::Result<()> {
    let before = stored(psql, role).map_err(|failure| {
        Refusal::new(
            format!("the server cannot be asked for the role {role}: {failure}"),
            "nothing was changed; vd pg:info says how the cluster is; run the command again when the primary answers",
        )
    })?;
    let (reason, is_late) = match store(psql, role, Some(&new.verifier)) {
        Ok(()) => match prove() {
            Ok(()) => return Ok(()),
            Err(reason) => (
                format!("the new password could not be proved: {reason}"),
                false,
            ),
        },
        // It may have been stored after all, and the session in the pod may still come to it.
        Err(failure) if failure.timed_out() => (failure.to_string(), true),
        Err(failure) => {
            let next = "nothing was changed; look at the primary's log and run the command again";
            return Err(Refusal::new(
                format!("the role {role} could not be changed: {failure}"),
                next,
            )
            .into());
        }
    };
    match put_back(psql, role, new, before.as_ref()) {
        Ok(()) if is_late => Err(Refusal::new(
            reason,
            format!("the role {role} may have either password and the config still has the old one: run the command again, which sets both"),
        )),
        Ok(()) => Err(Refusal::new(reason, format!("the role {role} has its old password again, and nothing else was changed; run the command again when that is mended"))),
        Err(failure) => Err(Refusal::new(
            format!("{reason}; and the old password could not be put back: {failure}"),
            format!("the role {role} may have either password and the config still has the old one: run the command again, which sets both"),
        )),
    }
    .map_err(Into::into)
}

/// Where a role is asked for its password on the socket too, its own sessions need the one that it has by
/// now: the new one, or the old one where that was not stored.
fn put_back(
    psql: Psql<'_>,
    role: &PgIdentifier,
    new: &NewPassword,
    before: Option<&Verifier>,
) -> Result<(), Failure> {
    if !psql.is_entered_as(role) {
        return store(psql, role, before);
    }
    match store(psql.with_password(&new.secret), role, before) {
        Err(failure) if !failure.timed_out() => store(psql, role, before),
        done => done,
    }
}

#[cfg(test)]
#[path = "rotation_tests.rs"]
mod tests;
