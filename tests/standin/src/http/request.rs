//! A request, taken apart.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;

use crate::manifest::{Kind, ResourceId};
use crate::refusal::Refusal;

/// Method, path, query and body.
#[derive(Debug, Default)]
pub(super) struct Request {
    /// Method, path and query as they came.
    pub(super) line: String,
    pub(super) method: String,
    pub(super) path: String,
    query: BTreeMap<String, String>,
    pub(super) body: Vec<u8>,
}

impl Request {
    pub(super) fn read(incoming: &mut tiny_http::Request) -> Result<Self, Refusal> {
        let mut body = Vec::new();
        incoming
            .as_reader()
            .read_to_end(&mut body)
            .map_err(|error| Refusal::bad_request(format!("read body: {error}")))?;
        let (path, query) = incoming
            .url()
            .split_once('?')
            .unwrap_or((incoming.url(), ""));
        let query = form_urlencoded::parse(query.as_bytes())
            .map(|(key, value)| (key.into_owned(), value.trim().to_owned()))
            .collect();
        Ok(Self {
            line: format!("{} {}", incoming.method(), incoming.url()),
            method: incoming.method().to_string(),
            path: path.to_owned(),
            query,
            body,
        })
    }

    /// A query value, empty when absent.
    pub(super) fn query(&self, key: &str) -> &str {
        self.query.get(key).map_or("", String::as_str)
    }

    /// Whether a query value is the literal text `true`.
    pub(super) fn is_true(&self, key: &str) -> bool {
        self.query(key) == "true"
    }

    /// Whether a query value is the literal text `false`.
    pub(super) fn is_false(&self, key: &str) -> bool {
        self.query(key) == "false"
    }

    pub(super) fn id(&self) -> ResourceId {
        ResourceId::new(self.query("scope"), self.query("name"))
    }

    pub(super) fn kind(&self) -> Result<Kind, Refusal> {
        Kind::require(self.query("kind")).map_err(Refusal::bad_request)
    }

    pub(super) fn require(&self, key: &str) -> Result<&str, Refusal> {
        match self.query(key) {
            "" => Err(Refusal::bad_request(format!("{key} is required"))),
            value => Ok(value),
        }
    }

    /// The body of `/apply` and `/config`, which is not accepted above 1 MiB.
    pub(super) fn capped_json<T: DeserializeOwned>(&self) -> Result<T, Refusal> {
        if self.body.len() > 1 << 20 {
            return Err(Refusal::bad_request("http: request body too large"));
        }
        self.json()
    }

    pub(super) fn json<T: DeserializeOwned>(&self) -> Result<T, Refusal> {
        serde_json::from_slice(&self.body)
            .map_err(|error| Refusal::bad_request(format!("decode body: {error}")))
    }
}
