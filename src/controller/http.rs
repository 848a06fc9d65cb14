//! The controller over HTTP.

use std::io;
use std::time::Duration;

use serde_json::{Map, Value};
use ureq::Agent;
use ureq::http::Uri;

use crate::controller::{Controller, Error, Kind, Layers, Problem};
use crate::model::resource_ref::ResourceRef;

/// For one whole answer, connecting included.
const SECONDS: u64 = 5;

/// A controller that listens somewhere.
pub(crate) struct HttpController {
    url: String,
    agent: Agent,
}

impl HttpController {
    /// Prepares to ask the controller at that address; nothing is sent yet.
    pub(crate) fn at(url: &str) -> Result<Self, Error> {
        let url = url.trim_end_matches('/').to_owned();
        let error = |problem| Error {
            url: url.clone(),
            problem,
        };
        let uri: Option<Uri> = url.parse().ok();
        let is_http = |uri: &Uri| uri.scheme_str() == Some("http") && uri.query().is_none();
        uri.filter(is_http)
            .ok_or_else(|| error(Problem::NotAnAddress))?;
        let config = Agent::config_builder()
            .timeout_global(Some(Duration::from_secs(SECONDS)))
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .proxy(None);
        let agent = config.build().into();
        Ok(Self { url, agent })
    }

    /// The `data` of an answer; `None` when the controller says that there is no such thing.
    fn get(&self, path: &str, query: &[(&str, &str)]) -> Result<Option<Value>, Error> {
        let (status, body) = self.ask(path, query)?;
        data(status, &body).map_err(|problem| self.error(problem))
    }

    fn ask(&self, path: &str, query: &[(&str, &str)]) -> Result<(u16, Vec<u8>), Error> {
        let fail = |cause: ureq::Error| self.error(problem(&cause));
        let request = self.agent.get(format!("{}{path}", self.url));
        let mut response = request
            .query_pairs(query.iter().copied())
            .call()
            .map_err(fail)?;
        let status = response.status().as_u16();
        let body = response.body_mut().with_config().limit(u64::MAX);
        Ok((status, body.read_to_vec().map_err(fail)?))
    }

    fn error(&self, problem: Problem) -> Error {
        Error {
            url: self.url.clone(),
            problem,
        }
    }
}

impl Controller for HttpController {
    fn spec(&self, kind: Kind, target: &ResourceRef) -> Result<Option<Map<String, Value>>, Error> {
        let kind = kind.to_string();
        let query = [
            ("kind", &kind[..]),
            ("scope", target.scope()),
            ("name", target.name()),
        ];
        let Some(mut data) = self.get("/describe", &query)? else {
            return Ok(None);
        };
        match data.pointer_mut("/manifest/spec").map(Value::take) {
            Some(Value::Object(spec)) => Ok(Some(spec)),
            _ => Err(self.error(Problem::NotItsJson)),
        }
    }

    fn config(&self, target: &ResourceRef, layers: Layers) -> Result<Map<String, Value>, Error> {
        let merge = match layers {
            Layers::Merged => "true",
            Layers::Own => "false",
        };
        let query = [
            ("scope", target.scope()),
            ("name", target.name()),
            ("merge", merge),
        ];
        let data = self.get("/config", &query)?;
        match data.map(|mut data| data["vars"].take()) {
            None | Some(Value::Null) => Ok(Map::new()),
            Some(Value::Object(vars)) => Ok(vars),
            Some(_) => Err(self.error(Problem::NotItsJson)),
        }
    }

    fn resources(&self, kind: Kind) -> Result<Vec<ResourceRef>, Error> {
        let kind = kind.to_string();
        let (status, body) = self.ask("/apply", &[("kind", &kind)])?;
        let manifests = match payload(status, &body).map_err(|problem| self.error(problem))? {
            None | Some(Value::Null) => return Ok(Vec::new()),
            Some(Value::Array(manifests)) => manifests,
            Some(_) => return Err(self.error(Problem::NotItsJson)),
        };
        let label = |manifest: &Value, field: &str| manifest[field].as_str().map(str::to_owned);
        let reference = |manifest: &Value| {
            let (scope, name) = (label(manifest, "scope")?, label(manifest, "name")?);
            // What the platform stores under another name has no config that `link` could set.
            ResourceRef::new(&scope, &name).ok()
        };
        Ok(manifests.iter().filter_map(reference).collect())
    }
}

fn problem(cause: &ureq::Error) -> Problem {
    match cause {
        ureq::Error::Timeout(_) => Problem::TooSlow(SECONDS),
        ureq::Error::HostNotFound => Problem::Unreachable("its name is not known".to_owned()),
        ureq::Error::Io(error) if is_connecting(error) => Problem::Unreachable(error.to_string()),
        _ => Problem::BrokeOff,
    }
}

/// What befalls a connection before anybody answers.
fn is_connecting(error: &io::Error) -> bool {
    use io::ErrorKind as Kind;
    matches!(
        error.kind(),
        Kind::ConnectionRefused | Kind::HostUnreachable | Kind::NetworkUnreachable
    )
}

/// What an answer means that holds an object.
fn data(status: u16, body: &[u8]) -> Result<Option<Value>, Problem> {
    match payload(status, body)? {
        None => Ok(None),
        Some(data @ Value::Object(_)) => Ok(Some(data)),
        Some(_) => Err(Problem::NotItsJson),
    }
}

/// What an answer means. Only an envelope can say that something does not exist: a plain 404 comes
/// from somebody who is no controller.
fn payload(status: u16, body: &[u8]) -> Result<Option<Value>, Problem> {
    let document: Option<Value> = serde_json::from_slice(body).ok();
    let envelope = document.filter(|document| document["status"].is_string());
    let Some(mut envelope) = envelope else {
        return Err(match status {
            200..=299 => Problem::NotItsJson,
            _ => Problem::Refused(status, None),
        });
    };
    match (status, envelope["status"].as_str()) {
        (200..=299, Some("ok")) => Ok(Some(envelope["data"].take())),
        (404, _) => Ok(None),
        _ => Err(Problem::Refused(
            status,
            envelope["error"].as_str().map(str::to_owned),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_an_answer_means() {
        for (status, body, expected) in [
            (
                200,
                r#"{"status":"ok","data":{"vars":{}}}"#,
                Ok(Some(json!({"vars": {}}))),
            ),
            (404, r#"{"status":"error","error":"not found"}"#, Ok(None)),
            (404, "404 page not found", Err(Problem::Refused(404, None))),
            (500, "oops", Err(Problem::Refused(500, None))),
            (
                500,
                r#"{"status":"error","error":"no store"}"#,
                Err(Problem::Refused(500, Some("no store".into()))),
            ),
            (
                200,
                r#"{"status":"error","error":"x"}"#,
                Err(Problem::Refused(200, Some("x".into()))),
            ),
            (200, "<html>", Err(Problem::NotItsJson)),
            (200, "{}", Err(Problem::NotItsJson)),
            (200, r#"{"status":"ok"}"#, Err(Problem::NotItsJson)),
            (
                200,
                r#"{"status":"ok","data":[]}"#,
                Err(Problem::NotItsJson),
            ),
            (200, r#"{"status":"ok","da"#, Err(Problem::NotItsJson)),
        ] {
            assert_eq!(data(status, body.as_bytes()), expected, "{status} {body}");
        }
    }

    #[test]
    fn only_http_is_an_address() {
        for url in ["", "127.0.0.1:8686", "https://x", "unix:///run/x"] {
            let error = HttpController::at(url).err().unwrap();
            assert!(error.next().contains("VOODU_CONTROLLER_URL"), "{error}");
        }
    }

    #[test]
    fn a_closed_port_is_one_clear_sentence() {
        let controller = HttpController::at("http://127.0.0.1:9/").unwrap();
        let target = ResourceRef::new("s", "db").unwrap();
        let error = controller.config(&target, Layers::Own).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the controller at http://127.0.0.1:9 cannot be reached: Connection refused (os error 111)"
        );
    }
}
