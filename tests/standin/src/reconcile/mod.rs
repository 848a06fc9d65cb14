//! Makes containers follow stored manifests, one resource at a time.

mod deployment;
mod inits;
mod pod_spec;
mod pods;
mod ports;
mod resources;
mod rollout;
mod statefulset;

use std::sync::Arc;

use anyhow::Result;
use serde_json::Value;

use crate::assets;
use crate::clock;
use crate::controller::Controller;
use crate::event::Event;
use crate::jobs;
use crate::manifest::{Kind, Manifest, ResourceId};
use crate::refusal::Refusal;

pub(crate) use pod_spec::PodSpec;
pub(crate) use pods::{labels, owned_by};

impl Controller {
    /// Stores a manifest and reconciles it.
    pub(crate) fn put(self: &Arc<Self>, manifest: Manifest) -> Result<Manifest, Refusal> {
        let stored = self.store.put(manifest)?;
        self.reconcile(&stored);
        Ok(stored)
    }

    /// Reconciles a stored manifest; what goes wrong is recorded, never returned.
    pub(crate) fn reconcile(self: &Arc<Self>, manifest: &Manifest) {
        let _turn = self.one_at_a_time();
        let Some(kind) = Kind::exact(&manifest.kind) else {
            return;
        };
        let outcome = match kind {
            Kind::Statefulset => self.reconcile_statefulset(manifest),
            Kind::Deployment => self.reconcile_deployment(manifest),
            Kind::Asset => assets::materialise(&self.root, &self.store, manifest).map(drop),
            Kind::Job | Kind::Cronjob => jobs::register(&self.store, kind, manifest),
            Kind::Ingress | Kind::Registry => Ok(()),
        };
        if let Err(error) = self.note(kind, manifest, outcome) {
            self.warn(&format!("{}: {error:#}", manifest.reference()));
        }
    }

    /// Removes what a deleted manifest stood for; volumes and files stay.
    pub(crate) fn tear_down(&self, kind: Kind, id: &ResourceId) -> Result<()> {
        let _turn = self.one_at_a_time();
        match kind {
            Kind::Statefulset | Kind::Deployment | Kind::Job | Kind::Cronjob => {
                self.remove_containers(kind, id)?;
                self.store.delete_status(kind, id)
            }
            // The platform forgets the scope here and leaves the real files behind.
            Kind::Asset => {
                let unscoped = self.root.join("assets").join(&id.name);
                if unscoped.is_dir() {
                    std::fs::remove_dir_all(unscoped)?;
                }
                Ok(())
            }
            Kind::Ingress | Kind::Registry => Ok(()),
        }
    }

    fn note(&self, kind: Kind, manifest: &Manifest, outcome: Result<()>) -> Result<()> {
        let error = outcome.err().map(|error| format!("{error:#}"));
        if let Some(error) = &error {
            self.record(Event::ReconcileFailed {
                resource: manifest.reference(),
                error: error.clone(),
            });
        }
        if !matches!(kind, Kind::Statefulset | Kind::Deployment) {
            return Ok(());
        }
        self.store.update_status(kind, &manifest.id(), |status| {
            status["last_reconcile_at"] = Value::from(clock::now());
            match error {
                Some(error) => status["last_reconcile_error"] = Value::from(error),
                None => {
                    status
                        .as_object_mut()
                        .map(|s| s.remove("last_reconcile_error"));
                }
            }
        })
    }
}
