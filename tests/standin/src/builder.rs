//! How a platform is put together.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use anyhow::{Context, Result};

use crate::controller::Controller;
use crate::engine::{DockerEngine, Engine, MemoryEngine};
use crate::event::EventLog;
use crate::http::{Listener, Traffic};
use crate::platform::{AtEnd, Platform};
use crate::plugin::Plugins;
use crate::probes::Runners;
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
    at_end: AtEnd,
    replay: bool,
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
            at_end: AtEnd::Leave,
            replay: false,
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

    /// Reconcile everything that is stored when starting, as a restarted controller does.
    #[must_use]
    pub fn replay(mut self, replay: bool) -> Self {
        self.replay = replay;
        self
    }

    /// Remove every container and volume of the scopes that were used when the platform is
    /// dropped, whoever created them.
    #[must_use]
    pub fn cleanup_on_drop(mut self, cleanup: bool) -> Self {
        self.at_end = if cleanup { AtEnd::Sweep } else { AtEnd::Leave };
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
            hang_ups: AtomicU64::default(),
            engine,
            pause: self.pause,
            probing: self.probes,
            runners: Runners::default(),
            events: EventLog::default(),
            url: OnceLock::new(),
            traffic: Traffic::default(),
            reconciling: Mutex::default(),
            background: Mutex::default(),
        });
        let listener = Listener::start(&controller, &self.address)?;
        controller.url.get_or_init(|| listener.url().to_owned());
        if self.replay {
            for manifest in controller.store.list(None) {
                controller.reconcile(&manifest);
            }
        }
        Ok(Platform {
            controller,
            listener,
            at_end: self.at_end,
        })
    }
}
