//! The actions a plugin asks for, and what the controller answers to each.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};

use crate::controller::Controller;
use crate::event::Event;
use crate::http::Fault;
use crate::manifest::{Kind, Manifest, ResourceId};
use crate::refusal::Refusal;
use crate::wire::wire;

wire! {
    /// One action, as loosely typed as on the wire.
    Action {
        r#type: String,
        scope: String,
        name: String,
        kv: BTreeMap<String, String>,
        keys: Vec<String>,
        manifest: Option<Manifest>,
        kind: String,
        command: Vec<String>,
        remote_path: String,
        dest_path: String,
        size_bytes: i64,
        summary: String,
        skip_restart: bool,
    }
}

/// What is handed to the CLI instead of being done here.
#[derive(Debug, Default)]
pub(crate) struct Deferred {
    pub(crate) exec_local: Vec<Value>,
    pub(crate) fetch_file: Vec<Value>,
}

impl Action {
    fn id(&self) -> ResourceId {
        ResourceId::new(self.scope.as_str(), self.name.as_str())
    }

    /// The line that reports this action.
    pub(crate) fn report(&self, default: String) -> String {
        if self.summary.is_empty() {
            default
        } else {
            self.summary.clone()
        }
    }

    /// Takes an action that the CLI has to carry out; nothing when it is not of that sort.
    pub(crate) fn defer(&self, deferred: &mut Deferred) -> Option<Result<String, Refusal>> {
        match self.r#type.as_str() {
            "exec_local" if self.command.is_empty() => {
                Some(Err(Refusal::bad_request("empty command")))
            }
            "exec_local" => {
                deferred.exec_local.push(json!({"command": self.command}));
                let words = self.command.join(" ");
                Some(Ok(format!("exec_local [{words}] (deferred to CLI)")))
            }
            "fetch_file" if self.remote_path.is_empty() || self.dest_path.is_empty() => Some(Err(
                Refusal::bad_request("remote_path and dest_path are required"),
            )),
            "fetch_file" => {
                let mut file =
                    json!({"remote_path": self.remote_path, "dest_path": self.dest_path});
                if self.size_bytes != 0 {
                    file["size_bytes"] = self.size_bytes.into();
                }
                deferred.fetch_file.push(file);
                Some(Ok(format!(
                    "fetch_file {} → {} (deferred to CLI)",
                    self.remote_path, self.dest_path
                )))
            }
            _ => None,
        }
    }
}

impl Controller {
    /// Applies an action and, after a config change, the restart fan-out.
    pub(crate) fn apply_with_fan_out(self: &Arc<Self>, action: &Action) -> Result<String, Refusal> {
        let line = self.apply_action(action)?;
        if matches!(action.r#type.as_str(), "config_set" | "config_unset") && !action.skip_restart {
            self.fan_out(&action.id());
        }
        Ok(line)
    }

    /// Applies an action; answers the line that reports it.
    pub(crate) fn apply_action(self: &Arc<Self>, action: &Action) -> Result<String, Refusal> {
        let kind = action.r#type.as_str();
        if action.scope.is_empty() || action.name.is_empty() {
            return Err(Refusal::internal(format!(
                "scope and name are required for action {kind:?}"
            )));
        }
        match kind {
            "config_set" => self.config_set(action),
            "config_unset" => self.config_unset(action),
            "apply_manifest" => self.apply_manifest(action),
            "delete_manifest" => self.delete_manifest(action),
            "run_job" => {
                let id = action.id();
                self.in_background(move |controller| controller.run_job(&id));
                Ok(format!("run_job {} queued", action.id()))
            }
            _ => Err(Refusal::internal(format!(
                "unknown action type {kind:?} (supported: config_set, config_unset, \
                 apply_manifest, delete_manifest, run_job)"
            ))),
        }
    }

    /// Re-stores everything a config bucket feeds; an empty name means the whole scope.
    pub(crate) fn fan_out(self: &Arc<Self>, id: &ResourceId) {
        for manifest in self.store.list(None) {
            let kind = Kind::exact(&manifest.kind);
            let fed =
                manifest.scope == id.scope && (id.name.is_empty() || manifest.name == id.name);
            if !fed || !kind.is_some_and(Kind::follows_config) {
                continue;
            }
            self.record(Event::FanOut {
                kind: manifest.kind.clone(),
                scope: manifest.scope.clone(),
                name: manifest.name.clone(),
            });
            if let Err(refusal) = self.put(manifest) {
                self.warn(&refusal.message);
            }
        }
    }

    fn config_set(&self, action: &Action) -> Result<String, Refusal> {
        if action.kv.is_empty() {
            return Err(Refusal::internal("config_set requires non-empty kv"));
        }
        if self
            .traffic
            .fault()
            .is_some_and(|fault| matches!(fault, Fault::BucketOf(name) if name == action.name))
        {
            return Err(Refusal::internal("etcdserver: request timed out"));
        }
        self.store.patch_bucket(&action.id(), &action.kv)?;
        let keys: Vec<&str> = action.kv.keys().map(String::as_str).collect();
        Ok(format!("config_set {}: {}", action.id(), keys.join(",")))
    }

    fn config_unset(&self, action: &Action) -> Result<String, Refusal> {
        if action.keys.is_empty() {
            return Err(Refusal::internal("config_unset requires non-empty keys"));
        }
        let mut keys = action.keys.clone();
        let patch = keys
            .iter()
            .map(|key| (key.clone(), String::new()))
            .collect();
        self.store.patch_bucket(&action.id(), &patch)?;
        keys.sort();
        Ok(format!("config_unset {}: {}", action.id(), keys.join(",")))
    }

    fn apply_manifest(self: &Arc<Self>, action: &Action) -> Result<String, Refusal> {
        let Some(manifest) = &action.manifest else {
            return Err(Refusal::internal(
                "apply_manifest requires a manifest payload",
            ));
        };
        if manifest.kind.is_empty() || manifest.name.is_empty() {
            return Err(Refusal::internal(
                "apply_manifest manifest requires kind and name",
            ));
        }
        let line = format!("apply_manifest {}", manifest.reference());
        self.put(manifest.clone())
            .map_err(|refusal| Refusal::internal(refusal.message).within("apply_manifest"))?;
        Ok(line)
    }

    fn delete_manifest(&self, action: &Action) -> Result<String, Refusal> {
        if action.kind.is_empty() {
            return Err(Refusal::internal("delete_manifest requires kind"));
        }
        let kind = Kind::require(&action.kind)
            .map_err(|error| Refusal::internal(error).within("delete_manifest"))?;
        let found = self.forget(kind, &action.id())?;
        let suffix = if found { "" } else { " (no-op)" };
        Ok(format!(
            "delete_manifest {}/{}{suffix}",
            action.kind,
            action.id()
        ))
    }

    /// Deletes a stored manifest and what it stood for; says whether there was one.
    pub(crate) fn forget(&self, kind: Kind, id: &ResourceId) -> Result<bool, Refusal> {
        let found = self.store.delete(kind, id)?;
        if found {
            if let Err(error) = self.tear_down(kind, id) {
                self.warn(&format!("delete {kind}/{id}: {error:#}"));
            }
        }
        Ok(found)
    }

    fn run_job(self: &Arc<Self>, id: &ResourceId) {
        if let Err(error) = self.run_to_end(Kind::Job, id) {
            self.warn(&format!("run_job {id} failed: {error:#}"));
        }
    }
}
