//! A command behind `vd`: what the controller writes to standard input, and what it reads back.

use serde::{Deserialize, Serialize};

use crate::wire::action::Action;

/// The invocation context, as far as a command needs it.
#[derive(Debug, Deserialize)]
pub(crate) struct Invocation {
    pub(crate) controller_url: String,
}

impl Invocation {
    /// Reads standard input; anything else than a context is none.
    pub(crate) fn parse(input: &[u8]) -> Option<Self> {
        let invocation: Self = serde_json::from_slice(input).ok()?;
        (!invocation.controller_url.is_empty()).then_some(invocation)
    }
}

/// The reply's `data`.
#[derive(Debug, Serialize)]
pub(crate) struct Outcome {
    /// Left out of a reply whose output must stay clean.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) message: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) actions: Vec<Action>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_context_is_a_context() {
        let url = |input: &str| Invocation::parse(input.as_bytes()).map(|it| it.controller_url);
        let context =
            r#"{"plugin":"pg","command":"link","controller_url":"http://127.0.0.1:8686"}"#;
        assert_eq!(url(context).unwrap(), "http://127.0.0.1:8686");
        for input in ["", "SELECT 1;", "{}", r#"{"controller_url":""}"#, "[1]"] {
            assert_eq!(url(input), None, "{input}");
        }
    }
}
