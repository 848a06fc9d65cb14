//! `/apply` and `/describe`.

use std::sync::Arc;

use serde_json::{Value, json};

use super::request::Request;
use super::{Answer, Reply, pods};
use crate::apply::ApplyOptions;
use crate::controller::Controller;
use crate::delete::Data;
use crate::manifest::{Kind, Manifest};
use crate::reconcile::owned_by;
use crate::refusal::Refusal;

pub(super) fn apply(controller: &Arc<Controller>, request: &Request) -> Answer {
    let body: Value = request.capped_json()?;
    let batch: Vec<Manifest> = match body {
        Value::Array(_) => serde_json::from_value(body),
        single => serde_json::from_value(single).map(|manifest| vec![manifest]),
    }
    .map_err(|error| Refusal::bad_request(format!("decode manifests: {error}")))?;
    let options = ApplyOptions {
        dry_run: request.is_true("dry_run"),
        prune: request.is_true("prune"),
    };
    let mut data = json!(controller.apply(batch, options)?);
    if options.dry_run {
        data["dry_run"] = Value::Bool(true);
    }
    Ok(Reply::Data(data))
}

pub(super) fn list(controller: &Controller, request: &Request) -> Answer {
    let kind = match request.query("kind") {
        "" => None,
        _ => Some(request.kind()?),
    };
    Ok(Reply::Data(json!(controller.store.list(kind))))
}

pub(super) fn delete(controller: &Controller, request: &Request) -> Answer {
    if request.query("kind").is_empty() || request.query("name").is_empty() {
        return Err(Refusal::bad_request("kind and name are required"));
    }
    let kind = request.kind()?;
    let id = controller.only_one(kind, request.id())?;
    let wiped = controller.delete(kind, &id, data(request))?;
    Ok(Reply::Data(json!({"pruned": wiped.pruned})))
}

/// Whether the request asks for data to go as well.
pub(super) fn data(request: &Request) -> Data {
    if request.is_true("prune") {
        Data::Prune
    } else {
        Data::Keep
    }
}

pub(super) fn describe(controller: &Controller, request: &Request) -> Answer {
    if request.query("kind").is_empty() || request.query("name").is_empty() {
        return Err(Refusal::bad_request("kind and name are required"));
    }
    let kind = request.kind()?;
    let id = controller.only_one(kind, request.id())?;
    let Some(manifest) = controller.store.get(kind, &id) else {
        return Err(Refusal::not_found(format!("{kind}/{id} not found")));
    };
    let pods = controller.pods(kind, &id).ok().map(|mut pods| {
        pods.reverse();
        pods.iter().map(pods::entry).collect::<Vec<_>>()
    });
    let mut data = json!({
        "manifest": manifest,
        "status": controller.store.status(kind, &id),
        "pods": pods,
    });
    if kind == Kind::Statefulset {
        data["volumes"] = json!(controller.engine.volumes(&owned_by(kind, &id)).ok());
    }
    Ok(Reply::Data(data))
}
