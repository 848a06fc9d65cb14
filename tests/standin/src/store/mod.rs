//! What the controller remembers: manifests, config buckets, statuses, frozen pods. One JSON
//! file under the root, so that a new process on the same root continues.

mod buckets;
mod state;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use anyhow::{Context, Result};
use serde_json::Value;

use crate::clock;
use crate::files;
use crate::manifest::{Kind, Manifest, Metadata, ResourceId};
use crate::refusal::Refusal;

use state::State;

/// Key and value pairs of a config bucket or an environment.
pub type Vars = BTreeMap<String, String>;

/// The store; every write is on disk before it returns.
#[derive(Debug)]
pub(crate) struct Store {
    path: PathBuf,
    state: Mutex<State>,
}

impl Store {
    /// Opens the store of a controller root, empty when there is none yet.
    pub(crate) fn open(root: &Path) -> Result<Self> {
        let path = root.join("state.json");
        let state = match std::fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes)
                .with_context(|| format!("read {}", path.display()))?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => State::default(),
            Err(error) => return Err(error).with_context(|| format!("read {}", path.display())),
        };
        Ok(Self {
            path,
            state: Mutex::new(state),
        })
    }

    /// Stores a manifest under its identity, whatever was there.
    pub(crate) fn put(&self, mut manifest: Manifest) -> Result<Manifest, Refusal> {
        let kind = Kind::exact(&manifest.kind)
            .ok_or_else(|| Refusal::bad_request(format!("unknown kind {:?}", manifest.kind)))?;
        let name = &manifest.name;
        if name.is_empty() {
            return Err(Refusal::bad_request(format!("{kind}: name is required")));
        }
        if kind.needs_scope() && manifest.scope.is_empty() {
            return Err(Refusal::bad_request(format!(
                "{kind}/{name}: scope is required (use `{kind} \"scope\" {name:?} {{ ... }}`)"
            )));
        }
        self.change(|state| {
            state.revision += 1;
            let now = clock::now();
            manifest.metadata = Some(Metadata {
                created_at: now.clone(),
                updated_at: now,
                revision: state.revision,
            });
            let key = manifest_key(kind, &manifest.id());
            state.manifests.insert(key, manifest.clone());
            manifest
        })
        .map_err(Refusal::from)
    }

    /// The stored manifest.
    pub(crate) fn get(&self, kind: Kind, id: &ResourceId) -> Option<Manifest> {
        self.read().manifests.get(&manifest_key(kind, id)).cloned()
    }

    /// Forgets a manifest; says whether there was one.
    pub(crate) fn delete(&self, kind: Kind, id: &ResourceId) -> Result<bool> {
        self.change(|state| state.manifests.remove(&manifest_key(kind, id)).is_some())
    }

    /// Every stored manifest of one kind, or of all.
    pub(crate) fn list(&self, kind: Option<Kind>) -> Vec<Manifest> {
        let wanted = |manifest: &&Manifest| kind.is_none_or(|kind| manifest.kind == kind.as_str());
        self.read()
            .manifests
            .values()
            .filter(wanted)
            .cloned()
            .collect()
    }

    /// Every scope that something was ever stored for, the empty one left out.
    pub(crate) fn scopes(&self) -> BTreeSet<String> {
        let state = self.read();
        let manifests = state.manifests.values().map(|manifest| &manifest.scope);
        let scopes = manifests.chain(state.buckets.keys()).cloned();
        scopes.filter(|scope| !scope.is_empty()).collect()
    }

    /// The status blob of a resource.
    pub(crate) fn status(&self, kind: Kind, id: &ResourceId) -> Option<Value> {
        self.read().statuses.get(&status_key(kind, id)).cloned()
    }

    /// Changes the status blob of a resource, starting from an empty object.
    pub(crate) fn update_status(
        &self,
        kind: Kind,
        id: &ResourceId,
        update: impl FnOnce(&mut Value),
    ) -> Result<()> {
        self.change(|state| {
            update(
                state
                    .statuses
                    .entry(status_key(kind, id))
                    .or_insert_with(|| Value::Object(serde_json::Map::new())),
            );
        })
    }

    /// Forgets the status blob of a resource.
    pub(crate) fn delete_status(&self, kind: Kind, id: &ResourceId) -> Result<()> {
        self.change(|state| {
            state.statuses.remove(&status_key(kind, id));
        })
    }

    /// The ordinals that reconcile must leave alone.
    pub(crate) fn frozen(&self, id: &ResourceId) -> BTreeSet<u32> {
        self.read()
            .frozen
            .get(&id.to_string())
            .cloned()
            .unwrap_or_default()
    }

    /// Changes the set of frozen ordinals.
    pub(crate) fn update_frozen<T>(
        &self,
        id: &ResourceId,
        update: impl FnOnce(&mut BTreeSet<u32>) -> T,
    ) -> Result<T> {
        self.change(|state| update(state.frozen.entry(id.to_string()).or_default()))
    }

    fn read(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> Result<T> {
        let mut state = self.read();
        let answer = change(&mut state);
        files::write(&self.path, &serde_json::to_vec_pretty(&*state)?, 0o600)?;
        Ok(answer)
    }
}

/// Assets are keyed by name alone, so two scopes share one stored manifest.
fn manifest_key(kind: Kind, id: &ResourceId) -> String {
    match kind {
        Kind::Asset => format!("{kind}/{}", id.name),
        _ => format!("{kind}/{}/{}", id.scope, id.name),
    }
}

fn status_key(kind: Kind, id: &ResourceId) -> String {
    format!("{kind}/{}", id.app_id())
}

#[cfg(test)]
mod tests;
