//! What postgres stores in the place of a password (RFC 5803), computed here so that no statement
//! and no log of the server holds the password itself.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac as _};
use sha2::{Digest as _, Sha256};

use crate::model::secret::Secret;

/// As many as postgres itself takes.
const ITERATIONS: u32 = 4096;

/// `SCRAM-SHA-256$4096:<salt>$<stored key>:<server key>`. Whoever has it can try passwords at
/// leisure, so it does not show itself either.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Verifier(String);

impl Verifier {
    /// Of a generated password, whose characters need no normalisation (RFC 4013).
    pub(crate) fn of(password: &Secret, salt: [u8; 16]) -> Self {
        let salted = salted(password.expose().as_bytes(), &salt);
        let client_key = hmac(&salted, &[b"Client Key"]);
        let stored_key: [u8; 32] = Sha256::digest(client_key).into();
        let server_key = hmac(&salted, &[b"Server Key"]);
        let [salt, stored, server] =
            [&salt[..], &stored_key, &server_key].map(|part| STANDARD.encode(part));
        Self(format!(
            "SCRAM-SHA-256${ITERATIONS}:{salt}${stored}:{server}"
        ))
    }

    /// One that a server stored, of whatever kind.
    pub(crate) fn stored(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// The text, for the server alone.
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Verifier(…)")
    }
}

/// PBKDF2 with one block (RFC 5802, `Hi`).
fn salted(password: &[u8], salt: &[u8]) -> [u8; 32] {
    let mut round = hmac(password, &[salt, &1_u32.to_be_bytes()]);
    let mut result = round;
    for _ in 1..ITERATIONS {
        round = hmac(password, &[&round]);
        for (byte, other) in result.iter_mut().zip(round) {
            *byte ^= other;
        }
    }
    result
}

fn hmac(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    // A key of any length is one: a long one is hashed first.
    let mut block = [0; 64];
    let digest;
    let key = if key.len() > block.len() {
        digest = Sha256::digest(key);
        &digest[..]
    } else {
        key
    };
    block[..key.len()].copy_from_slice(key);
    let mut mac = Hmac::<Sha256>::new(&block.into());
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_what_postgres_17_computes() {
        let password = Secret::chosen("password", "pencil").unwrap();
        let salt = STANDARD.decode("YiMzQBqB+W1dU8RZ1P1a5g==").unwrap();
        let verifier = Verifier::of(&password, salt.try_into().unwrap());
        assert_eq!(
            verifier.expose(),
            "SCRAM-SHA-256$4096:YiMzQBqB+W1dU8RZ1P1a5g==$q6V6h48sWrccoNE3Yn+pPA117fQLze3E4upvCN0GYkc=:Tm84AKaGac6N5d4KL/DKTDkSCTrzjDFQAjM000TpHTQ="
        );
        assert_eq!(format!("{verifier:?}"), "Verifier(…)");
    }

    #[test]
    fn long_keys_are_hashed_first() {
        // RFC 4231, test case 6.
        let text = b"Test Using Larger Than Block-Size Key - Hash Key First";
        assert_eq!(
            hex::encode(hmac(&[0xaa; 131], &[text])),
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"
        );
    }
}
