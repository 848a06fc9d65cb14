//! `/config`. Writing here truncates the env file to the app's own bucket, which arms a roll
//! of every pod; a plugin's `config_set` does not.

use std::sync::Arc;

use serde_json::{Value, json};

use super::request::Request;
use super::{Answer, Reply};
use crate::controller::Controller;
use crate::env;
use crate::manifest::ResourceId;
use crate::refusal::Refusal;
use crate::store::Vars;

pub(super) fn get(controller: &Controller, request: &Request) -> Answer {
    request.require("scope")?;
    let id = target(request);
    let vars = if id.name.is_empty() || request.is_false("merge") {
        controller.store.own_bucket(&id)
    } else {
        controller.store.bucket(&id)
    };
    match request.query("key") {
        "" => Ok(Reply::Data(json!({ "vars": vars }))),
        key => match vars.get(key) {
            Some(value) => Ok(Reply::Data(json!({ key: value }))),
            None => Err(Refusal::not_found(format!("key {key:?} not set"))),
        },
    }
}

pub(super) fn post(controller: &Arc<Controller>, request: &Request) -> Answer {
    request.require("scope")?;
    let patch: Vars = request.capped_json()?;
    if patch.is_empty() {
        return Err(Refusal::bad_request(
            "body must be a non-empty {KEY: VALUE} object",
        ));
    }
    change(controller, request, &patch)
}

pub(super) fn delete(controller: &Arc<Controller>, request: &Request) -> Answer {
    request.require("scope")?;
    let key = match request.query("key") {
        "" => return Err(Refusal::bad_request("key is required for DELETE")),
        key => key,
    };
    change(
        controller,
        request,
        &Vars::from([(key.to_owned(), String::new())]),
    )
}

/// A name of `_` is another way to say none.
fn target(request: &Request) -> ResourceId {
    let mut id = request.id();
    if id.name == "_" {
        id.name.clear();
    }
    id
}

fn change(controller: &Arc<Controller>, request: &Request, patch: &Vars) -> Answer {
    let id = target(request);
    controller.store.patch_bucket(&id, patch)?;
    truncate_env_file(controller, &id)?;
    if !request.is_false("restart") {
        controller.fan_out(&id);
    }
    Ok(Reply::Data(Value::Null))
}

fn truncate_env_file(controller: &Controller, id: &ResourceId) -> Result<(), Refusal> {
    if !id.name.is_empty() {
        let path = env::path(&controller.root, id);
        env::write(&path, &controller.store.own_bucket(id))?;
    }
    Ok(())
}
