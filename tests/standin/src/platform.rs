//! The whole platform in one process.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use anyhow::{Context, Result};

use crate::apply::{ApplyOptions, ApplyReport};
use crate::builder::Builder;
use crate::cli::{CliOutput, Shim};
use crate::controller::Controller;
use crate::delete::Data;
use crate::event::Event;
use crate::hcl::{self, Variables};
use crate::http::{Fault, Listener};
use crate::manifest::{Kind, Manifest, ResourceId};
use crate::refusal::Refusal;
use crate::store::Vars;

/// What happens to containers and volumes when a platform is dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AtEnd {
    Leave,
    Sweep,
}

/// A controller, its HTTP listener and its CLI.
pub struct Platform {
    pub(crate) controller: Arc<Controller>,
    pub(crate) listener: Listener,
    pub(crate) at_end: AtEnd,
}

impl Platform {
    /// Starts describing a platform.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// Applies a `.voodu` file.
    pub fn apply_file(&self, path: impl AsRef<Path>) -> Result<ApplyReport> {
        let path = path.as_ref();
        let text = fs::read_to_string(path).with_context(|| format!("read {}", path.display()))?;
        let manifests = hcl::read(&text, Some(path), self)?;
        Ok(self.apply(manifests, ApplyOptions::default())?)
    }

    /// Applies the text of a `.voodu` file.
    pub fn apply_hcl(&self, text: &str) -> Result<ApplyReport> {
        let manifests = hcl::read(text, None, self)?;
        Ok(self.apply(manifests, ApplyOptions::default())?)
    }

    /// Applies blocks and manifests.
    pub fn apply(
        &self,
        batch: Vec<Manifest>,
        options: ApplyOptions,
    ) -> Result<ApplyReport, Refusal> {
        self.controller.apply(batch, options)
    }

    /// Runs a CLI command line and captures what it prints.
    pub fn vd<I>(&self, arguments: I) -> CliOutput
    where
        I: IntoIterator,
        I::Item: AsRef<str>,
    {
        self.shim().capture(arguments)
    }

    /// The CLI, pointed at this platform.
    pub fn shim(&self) -> Shim {
        Shim::new(self.url(), self.controller.plugin_limit)
            .with_env(self.controller.plugin_env.clone())
    }

    /// Where the HTTP API listens.
    pub fn url(&self) -> &str {
        self.listener.url()
    }

    /// The controller root.
    pub fn root(&self) -> &Path {
        &self.controller.root
    }

    /// The merged config bucket of a resource.
    pub fn bucket(&self, scope: &str, name: &str) -> Vars {
        self.controller.store.bucket(&ResourceId::new(scope, name))
    }

    /// Changes a config bucket without any of the effects of doing so.
    pub fn seed_bucket(&self, scope: &str, name: &str, vars: &Vars) -> Result<()> {
        let id = ResourceId::new(scope, name);
        self.controller.store.patch_bucket(&id, vars)
    }

    /// A stored manifest.
    pub fn manifest(&self, kind: Kind, scope: &str, name: &str) -> Option<Manifest> {
        let id = ResourceId::new(scope, name);
        self.controller.store.get(kind, &id)
    }

    /// Every stored manifest.
    pub fn manifests(&self) -> Vec<Manifest> {
        self.controller.store.list(None)
    }

    /// The status blob of a resource.
    pub fn status(&self, kind: Kind, scope: &str, name: &str) -> Option<serde_json::Value> {
        let id = ResourceId::new(scope, name);
        self.controller.store.status(kind, &id)
    }

    /// Everything that happened so far, in order.
    pub fn events(&self) -> Vec<Event> {
        self.controller.events.all()
    }

    /// Every HTTP request so far, for instance `GET /describe?kind=statefulset&name=db`.
    pub fn requests(&self) -> Vec<String> {
        self.controller.traffic.requests()
    }

    /// From now on answers plugins badly, or well again.
    pub fn set_fault(&self, fault: impl Into<Option<Fault>>) {
        self.controller.traffic.set_fault(fault.into());
    }

    /// Kills the plugins that run right now, as when a CLI is interrupted or its connection
    /// drops.
    pub fn hang_up(&self) {
        self.controller.hang_ups.fetch_add(1, Ordering::Relaxed);
    }

    /// Waits until jobs that run in the background have ended.
    pub fn wait_for_jobs(&self) {
        self.controller.wait_for_background();
    }

    /// Deletes every kind of that name, with `prune` its data too.
    pub fn destroy(&self, scope: &str, name: &str, prune: bool) -> Result<(), Refusal> {
        let data = if prune { Data::Prune } else { Data::Keep };
        let id = ResourceId::new(scope, name);
        self.controller.delete_all(&id, data).map(drop)
    }

    /// Removes every container and volume of the scopes that were used, at once and without
    /// any of the platform's manners.
    pub fn sweep(&self) -> Result<()> {
        let engine = &self.controller.engine;
        for scope in self.controller.store.scopes() {
            let label = [("voodu.scope", scope.as_str())];
            for container in engine.containers(&label)? {
                self.controller.runners.stop(&container.name);
                engine.discard(&container.name)?;
            }
            for volume in engine.volumes(&label)? {
                engine.remove_volume(&volume)?;
            }
        }
        Ok(())
    }
}

impl Variables for Platform {
    fn shell(&self, name: &str) -> Option<String> {
        let own = self.controller.plugin_env.get(name).cloned();
        own.or_else(|| std::env::var(name).ok())
    }

    fn bucket(&self, id: &ResourceId) -> Vars {
        self.controller.store.bucket(id)
    }
}

impl Drop for Platform {
    fn drop(&mut self) {
        self.controller.runners.stop_all();
        if self.at_end == AtEnd::Sweep {
            if let Err(error) = self.sweep() {
                self.controller.warn(&format!("sweep: {error:#}"));
            }
        }
    }
}
