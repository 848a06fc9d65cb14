//! Which handler answers which path.

use std::sync::Arc;

use serde_json::json;

use super::request::Request;
use super::{Answer, Reply, config, lifecycle, pod_lifecycle, pods, resources};
use crate::controller::Controller;
use crate::refusal::Refusal;
use crate::wire::wire;

wire! {
    /// The body of a dispatch.
    Dispatch { args: Vec<String>, }
}

pub(super) fn route(controller: &Arc<Controller>, request: &Request) -> Answer {
    let segments: Vec<&str> = request.path.trim_matches('/').split('/').collect();
    match (request.method.as_str(), segments.as_slice()) {
        (_, ["health"]) => Ok(Reply::Document(
            200,
            json!({"status": "ok", "version": concat!("standin-", env!("CARGO_PKG_VERSION"))}),
        )),
        ("POST", ["apply"]) => resources::apply(controller, request),
        ("GET", ["apply"]) => resources::list(controller, request),
        ("DELETE", ["apply"]) => resources::delete(controller, request),
        (_, ["describe"]) => resources::describe(controller, request),
        ("GET", ["config"]) => config::get(controller, request),
        ("POST", ["config"]) => config::post(controller, request),
        ("DELETE", ["config"]) => config::delete(controller, request),
        ("POST", ["restart"]) => lifecycle::restart(controller, request),
        ("DELETE", ["resource"]) => lifecycle::delete_resource(controller, request),
        ("DELETE", ["scope"]) => lifecycle::delete_scope(controller, request),
        ("POST", ["jobs", "run"]) => lifecycle::run_job(controller, request),
        ("POST", ["cronjobs", "run"]) => lifecycle::run_cronjob(controller, request),
        ("GET", ["pods"]) => pods::list(controller, request),
        ("GET", ["pods", name]) => pods::describe(controller, name),
        ("GET", ["pods", name, "ready"]) => pods::ready(controller, name),
        ("GET", ["pods", name, "logs"]) => pods::logs(controller, request, name),
        ("POST", ["pods", name, "stop"]) => pod_lifecycle::stop(controller, request, name),
        ("POST", ["pods", name, "start"]) => pod_lifecycle::start(controller, name),
        ("GET", ["plugins"]) => Ok(plugins(controller)),
        ("POST", ["plugin", name, command]) => {
            let body: Dispatch = if request.body.is_empty() {
                Dispatch::default()
            } else {
                request.json()?
            };
            let data = controller.dispatch(name, command, &body.args)?;
            Ok(Reply::Data(data))
        }
        (method, ["apply" | "config"]) => {
            Err(Refusal::new(405, format!("method {method} not allowed")))
        }
        (_, ["plugin", _, _]) => Ok(Reply::Text(405, "Method Not Allowed\n".to_owned())),
        _ => Ok(Reply::Text(404, "404 page not found\n".to_owned())),
    }
}

fn plugins(controller: &Controller) -> Reply {
    let plugins: Vec<_> = controller
        .plugins
        .all()
        .iter()
        .map(|plugin| {
            json!({"name": plugin.name, "version": plugin.version,
                "description": plugin.description, "aliases": plugin.aliases,
                "commands": plugin.commands().map(|name| json!({"name": name})).collect::<Vec<_>>()})
        })
        .collect();
    Reply::Data(json!({"plugins": plugins, "errors": []}))
}
