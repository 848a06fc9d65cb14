//! What the controller did, in order, for tests to look at.

use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::Serialize;

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// A config change re-stored this resource.
    FanOut {
        /// Its kind.
        kind: String,
        /// Its scope.
        scope: String,
        /// Its name.
        name: String,
    },
    /// A container that was not there was created.
    Created {
        /// Its name.
        container: String,
    },
    /// A container was removed for good.
    Removed {
        /// Its name.
        container: String,
    },
    /// A container was replaced by a new one.
    Rolled {
        /// Its name.
        container: String,
        /// Why, in words.
        reason: String,
    },
    /// A liveness probe turned unhealthy.
    LivenessRestart {
        /// The restarted container.
        container: String,
    },
    /// A resource could not be reconciled.
    ReconcileFailed {
        /// `kind/scope/name`.
        resource: String,
        /// Why.
        error: String,
    },
    /// A job's or cronjob's run came to its end.
    RunFinished {
        /// `kind/scope/name`.
        resource: String,
        /// The suffix of its container's name.
        run_id: String,
        /// The container's exit code.
        exit_code: i32,
    },
    /// Something went wrong that the platform would only log.
    Warning {
        /// What.
        message: String,
    },
}

/// The events so far.
#[derive(Debug, Default)]
pub(crate) struct EventLog(Mutex<Vec<Event>>);

impl EventLog {
    pub(crate) fn push(&self, event: Event) {
        self.lock().push(event);
    }

    pub(crate) fn all(&self) -> Vec<Event> {
        self.lock().clone()
    }

    pub(crate) fn len(&self) -> usize {
        self.lock().len()
    }

    pub(crate) fn since(&self, mark: usize) -> Vec<Event> {
        self.lock().get(mark..).unwrap_or_default().to_vec()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Event>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
