//! The controller's HTTP API, as far as plugins, the CLI and tests use it.

mod config;
mod lifecycle;
mod pod_lifecycle;
mod pods;
mod request;
mod resources;
mod routes;
mod traffic;

use std::sync::Arc;
use std::thread;

use anyhow::{Result, anyhow};
use serde_json::{Value, json};
use tiny_http::{Header, Response, Server};

use crate::controller::Controller;
use crate::refusal::Refusal;

use request::Request;

pub use traffic::Fault;
pub(crate) use traffic::{NOWHERE, Traffic};

/// What a handler answers.
#[derive(Debug)]
enum Reply {
    /// `{"status":"ok","data":…}`.
    Data(Value),
    /// Any JSON document.
    Document(u16, Value),
    /// Plain text.
    Text(u16, String),
}

type Answer = std::result::Result<Reply, Refusal>;

/// A listening API; dropping it stops the listener.
pub(crate) struct Listener {
    server: Arc<Server>,
    url: String,
}

impl Listener {
    /// Listens on an address and answers each request on a thread of its own.
    pub(crate) fn start(controller: &Arc<Controller>, address: &str) -> Result<Self> {
        let server =
            Server::http(address).map_err(|error| anyhow!("listen on {address}: {error}"))?;
        let server = Arc::new(server);
        let url = format!("http://{}", server.server_addr());
        let (listening, controller) = (Arc::clone(&server), Arc::clone(controller));
        thread::spawn(move || {
            for incoming in listening.incoming_requests() {
                let controller = Arc::clone(&controller);
                thread::spawn(move || serve(&controller, incoming));
            }
        });
        Ok(Self { server, url })
    }

    /// Where it listens.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.server.unblock();
    }
}

fn serve(controller: &Arc<Controller>, mut incoming: tiny_http::Request) {
    let answer = Request::read(&mut incoming).and_then(|request| answer(controller, &request));
    let (status, content_type, body) = match answer {
        Ok(Reply::Data(data)) => (200, "application/json", ok(&data)),
        Ok(Reply::Document(status, document)) => {
            (status, "application/json", format!("{document}\n"))
        }
        Ok(Reply::Text(status, text)) => (status, "text/plain; charset=utf-8", text),
        Err(refusal) => (refusal.status, "application/json", error(&refusal)),
    };
    let mut response = Response::from_string(body).with_status_code(status);
    if let Ok(header) = Header::from_bytes("Content-Type", content_type) {
        response.add_header(header);
    }
    // The caller may be gone: nobody is left to tell.
    incoming.respond(response).ok();
}

/// What the route answers, or the fault in force instead.
fn answer(controller: &Arc<Controller>, request: &Request) -> Answer {
    let traffic = &controller.traffic;
    traffic.note(request.line.clone());
    let fault = traffic.fault();
    match fault.filter(|_| !request.path.starts_with("/plugin/")) {
        Some(Fault::Status(status)) => Ok(Reply::Text(status, "no\n".to_owned())),
        Some(Fault::Garbage) => Ok(Reply::Text(200, "<html>\n".to_owned())),
        Some(Fault::Slow(delay)) => {
            thread::sleep(delay);
            routes::route(controller, request)
        }
        Some(Fault::Down | Fault::BucketOf(_)) | None => routes::route(controller, request),
    }
}

fn ok(data: &Value) -> String {
    let document = if data.is_null() {
        json!({"status": "ok"})
    } else {
        json!({"status": "ok", "data": data})
    };
    format!("{document}\n")
}

fn error(refusal: &Refusal) -> String {
    format!("{}\n", json!({"status": "error", "error": refusal.message}))
}
