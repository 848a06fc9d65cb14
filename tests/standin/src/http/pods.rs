//! `/pods`: what runs, in lists and in detail.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::request::Request;
use super::{Answer, Reply};
use crate::controller::Controller;
use crate::engine::Container;
use crate::refusal::Refusal;

/// A pod in a list.
pub(super) fn entry(pod: &Container) -> Value {
    let mut entry = json!({
        "name": pod.name, "kind": pod.label("voodu.kind"),
        "resource_name": pod.label("voodu.name"), "image": pod.image,
        "status": pod.status, "running": pod.running,
    });
    for (key, label) in [
        ("scope", "voodu.scope"),
        ("replica_id", "voodu.replica_id"),
        ("role", "voodu.role"),
        ("release_id", "voodu.release_id"),
        ("created_at", "voodu.created_at"),
    ] {
        if !pod.label(label).is_empty() {
            entry[key] = Value::from(pod.label(label));
        }
    }
    entry
}

pub(super) fn list(controller: &Controller, request: &Request) -> Answer {
    let wanted: Vec<(&str, &str)> = [
        ("createdby", "voodu"),
        ("voodu.kind", request.query("kind")),
        ("voodu.scope", request.query("scope")),
        ("voodu.name", request.query("name")),
    ]
    .into_iter()
    .filter(|(_, value)| !value.is_empty())
    .collect();
    let pods = controller.engine.containers(&wanted)?;
    let pods: Vec<Value> = pods.iter().map(entry).collect();
    Ok(Reply::Data(json!({"pods": pods, "degraded": null})))
}

pub(super) fn describe(controller: &Controller, name: &str) -> Answer {
    let inspected = inspect(controller, name)?;
    let config = &inspected["Config"];
    let state = &inspected["State"];
    let listed = controller.engine.containers(&[("createdby", "voodu")])?;
    let found = listed.iter().find(|pod| pod.name == name);
    let mut pod = found.map_or_else(|| json!({ "name": name }), entry);
    for (key, value) in [
        ("id", inspected["Id"].clone()),
        ("command", config["Cmd"].clone()),
        ("entrypoint", config["Entrypoint"].clone()),
        ("working_dir", config["WorkingDir"].clone()),
        ("env", environment(&config["Env"])),
        ("labels", config["Labels"].clone()),
        ("networks", networks(&inspected)),
        ("mounts", mounts(&inspected["Mounts"])),
        ("ports", ports(&inspected["NetworkSettings"]["Ports"])),
        (
            "restart_policy",
            inspected["HostConfig"]["RestartPolicy"]["Name"].clone(),
        ),
    ] {
        pod[key] = value;
    }
    pod["state"] = json!({
        "status": state["Status"], "running": state["Running"],
        "exit_code": state["ExitCode"], "started_at": state["StartedAt"],
        "finished_at": state["FinishedAt"], "restarts": inspected["RestartCount"],
    });
    Ok(Reply::Data(json!({ "pod": pod })))
}

fn inspect(controller: &Controller, name: &str) -> Result<Value, Refusal> {
    check_name(name)?;
    let inspected = controller.engine.inspect(name)?;
    inspected.ok_or_else(|| Refusal::not_found(format!("pod {name:?} not found")))
}

pub(super) fn check_name(name: &str) -> Result<(), Refusal> {
    if name.starts_with('.') || name.contains(char::is_whitespace) {
        return Err(Refusal::bad_request(format!("invalid pod name: {name:?}")));
    }
    Ok(())
}

fn environment(pairs: &Value) -> Value {
    let pairs = pairs.as_array().into_iter().flatten();
    let env: BTreeMap<&str, &str> = pairs
        .filter_map(|pair| pair.as_str()?.split_once('='))
        .collect();
    json!(env)
}

fn networks(inspected: &Value) -> Value {
    let networks = inspected["NetworkSettings"]["Networks"].as_object();
    let shown = |(name, network): (&String, &Value)| {
        (
            name.clone(),
            json!({"ip_address": network["IPAddress"], "gateway": network["Gateway"],
                "aliases": network["Aliases"]}),
        )
    };
    Value::Object(networks.into_iter().flatten().map(shown).collect())
}

fn mounts(mounts: &Value) -> Value {
    let shown = |mount: &Value| {
        json!({"type": mount["Type"], "source": mount["Source"],
            "destination": mount["Destination"], "mode": mount["Mode"], "rw": mount["RW"]})
    };
    mounts.as_array().into_iter().flatten().map(shown).collect()
}

fn ports(ports: &Value) -> Value {
    let mut out = Vec::new();
    for (container, bindings) in ports.as_object().into_iter().flatten() {
        for binding in bindings.as_array().into_iter().flatten() {
            out.push(json!({"container": container, "host_ip": binding["HostIp"],
                "host_port": binding["HostPort"]}));
        }
    }
    Value::Array(out)
}

/// Known only while a probe thread is alive.
pub(super) fn ready(controller: &Controller, name: &str) -> Answer {
    check_name(name)?;
    let Some((ready, readiness)) = controller.runners.readiness(name) else {
        let message = format!("no readiness state for pod {name:?}");
        return Err(Refusal::not_found(message));
    };
    Ok(Reply::Document(
        if ready { 200 } else { 503 },
        json!({"status": "ok", "data": {"readiness": readiness}}),
    ))
}

pub(super) fn logs(controller: &Controller, request: &Request, name: &str) -> Answer {
    let tail = Some(request.query("tail")).filter(|tail| !tail.is_empty());
    let text = controller.engine.logs(name, tail)?;
    Ok(Reply::Text(200, text))
}
