//! The controller: what every part of it shares. The parts are methods in the modules named
//! after what they do.

use std::path::PathBuf;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::engine::Engine;
use crate::event::{Event, EventLog};
use crate::http::Traffic;
use crate::plugin::Plugins;
use crate::probes::Runners;
use crate::store::{Store, Vars};

/// One controller on one root.
pub(crate) struct Controller {
    pub(crate) root: PathBuf,
    pub(crate) store: Store,
    pub(crate) plugins: Plugins,
    pub(crate) plugin_env: Vars,
    pub(crate) plugin_limit: Duration,
    pub(crate) hang_ups: AtomicU64,
    pub(crate) engine: Arc<dyn Engine>,
    pub(crate) pause: Duration,
    pub(crate) probing: bool,
    pub(crate) runners: Runners,
    pub(crate) events: EventLog,
    pub(crate) url: OnceLock<String>,
    pub(crate) traffic: Traffic,
    pub(crate) reconciling: Mutex<()>,
    pub(crate) background: Mutex<Vec<JoinHandle<()>>>,
}

impl Controller {
    pub(crate) fn record(&self, event: Event) {
        self.events.push(event);
    }

    /// Notes what the platform would write to its log and nowhere else.
    pub(crate) fn warn(&self, message: &str) {
        self.record(Event::Warning {
            message: message.to_owned(),
        });
    }

    /// The reconciler handles one thing at a time.
    pub(crate) fn one_at_a_time(&self) -> MutexGuard<'_, ()> {
        self.reconciling
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs something that nobody waits for, except [`Controller::wait_for_background`].
    pub(crate) fn in_background(self: &Arc<Self>, work: impl FnOnce(&Arc<Self>) + Send + 'static) {
        let controller = Arc::clone(self);
        let handle = std::thread::spawn(move || work(&controller));
        self.background_handles().push(handle);
    }

    /// Waits for everything that was started in the background.
    pub(crate) fn wait_for_background(&self) {
        loop {
            let Some(handle) = self.background_handles().pop() else {
                return;
            };
            if handle.join().is_err() {
                self.warn("a background run panicked");
            }
        }
    }

    fn background_handles(&self) -> MutexGuard<'_, Vec<JoinHandle<()>>> {
        self.background
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}
