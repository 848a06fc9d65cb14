//! The whole platform in one process.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use anyhow::{Context, Result};

use crate::apply::{ApplyOptions, ApplyReport};
use crate::cli::{CliOutput, Shim};
use crate::controller::Controller;
use crate::delete::Data;
use crate::engine::{DockerEngine, Engine, MemoryEngine};
use crate::event::{Event, EventLog};
use crate::hcl::{self, Variables};
use crate::http::Listener;
use crate::manifest::{Kind, Manifest, ResourceId};
use crate::plugin::Plugins;
use crate::probes::Runners;
use crate::refusal::Refusal;
use crate::store::{Store, Vars};

/// What runs containers.
#[derive(Clone, Default)]
pub enum EngineChoice {
    /// The machine's docker.
    #[default]
    Docker,
    /// Nothing; what would run can be looked at.
    Memory(Arc<MemoryEngine>),
}

/// How a [`Platform`] is to be; every setting has a default.
#[derive(Clone)]
pub struct Builder {
    root: PathBuf,
    plugins: Plugins,
    engine: EngineChoice,
    probes: bool,
    pause: Duration,
    plugin_timeout: Duration,
    env: Vars,
    address: String,
    cleanup: bool,
}

/// A controller, its HTTP listener and its CLI.
pub struct Platform {
    controller: Arc<Controller>,
    listener: Listener,
    cleanup: bool,
}

impl Default for Builder {
    fn default() -> Self {
        Self {
            root: PathBuf::from("/opt/voodu"),
            plugins: Plugins::default(),
            engine: EngineChoice::default(),
            probes: true,
            pause: Duration::from_secs(2),
            plugin_timeout: Duration::from_secs(30),
            env: Vars::new(),
            address: "127.0.0.1:0".to_owned(),
            cleanup: false,
        }
    }
}

impl Builder {
    /// The controller root: the store, env files and assets live there.
    #[must_use]
    pub fn root(mut self, root: impl Into<PathBuf>) -> Self {
        self.root = root.into();
        self
    }

    /// A plugin's directory (with its `plugin.yml`), or a directory of such directories.
    #[must_use]
    pub fn plugin_dir(mut self, directory: impl AsRef<Path>) -> Self {
        self.plugins.add(directory.as_ref());
        self
    }

    /// What runs containers; docker by default.
    #[must_use]
    pub fn engine(mut self, engine: EngineChoice) -> Self {
        self.engine = engine;
        self
    }

    /// Whether probes run; they do by default.
    #[must_use]
    pub fn probes(mut self, probes: bool) -> Self {
        self.probes = probes;
        self
    }

    /// The pause between two pods; 2 s by default.
    #[must_use]
    pub fn pause(mut self, pause: Duration) -> Self {
        self.pause = pause;
        self
    }

    /// When a plugin is killed; 30 s by default, which is when the CLI gives up.
    #[must_use]
    pub fn plugin_timeout(mut self, limit: Duration) -> Self {
        self.plugin_timeout = limit;
        self
    }

    /// One more variable of the controller's own environment, which plugins inherit; what the
    /// CLI runs locally gets it too.
    #[must_use]
    pub fn env(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.env.insert(key.into(), value.into());
        self
    }

    /// Where the HTTP API listens; a free port of 127.0.0.1 by default.
    #[must_use]
    pub fn address(mut self, address: impl Into<String>) -> Self {
        self.address = address.into();
        self
    }

    /// Remove every stored resource, data included, when the platform is dropped.
    #[must_use]
    pub fn cleanup_on_drop(mut self, cleanup: bool) -> Self {
        self.cleanup = cleanup;
        self
    }

    /// Opens the root and starts listening.
    pub fn start(self) -> Result<Platform> {
        fs::create_dir_all(&self.root)
            .with_context(|| format!("create {}", self.root.display()))?;
        let root = fs::canonicalize(&self.root)?;
        let engine: Arc<dyn Engine> = match self.engine {
            EngineChoice::Docker => Arc::new(DockerEngine::new()?),
            EngineChoice::Memory(memory) => memory,
        };
        let controller = Arc::new(Controller {
            store: Store::open(&root)?,
            root,
            plugins: self.plugins,
            plugin_env: self.env,
            plugin_limit: self.plugin_timeout,
            engine,
            pause: self.pause,
            probing: self.probes,
            runners: Runners::default(),
            events: EventLog::default(),
            url: OnceLock::new(),
            reconciling: Mutex::default(),
            background: Mutex::default(),
        });
        let listener = Listener::start(&controller, &self.address)?;
        controller.url.get_or_init(|| listener.url().to_owned());
        Ok(Platform {
            controller,
            listener,
            cleanup: self.cleanup,
        })
    }
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
    pub fn vd(&self, arguments: &[&str]) -> CliOutput {
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

    /// Deletes everything that is stored, data included.
    pub fn destroy_all(&self) -> Result<(), Refusal> {
        for manifest in self.controller.store.list(None) {
            if let Some(kind) = Kind::exact(&manifest.kind) {
                self.controller.delete(kind, &manifest.id(), Data::Prune)?;
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
        if self.cleanup {
            if let Err(refusal) = self.destroy_all() {
                self.controller.warn(&refusal.message);
            }
        }
    }
}
