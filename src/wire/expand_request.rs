//! What the controller writes to the standard input of `expand`.

use serde_json::{Map, Value};

use crate::model::field;
use crate::model::refusal::{Refusal, Result};

/// `{"kind","scope","name","spec","config"}`; scope, spec and config are left out when empty, and
/// the kind is whatever alias the block used.
#[derive(Debug)]
pub(crate) struct ExpandRequest {
    pub(crate) scope: String,
    pub(crate) name: String,
    /// The block's fields.
    pub(crate) spec: Map<String, Value>,
    /// The scope's bucket, overlaid by the cluster's own.
    pub(crate) config: Map<String, Value>,
}

impl ExpandRequest {
    /// Reads a request. Of a key that comes twice the last one counts.
    pub(crate) fn parse(input: &[u8]) -> Result<Self> {
        if input.trim_ascii().is_empty() {
            return Err(broken("standard input is empty"));
        }
        if input.starts_with("\u{feff}".as_bytes()) {
            return Err(broken("it starts with a byte order mark"));
        }
        let text = std::str::from_utf8(input)
            .map_err(|error| broken(&format!("it is not UTF-8: {error}")))?;
        // Through a `Value`, because a struct would refuse a key that comes twice.
        let document: Value = serde_json::from_str(text)
            .map_err(|error| broken(&format!("it is not JSON, or nested too deeply: {error}")))?;
        let Value::Object(mut document) = document else {
            return Err(broken("it is not a JSON object"));
        };
        Ok(Self {
            scope: take_text(&mut document, "scope")?,
            name: take_text(&mut document, "name")?,
            spec: take_object(&mut document, "spec")?,
            config: take_object(&mut document, "config")?,
        })
    }
}

fn take_text(document: &mut Map<String, Value>, name: &str) -> Result<String> {
    match document.remove(name) {
        None | Some(Value::Null) => Ok(String::new()),
        Some(Value::String(text)) => Ok(text),
        Some(other) => Err(field::wrong_type(name, "a string", &other)),
    }
}

fn take_object(document: &mut Map<String, Value>, name: &str) -> Result<Map<String, Value>> {
    match document.remove(name) {
        None | Some(Value::Null) => Ok(Map::new()),
        Some(Value::Object(object)) => Ok(object),
        Some(other) => Err(field::wrong_type(name, "an object", &other)),
    }
}

fn broken(reason: &str) -> Refusal {
    Refusal::new(
        format!("the expand request cannot be read: {reason}"),
        "send one JSON object with kind, scope, name, spec and config",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_parts_are_left_out() {
        let request = ExpandRequest::parse(br#"{"kind":"pg","name":"db"}"#).unwrap();
        assert_eq!(request.name, "db");
        assert!(request.scope.is_empty() && request.spec.is_empty() && request.config.is_empty());
    }

    #[test]
    fn the_last_of_a_repeated_key_counts() {
        let request =
            ExpandRequest::parse(br#"{"name":"a","name":"b","spec":{"port":1,"port":2}}"#);
        let request = request.unwrap();
        assert_eq!(request.name, "b");
        assert_eq!(request.spec["port"], 2);
    }

    #[test]
    fn what_is_not_a_request_is_refused() {
        let deep = format!("{}{}", r#"{"spec":"#.repeat(200), "}".repeat(200));
        for input in [
            &b""[..],
            b" \n",
            b"[]",
            b"{",
            b"{} {}",
            b"\xef\xbb\xbf{}",
            b"{\"name\":\"\xff\"}",
            br#"{"spec":{"port":1e400}}"#,
            br#"{"spec":[]}"#,
            br#"{"name":5}"#,
            deep.as_bytes(),
        ] {
            assert!(ExpandRequest::parse(input).is_err(), "{input:?}");
        }
    }
}
