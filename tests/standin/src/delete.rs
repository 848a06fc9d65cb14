//! Deleting: one kind, everything of one name, everything of one scope.

use std::fs;
use std::io::ErrorKind;

use serde::Serialize;

use crate::controller::Controller;
use crate::manifest::{Kind, Manifest, ResourceId};
use crate::refusal::Refusal;

/// Whether data goes with the resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Data {
    Keep,
    Prune,
}

/// What pruning removed; empty when nothing was asked for.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Pruned {
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    config_wiped: bool,
    #[serde(skip_serializing_if = "String::is_empty")]
    app_dir_removed: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    volume_removed: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    volumes_removed: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<String>,
}

/// One deleted resource.
#[derive(Debug, Serialize)]
pub(crate) struct Wiped {
    kind: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    pub(crate) pruned: Pruned,
}

impl Controller {
    /// Deletes one stored resource.
    pub(crate) fn delete(&self, kind: Kind, id: &ResourceId, data: Data) -> Result<Wiped, Refusal> {
        if !self.forget(kind, id)? {
            return Err(Refusal::not_found(format!("{kind}/{} not found", id.name)));
        }
        Ok(Wiped {
            kind: kind.to_string(),
            name: None,
            pruned: match data {
                Data::Keep => Pruned::default(),
                Data::Prune => self.prune_data(kind, id),
            },
        })
    }

    /// Deletes every scoped kind of that name; assets are not among them.
    pub(crate) fn delete_all(&self, id: &ResourceId, data: Data) -> Result<Vec<Wiped>, Refusal> {
        let mut wiped = Vec::new();
        for kind in Kind::ALL.into_iter().filter(|kind| kind.needs_scope()) {
            if self.store.get(kind, id).is_some() {
                wiped.push(self.delete(kind, id, data)?);
            }
        }
        if wiped.is_empty() {
            return Err(Refusal::not_found(format!(
                "no resource found at {id} across any kind"
            )));
        }
        Ok(wiped)
    }

    /// Deletes everything in a scope, and the scope's own config.
    pub(crate) fn delete_scope(&self, scope: &str, data: Data) -> Result<Vec<Wiped>, Refusal> {
        let mut wiped = Vec::new();
        for manifest in self.store.list(None) {
            match Kind::exact(&manifest.kind) {
                Some(kind) if kind.needs_scope() && manifest.scope == scope => {
                    wiped.push(Wiped {
                        name: Some(manifest.name.clone()),
                        ..self.delete(kind, &manifest.id(), data)?
                    });
                }
                _ => {}
            }
        }
        self.store.wipe_bucket(&ResourceId::new(scope, ""))?;
        Ok(wiped)
    }

    /// Finds the only resource of that name when no scope was given.
    pub(crate) fn only_one(&self, kind: Kind, id: ResourceId) -> Result<ResourceId, Refusal> {
        if !id.scope.is_empty() || !kind.needs_scope() {
            return Ok(id);
        }
        let found: Vec<ResourceId> = self
            .store
            .list(Some(kind))
            .iter()
            .map(Manifest::id)
            .filter(|other| other.name == id.name)
            .collect();
        match found.as_slice() {
            [] => Err(Refusal::not_found(format!("{kind}/{} not found", id.name))),
            [only] => Ok(only.clone()),
            several => {
                let scopes: Vec<&str> = several.iter().map(|id| id.scope.as_str()).collect();
                Err(Refusal::bad_request(format!(
                    "{kind}/{} is ambiguous across scopes [{}] — pass ?scope=...",
                    id.name,
                    scopes.join(" ")
                )))
            }
        }
    }

    fn prune_data(&self, kind: Kind, id: &ResourceId) -> Pruned {
        let mut pruned = Pruned::default();
        match self.store.wipe_bucket(id) {
            Ok(()) => pruned.config_wiped = true,
            Err(error) => pruned.errors.push(format!("{error:#}")),
        }
        let app = id.app_id();
        for (directory, removed) in [
            ("apps", &mut pruned.app_dir_removed),
            ("volumes", &mut pruned.volume_removed),
        ] {
            let path = self.root.join(directory).join(&app);
            match fs::remove_dir_all(&path) {
                Err(error) if error.kind() != ErrorKind::NotFound => {
                    pruned.errors.push(error.to_string());
                }
                _ => *removed = path.to_string_lossy().into_owned(),
            }
        }
        if kind == Kind::Statefulset {
            let (removed, errors) = self.remove_volumes(id, None);
            pruned.volumes_removed = removed;
            pruned.errors.extend(errors);
        }
        pruned
    }
}
