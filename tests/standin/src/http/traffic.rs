//! What came in over HTTP, and faults on purpose: how a plugin copes with a bad controller.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// How every request but a dispatch is answered while it is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Plugins are given an address where nobody listens.
    Down,
    /// An error without the controller's envelope.
    Status(u16),
    /// A success whose body is no JSON.
    Garbage,
    /// The right answer, late.
    Slow(Duration),
    /// Questions are answered well; the store takes no change of the buckets of that name.
    BucketOf(&'static str),
}

/// The address that [`Fault::Down`] hands out.
pub(crate) const NOWHERE: &str = "http://127.0.0.1:9";

/// The requests so far, and the fault in force.
#[derive(Debug, Default)]
pub(crate) struct Traffic {
    requests: Mutex<Vec<String>>,
    fault: Mutex<Option<Fault>>,
}

impl Traffic {
    pub(crate) fn requests(&self) -> Vec<String> {
        let requests = self.requests.lock();
        requests.unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn note(&self, request: String) {
        let requests = self.requests.lock();
        requests
            .unwrap_or_else(PoisonError::into_inner)
            .push(request);
    }

    pub(crate) fn fault(&self) -> Option<Fault> {
        *self.fault.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn set_fault(&self, fault: Option<Fault>) {
        *self.fault.lock().unwrap_or_else(PoisonError::into_inner) = fault;
    }
}
