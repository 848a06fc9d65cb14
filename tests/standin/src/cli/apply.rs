//! `vd apply`, `vd diff`, `vd delete`.

use std::collections::BTreeSet;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use super::Session;
use super::builtin::{Files, Format};
use super::client;
use crate::hcl::{self, Variables};
use crate::manifest::{Manifest, ResourceId};
use crate::store::Vars;

/// `${VAR}` from this process's environment, then from the controller's buckets.
impl Variables for Session<'_> {
    fn shell(&self, name: &str) -> Option<String> {
        let own = self.shim.env.get(name).cloned();
        own.or_else(|| std::env::var(name).ok())
    }

    fn bucket(&self, id: &ResourceId) -> Vars {
        let query = [("scope", id.scope.as_str()), ("name", id.name.as_str())];
        let reply = self.client.get("/config", &query);
        let data = reply.and_then(|reply| client::data(&reply));
        let vars = data.map(|mut data| data["vars"].take()).unwrap_or_default();
        serde_json::from_value(vars).unwrap_or_default()
    }
}

impl Files {
    fn prune(&self) -> &'static str {
        if self.prune { "true" } else { "" }
    }
}

impl Session<'_> {
    pub(super) fn apply(&mut self, files: &Files, format: Format) -> Result<()> {
        let body = self.read(files)?;
        let text = self
            .client
            .post("/apply", &[("prune", files.prune())], &body)?;
        if format == Format::Json {
            self.terminal.say(text.trim_end());
            return Ok(());
        }
        let data = client::data(&text)?;
        for manifest in array(&data["applied"]) {
            self.terminal.say(&format!("  ✓ {}", reference(manifest)));
        }
        for pruned in array(&data["pruned"]) {
            self.terminal
                .say(&format!("  - {} (pruned)", text_of(pruned)));
        }
        self.show_changes(&data["changes"]);
        Ok(())
    }

    fn show_changes(&mut self, changes: &Value) {
        for (field, word) in [
            ("created", "created"),
            ("rolled", "replaced"),
            ("removed", "removed"),
        ] {
            for container in array(&changes[field]) {
                self.terminal
                    .say(&format!("    {} {word}", text_of(container)));
            }
        }
        for error in array(&changes["errors"]) {
            self.terminal
                .complain(&format!("warning: {}", text_of(error)));
        }
    }

    pub(super) fn diff(&mut self, files: &Files, format: Format) -> Result<()> {
        let body = self.read(files)?;
        let query = [("dry_run", "true"), ("prune", files.prune())];
        let text = self.client.post("/apply", &query, &body)?;
        if format == Format::Json {
            self.terminal.say(text.trim_end());
            return Ok(());
        }
        let data = client::data(&text)?;
        let before = array(&data["current"]);
        for (after, before) in array(&data["applied"]).iter().zip(before) {
            let name = reference(after);
            if before.is_null() {
                self.terminal.say(&format!("+ {name}"));
                continue;
            }
            let changes = differences("spec", &before["spec"], &after["spec"]);
            let sign = if changes.is_empty() { "=" } else { "~" };
            self.terminal.say(&format!("{sign} {name}"));
            for change in changes {
                self.terminal.say(&format!("    {change}"));
            }
        }
        Ok(())
    }

    pub(super) fn delete(&mut self, files: &Files) -> Result<()> {
        match &files.reference {
            Some(reference) => self.delete_named(reference, files),
            None => self.delete_declared(files),
        }
    }

    fn delete_named(&mut self, reference: &str, files: &Files) -> Result<()> {
        let (scope, name) = reference.split_once('/').context("want scope/name")?;
        let (name, ordinal) = match name.rsplit_once('.') {
            Some((name, ordinal)) if ordinal.parse::<u16>().is_ok() => (name, ordinal),
            _ => (name, ""),
        };
        let query = [
            ("scope", scope),
            ("name", name),
            ("prune", files.prune()),
            ("ordinal", ordinal),
        ];
        let data = client::data(&self.client.delete("/resource", &query)?)?;
        for wiped in array(&data["resources_wiped"]) {
            let kind = text_of(&wiped["kind"]);
            self.terminal
                .say(&format!("  ✓ deleted {kind}/{reference}"));
        }
        Ok(())
    }

    /// What a file declares is learned by expanding it.
    fn delete_declared(&mut self, files: &Files) -> Result<()> {
        let body = self.read(files)?;
        let reply = self.client.post("/apply", &[("dry_run", "true")], &body)?;
        for manifest in array(&client::data(&reply)?["applied"]) {
            let query = [
                ("kind", text_of(&manifest["kind"])),
                ("scope", text_of(&manifest["scope"])),
                ("name", text_of(&manifest["name"])),
                ("prune", files.prune()),
            ];
            match self.client.delete("/apply", &query) {
                Ok(_) => self
                    .terminal
                    .say(&format!("  ✓ deleted {}", reference(manifest))),
                Err(error) => self.terminal.complain(&format!("warning: {error:#}")),
            }
        }
        Ok(())
    }

    fn read(&self, files: &Files) -> Result<Value> {
        if files.paths.is_empty() {
            bail!("pass a file with -f");
        }
        let mut manifests: Vec<Manifest> = Vec::new();
        for file in &files.paths {
            let path = self.shim.directory.join(file);
            let text = std::fs::read_to_string(&path).with_context(|| format!("read {file}"))?;
            manifests.extend(hcl::read(&text, Some(&path), self).with_context(|| file.clone())?);
        }
        Ok(json!(manifests))
    }
}

/// Every difference as one line; secrets in `spec.env` included, as on the platform.
fn differences(path: &str, before: &Value, after: &Value) -> Vec<String> {
    if let (Value::Object(old), Value::Object(new)) = (before, after) {
        let keys: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
        let nested = |key| differences(&format!("{path}.{key}"), &before[key], &after[key]);
        return keys.into_iter().flat_map(nested).collect();
    }
    if before == after {
        Vec::new()
    } else if path.starts_with("spec.files.") {
        vec![format!("{path}: changed")]
    } else {
        vec![format!("{path}: {before} → {after}")]
    }
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
