//! `vd apply`, `vd diff`, `vd delete`.

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use super::Shim;
use super::builtin::{Files, Format};
use super::client::Client;
use super::terminal::Terminal;
use crate::hcl::{self, Variables};
use crate::manifest::{Manifest, ResourceId};
use crate::store::Vars;

/// `${VAR}` from this process's environment, then from the controller's buckets.
struct Remote<'a> {
    shim: &'a Shim,
    client: &'a Client,
}

impl Variables for Remote<'_> {
    fn shell(&self, name: &str) -> Option<String> {
        let own = self.shim.env.get(name).cloned();
        own.or_else(|| std::env::var(name).ok())
    }

    fn bucket(&self, id: &ResourceId) -> Vars {
        let query = [("scope", id.scope.as_str()), ("name", id.name.as_str())];
        let data = self.client.data("GET", "/config", &query, "");
        let vars = data.map(|mut data| data["vars"].take()).unwrap_or_default();
        serde_json::from_value(vars).unwrap_or_default()
    }
}

fn read(shim: &Shim, client: &Client, files: &Files) -> Result<String> {
    if files.paths.is_empty() {
        bail!("pass a file with -f");
    }
    let mut manifests: Vec<Manifest> = Vec::new();
    for file in &files.paths {
        let path = shim.directory.join(file);
        let text = std::fs::read_to_string(&path).with_context(|| format!("read {file}"))?;
        let variables = Remote { shim, client };
        manifests.extend(hcl::read(&text, Some(&path), &variables).with_context(|| file.clone())?);
    }
    Ok(json!(manifests).to_string())
}

fn prune(files: &Files) -> &'static str {
    if files.prune { "true" } else { "" }
}

pub(super) fn apply(
    shim: &Shim,
    client: &Client,
    files: &Files,
    format: Format,
    terminal: &mut Terminal,
) -> Result<()> {
    let body = read(shim, client, files)?;
    let text = client.send("POST", "/apply", &[("prune", prune(files))], &body)?;
    if format == Format::Json {
        terminal.say(text.trim_end());
        return Ok(());
    }
    let reply: Value = serde_json::from_str(&text)?;
    let data = &reply["data"];
    for manifest in array(&data["applied"]) {
        terminal.say(&format!("  ✓ {}", reference(manifest)));
    }
    for pruned in array(&data["pruned"]) {
        terminal.say(&format!("  - {} (pruned)", text_of(pruned)));
    }
    let changes = &data["changes"];
    for (field, word) in [
        ("created", "created"),
        ("rolled", "replaced"),
        ("removed", "removed"),
    ] {
        for container in array(&changes[field]) {
            terminal.say(&format!("    {} {word}", text_of(container)));
        }
    }
    for error in array(&changes["errors"]) {
        terminal.complain(&format!("warning: {}", text_of(error)));
    }
    Ok(())
}

pub(super) fn diff(
    shim: &Shim,
    client: &Client,
    files: &Files,
    format: Format,
    terminal: &mut Terminal,
) -> Result<()> {
    let body = read(shim, client, files)?;
    let query = [("dry_run", "true"), ("prune", prune(files))];
    let text = client.send("POST", "/apply", &query, &body)?;
    if format == Format::Json {
        terminal.say(text.trim_end());
        return Ok(());
    }
    let reply: Value = serde_json::from_str(&text)?;
    let data = &reply["data"];
    let before = array(&data["current"]);
    for (after, before) in array(&data["applied"]).iter().zip(before) {
        let name = reference(after);
        if before.is_null() {
            terminal.say(&format!("+ {name}"));
            continue;
        }
        let mut changes = Vec::new();
        compare("spec", &before["spec"], &after["spec"], &mut changes);
        let sign = if changes.is_empty() { "=" } else { "~" };
        terminal.say(&format!("{sign} {name}"));
        for change in changes {
            terminal.say(&format!("    {change}"));
        }
    }
    Ok(())
}

/// Every difference as one line; secrets in `spec.env` included, as on the platform.
fn compare(path: &str, before: &Value, after: &Value, changes: &mut Vec<String>) {
    if let (Value::Object(old), Value::Object(new)) = (before, after) {
        let keys: std::collections::BTreeSet<&String> = old.keys().chain(new.keys()).collect();
        for key in keys {
            compare(&format!("{path}.{key}"), &before[key], &after[key], changes);
        }
    } else if before != after {
        let line = if path.starts_with("spec.files.") {
            format!("{path}: changed")
        } else {
            format!("{path}: {before} → {after}")
        };
        changes.push(line);
    }
}

pub(super) fn delete(
    shim: &Shim,
    client: &Client,
    files: &Files,
    terminal: &mut Terminal,
) -> Result<()> {
    if let Some(reference) = &files.reference {
        let (scope, name) = reference.split_once('/').context("want scope/name")?;
        let ordinal = files.replica.map(|replica| replica.to_string());
        let mut query = vec![("scope", scope), ("name", name), ("prune", prune(files))];
        query.extend(ordinal.as_deref().map(|ordinal| ("ordinal", ordinal)));
        let data = client.data("DELETE", "/resource", &query, "")?;
        for wiped in array(&data["resources_wiped"]) {
            terminal.say(&format!(
                "  ✓ deleted {}/{reference}",
                text_of(&wiped["kind"])
            ));
        }
        return Ok(());
    }
    let body = read(shim, client, files)?;
    let data = client.data("POST", "/apply", &[("dry_run", "true")], &body)?;
    for manifest in array(&data["applied"]) {
        let field = |key: &str| manifest[key].as_str().unwrap_or_default();
        let query = [
            ("kind", field("kind")),
            ("scope", field("scope")),
            ("name", field("name")),
            ("prune", prune(files)),
        ];
        match client.send("DELETE", "/apply", &query, "") {
            Ok(_) => terminal.say(&format!("  ✓ deleted {}", reference(manifest))),
            Err(error) => terminal.complain(&format!("warning: {error:#}")),
        }
    }
    Ok(())
}

fn array(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn text_of(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn reference(manifest: &Value) -> String {
    let parts = ["kind", "scope", "name"].map(|key| text_of(&manifest[key]));
    let parts: Vec<&str> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    parts.join("/")
}
