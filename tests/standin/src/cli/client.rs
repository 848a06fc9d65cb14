//! The controller, over HTTP.

use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use serde_json::Value;
use ureq::http::Request;

/// Keys and values of a query; empty values are left out.
pub(super) type Query<'a> = &'a [(&'a str, &'a str)];

/// The `data` of a reply.
pub(super) fn data(reply: &str) -> Result<Value> {
    let mut document: Value = serde_json::from_str(reply).context("decode the reply")?;
    Ok(document["data"].take())
}

/// One controller.
pub(super) struct Client {
    agent: ureq::Agent,
    url: String,
    limit: Duration,
}

impl Client {
    pub(super) fn new(url: &str, limit: Duration) -> Self {
        let agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .proxy(None)
            .build()
            .into();
        Self {
            agent,
            url: url.trim_end_matches('/').to_owned(),
            limit,
        }
    }

    /// The body of the reply to a GET.
    pub(super) fn get(&self, path: &str, query: Query<'_>) -> Result<String> {
        self.send("GET", &self.address(path, query), String::new())
    }

    /// The body of the reply to a POST.
    pub(super) fn post(&self, path: &str, query: Query<'_>, body: &Value) -> Result<String> {
        self.send("POST", &self.address(path, query), body.to_string())
    }

    /// The body of the reply to a DELETE.
    pub(super) fn delete(&self, path: &str, query: Query<'_>) -> Result<String> {
        self.send("DELETE", &self.address(path, query), String::new())
    }

    fn send(&self, method: &str, url: &str, body: String) -> Result<String> {
        let request = Request::builder()
            .method(method)
            .uri(url)
            .header("Content-Type", "application/json")
            .body(body)?;
        let mut reply = self
            .agent
            .run(request)
            .map_err(|error| anyhow!("controller at {url} unreachable ({error})"))?;
        let status = reply.status().as_u16();
        let text = reply
            .body_mut()
            .read_to_string()
            .context("read the reply")?;
        if status >= 400 {
            bail!(self.error(url, status, &text));
        }
        Ok(text)
    }

    fn address(&self, path: &str, query: Query<'_>) -> String {
        let mut pairs = form_urlencoded::Serializer::new(String::new());
        pairs.extend_pairs(query.iter().filter(|(_, value)| !value.is_empty()));
        match pairs.finish().as_str() {
            "" => format!("{}{path}", self.url),
            query => format!("{}{path}?{query}", self.url),
        }
    }

    /// The plugin is killed when the real CLI gives up, so a timeout reads as an unreachable
    /// controller.
    fn error(&self, url: &str, status: u16, text: &str) -> String {
        let document: Value = serde_json::from_str(text).unwrap_or_default();
        match document["error"].as_str() {
            Some(error) if error.contains(": timeout after ") => format!(
                "controller at {url} unreachable (context deadline exceeded after {})",
                humantime::format_duration(self.limit)
            ),
            Some(error) => error.to_owned(),
            None => format!("controller returned {status}: {}", text.trim()),
        }
    }
}
