//! `/restart`, `/resource`, `/scope`, and running jobs.

use std::sync::Arc;

use serde_json::json;

use super::request::Request;
use super::resources::data;
use super::{Answer, Reply};
use crate::controller::Controller;
use crate::jobs::Run;
use crate::manifest::{Kind, Manifest, ResourceId};
use crate::refusal::Refusal;

pub(super) fn restart(controller: &Arc<Controller>, request: &Request) -> Answer {
    request.require("name")?;
    let manifest = restartable(controller, request)?;
    let id = manifest.id();
    let unfroze = controller.store.update_frozen(&id, std::mem::take)?;
    match Kind::exact(&manifest.kind) {
        Some(Kind::Statefulset) => controller.restart_statefulset(&manifest)?,
        _ => controller.restart_deployment(&manifest)?,
    }
    Ok(Reply::Data(json!({
        "scope": id.scope, "name": id.name, "kind": manifest.kind,
        "unfroze": unfroze.len(),
    })))
}

/// The statefulset or deployment that is meant.
fn restartable(controller: &Controller, request: &Request) -> Result<Manifest, Refusal> {
    let id = request.id();
    let kinds = match request.query("kind") {
        "" => vec![Kind::Deployment, Kind::Statefulset],
        _ => vec![request.kind()?],
    };
    let mut found: Vec<Manifest> = Vec::new();
    for kind in kinds {
        if !matches!(kind, Kind::Deployment | Kind::Statefulset) {
            return Err(Refusal::bad_request(format!(
                "restart not supported for kind \"{kind}\" (deployment, statefulset)"
            )));
        }
        let stored = controller.store.list(Some(kind)).into_iter();
        found.extend(stored.filter(|manifest| {
            manifest.name == id.name && (id.scope.is_empty() || manifest.scope == id.scope)
        }));
    }
    match (found.pop(), found.is_empty()) {
        (Some(only), true) => Ok(only),
        (None, _) => Err(Refusal::not_found(format!("nothing to restart at {id}"))),
        _ => Err(Refusal::bad_request(format!(
            "{id} is ambiguous: pass scope and kind"
        ))),
    }
}

pub(super) fn delete_resource(controller: &Arc<Controller>, request: &Request) -> Answer {
    let id = request.id();
    if id.scope.is_empty() || id.name.is_empty() {
        return Err(Refusal::bad_request("scope and name are required"));
    }
    if request.query("ordinal").is_empty() {
        let wiped = controller.delete_all(&id, data(request))?;
        return Ok(Reply::Data(json!({
            "scope": id.scope, "name": id.name, "resources_wiped": wiped, "errors": [],
        })));
    }
    let text = request.query("ordinal");
    let ordinal: u32 = text.parse().map_err(|_| {
        let message = format!("ordinal must be a non-negative integer, got {text:?}");
        Refusal::bad_request(message)
    })?;
    let summary = controller.delete_pod(&id, ordinal, data(request))?;
    Ok(Reply::Data(json!({
        "scope": id.scope, "name": id.name, "ordinal": ordinal,
        "action": "rebootstrap", "summary": summary,
    })))
}

pub(super) fn delete_scope(controller: &Controller, request: &Request) -> Answer {
    let scope = request.require("scope")?;
    let wiped = controller.delete_scope(scope, data(request))?;
    Ok(Reply::Data(json!({
        "scope": scope, "scope_config_wiped": true, "resources_wiped": wiped, "errors": [],
    })))
}

pub(super) fn run_job(controller: &Arc<Controller>, request: &Request) -> Answer {
    run(controller, Kind::Job, request)
}

pub(super) fn run_cronjob(controller: &Arc<Controller>, request: &Request) -> Answer {
    run(controller, Kind::Cronjob, request)
}

/// A failed run answers with both an error and its record.
fn run(controller: &Arc<Controller>, kind: Kind, request: &Request) -> Answer {
    request.require("name")?;
    let id: ResourceId = controller.only_one(kind, request.id())?;
    let (run, error) = match controller.run_to_end(kind, &id) {
        Ok(run) if run.failed() => {
            let error = format!("{kind}/{} run {} {}", id.app_id(), run.id, run.end());
            (run, error)
        }
        Ok(run) => return Ok(Reply::Data(json!(run))),
        Err(error) => (Run::never(), format!("{error:#}")),
    };
    Ok(Reply::Document(
        500,
        json!({"status": "error", "error": error, "data": run}),
    ))
}
