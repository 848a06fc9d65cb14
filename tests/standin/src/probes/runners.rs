//! The probe threads of all pods, and how they end.

use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use serde_json::Value;

use super::Probes;
use super::check::Target;
use super::readiness::Readiness;
use super::watch::Watch;
use crate::controller::Controller;
use crate::manifest::ResourceId;

/// The threads, by container.
#[derive(Debug, Default)]
pub(crate) struct Runners(Mutex<BTreeMap<String, Arc<Pod>>>);

/// What the threads of one pod share.
#[derive(Debug)]
pub(super) struct Pod {
    readiness: Mutex<Readiness>,
    stopped: Mutex<bool>,
    changed: Condvar,
}

impl Pod {
    fn stop(&self) {
        *self.stopped.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.changed.notify_all();
    }

    /// Sleeps, or wakes early because the threads should end; says which.
    pub(super) fn sleep(&self, time: Duration) -> bool {
        let stopped = self.stopped.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self
            .changed
            .wait_timeout_while(stopped, time, |stopped| !*stopped);
        *waited.unwrap_or_else(PoisonError::into_inner).0
    }

    pub(super) fn readiness(&self) -> MutexGuard<'_, Readiness> {
        self.readiness
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Runners {
    /// Whether a pod is ready, and the details; nothing while no thread looks at it.
    pub(crate) fn readiness(&self, container: &str) -> Option<(bool, Value)> {
        let pod = self.lock().get(container).map(Arc::clone)?;
        let readiness = pod.readiness();
        Some((readiness.ready(), readiness.document(container)))
    }

    /// Ends the threads of one container.
    pub(crate) fn stop(&self, container: &str) {
        if let Some(pod) = self.lock().remove(container) {
            pod.stop();
        }
    }

    /// Ends all threads.
    pub(crate) fn stop_all(&self) {
        for pod in std::mem::take(&mut *self.lock()).values() {
            pod.stop();
        }
    }

    /// Starts the threads of a pod that was just created. Threads that were never stopped stay,
    /// with the address of the pod's predecessor, as on the platform.
    pub(crate) fn start(
        &self,
        controller: &Arc<Controller>,
        (id, container): (&ResourceId, &str),
        probes: &Probes,
    ) {
        let declared = probes.declared();
        if declared.is_empty() || self.lock().contains_key(container) {
            return;
        }
        let target = Target::of(controller.engine.as_ref(), container);
        let pod = Arc::new(Pod {
            readiness: Mutex::new(Readiness::of(probes)),
            stopped: Mutex::default(),
            changed: Condvar::new(),
        });
        for (role, probe) in declared {
            let watch = Watch {
                controller: Arc::clone(controller),
                id: id.clone(),
                container: container.to_owned(),
                role,
                probe: probe.clone(),
                target: target.clone(),
                pod: Arc::clone(&pod),
            };
            thread::spawn(move || watch.run());
        }
        self.lock().insert(container.to_owned(), pod);
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Arc<Pod>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
