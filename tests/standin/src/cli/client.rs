//! The controller, over HTTP.

use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use serde_json::Value;
use ureq::http::Request;

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
            .build()
            .into();
        Self {
            agent,
            url: url.trim_end_matches('/').to_owned(),
            limit,
        }
    }

    /// Sends a request and answers the body of the reply, or the error it reports.
    pub(super) fn send(
        &self,
        method: &str,
        path: &str,
        query: &[(&str, &str)],
        body: &str,
    ) -> Result<String> {
        let url = self.address(path, query);
        let request = Request::builder()
            .method(method)
            .uri(&url)
            .header("Content-Type", "application/json")
            .body(body.to_owned())?;
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
            bail!(self.error(&url, status, &text));
        }
        Ok(text)
    }

    /// Sends a request and answers the `data` of the reply.
    pub(super) fn data(
        &self,
        method: &str,
        path: &str,
        query: &[(&str, &str)],
        body: &str,
    ) -> Result<Value> {
        let text = self.send(method, path, query, body)?;
        let mut document: Value = serde_json::from_str(&text).context("decode the reply")?;
        Ok(document["data"].take())
    }

    fn address(&self, path: &str, query: &[(&str, &str)]) -> String {
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
