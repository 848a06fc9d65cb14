//! Blocks of core kinds: block spellings become wire spellings, scalars become strings where
//! the wire wants strings. Plugin blocks get none of this.

use std::path::Path;

use anyhow::{Context, Result, bail};
use base64::Engine as _;
use hcl::Expression;
use serde_json::{Map, Value, json};

use super::{convert, fields};
use crate::manifest::Kind;

const TEXT_LISTS: [&str; 9] = [
    "cap_add",
    "command",
    "docker_options",
    "env_file",
    "env_from",
    "extra_hosts",
    "networks",
    "ports",
    "volumes",
];
const TEXT_MAPS: [&str; 2] = ["env", "ulimits"];
const TEXTS: [&str; 6] = [
    "health_check",
    "image",
    "network",
    "network_mode",
    "restart",
    "timeout",
];
const CRONJOB_FIELDS: [&str; 6] = [
    "concurrency_policy",
    "failed_history_limit",
    "schedule",
    "successful_history_limit",
    "suspend",
    "timezone",
];

/// The wire spec of a core block.
pub(super) fn spec(kind: Kind, mut body: Map<String, Value>) -> Result<Value> {
    let known = fields::of(kind);
    if let Some(unknown) = body.keys().find(|key| !known.contains(&key.as_str())) {
        bail!("an argument or block named {unknown:?} is not expected here");
    }
    coerce(&mut body);
    apply_defaults(kind, &mut body);
    rename_labelled(&mut body, ("volume_claim", "volume_claims"))?;
    rename_labelled(&mut body, ("init", "inits"))?;
    if kind == Kind::Cronjob {
        return cronjob(body);
    }
    Ok(Value::Object(body))
}

fn apply_defaults(kind: Kind, body: &mut Map<String, Value>) {
    if matches!(kind, Kind::Ingress | Kind::Registry) {
        return;
    }
    let logs = body.entry("logs").or_insert_with(|| json!({}));
    for (key, value) in [("max_size", json!("10m")), ("max_files", json!(3))] {
        if logs.get(key).is_none() {
            logs[key] = value;
        }
    }
    if kind == Kind::Deployment {
        body.entry("health_check").or_insert_with(|| json!("/"));
    }
}

fn coerce(body: &mut Map<String, Value>) {
    for key in TEXTS {
        if let Some(value) = body.get_mut(key) {
            *value = convert::scalar_text(value.take());
        }
    }
    for key in TEXT_LISTS.into_iter().chain(TEXT_MAPS) {
        match body.get_mut(key) {
            Some(Value::Array(items)) => items
                .iter_mut()
                .for_each(|item| *item = convert::scalar_text(item.take())),
            Some(Value::Object(map)) => map
                .values_mut()
                .for_each(|value| *value = convert::scalar_text(value.take())),
            _ => {}
        }
    }
}

/// `volume_claim "data" {…}` is written once or several times; the wire has a list with names.
fn rename_labelled(body: &mut Map<String, Value>, (block, field): (&str, &str)) -> Result<()> {
    let Some(blocks) = body.remove(block) else {
        return Ok(());
    };
    let blocks = match blocks {
        Value::Array(blocks) => blocks,
        single => vec![single],
    };
    let mut out = Vec::new();
    for mut entry in blocks {
        let name = entry
            .as_object_mut()
            .and_then(|entry| entry.remove("_labels"))
            .and_then(|labels| labels.get(0).cloned());
        let Some(name) = name else {
            bail!("{block}: needs a label");
        };
        entry["name"] = name;
        out.push(entry);
    }
    body.insert(field.to_owned(), Value::Array(out));
    Ok(())
}

fn cronjob(body: Map<String, Value>) -> Result<Value> {
    let (mut spec, job): (Map<_, _>, Map<_, _>) = body
        .into_iter()
        .partition(|(key, _)| CRONJOB_FIELDS.contains(&key.as_str()));
    if !spec.get("schedule").is_some_and(Value::is_string) {
        bail!("schedule is required");
    }
    spec.insert("job".to_owned(), Value::Object(job));
    Ok(Value::Object(spec))
}

/// An asset's attributes are its files; `file()` and `url()` exist only here.
pub(super) fn asset(body: &hcl::Body, source: Option<&Path>) -> Result<Value> {
    if body.blocks().next().is_some() {
        bail!("nested blocks are not supported");
    }
    let mut files = Map::new();
    for attribute in body.attributes() {
        let value =
            asset_source(attribute.expr(), source).with_context(|| attribute.key().to_owned())?;
        files.insert(attribute.key().to_owned(), value);
    }
    Ok(json!({ "files": files }))
}

fn asset_source(expression: &Expression, source: Option<&Path>) -> Result<Value> {
    let Expression::FuncCall(call) = expression else {
        return convert::literal(expression);
    };
    let arguments: Vec<Value> = call
        .args
        .iter()
        .map(convert::literal)
        .collect::<Result<_>>()?;
    match (call.name.name.as_str(), arguments.as_slice()) {
        ("file", [Value::String(path)]) => {
            let base = source.and_then(Path::parent).unwrap_or(Path::new(""));
            let path = base.join(path);
            let bytes = std::fs::read(&path).with_context(|| format!("read {}", path.display()))?;
            let content = base64::engine::general_purpose::STANDARD.encode(bytes);
            Ok(json!({"_source": "file", "content": content,
                "filename": path.file_name().map(|name| name.to_string_lossy())}))
        }
        ("url", [Value::String(url), ..]) => Ok(json!({
            "_source": "url", "url": url, "timeout": "", "on_failure": "",
        })),
        (name, _) => bail!("{name}() is not a source for a file"),
    }
}
