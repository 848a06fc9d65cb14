//! One thread: one probe of one pod.

use std::sync::Arc;
use std::time::Duration;

use super::check::{self, Target};
use super::runners::Pod;
use super::state::Phase;
use super::{Probe, Role};
use crate::controller::Controller;
use crate::event::Event;
use crate::manifest::{Kind, ResourceId};

/// What a thread needs.
pub(super) struct Watch {
    pub(super) controller: Arc<Controller>,
    pub(super) id: ResourceId,
    pub(super) container: String,
    pub(super) role: Role,
    pub(super) probe: Probe,
    pub(super) target: Target,
    pub(super) pod: Arc<Pod>,
}

impl Watch {
    /// Looks until the pod goes; a startup probe ends when it has passed.
    pub(super) fn run(self) {
        let mut samples = self.probe.samples();
        let mut wait = self.probe.delay();
        while !self.pod.sleep(wait) {
            wait = self.probe.period();
            let engine = self.controller.engine.as_ref();
            let healthy = check::look(engine, &self.target, &self.probe);
            if self.pod.sleep(Duration::ZERO) {
                return;
            }
            if let Some(phase) = samples.take(healthy) {
                self.turned(phase);
                if self.role == Role::Startup && phase == Phase::Healthy {
                    return;
                }
            }
        }
    }

    fn turned(&self, phase: Phase) {
        match self.role {
            Role::Liveness if phase == Phase::Unhealthy => self.restart(),
            Role::Liveness => {}
            Role::Readiness | Role::Startup => self.note(phase),
        }
    }

    /// Starts a stopped container as well: nobody tells the probe that it was stopped on
    /// purpose.
    fn restart(&self) {
        self.controller.record(Event::LivenessRestart {
            container: self.container.clone(),
        });
        if let Err(error) = self.controller.engine.restart(&self.container) {
            self.controller.warn(&format!("liveness: {error:#}"));
        }
    }

    fn note(&self, phase: Phase) {
        let document = {
            let mut readiness = self.pod.readiness();
            readiness.turned(self.role, phase);
            readiness.document(&self.container)
        };
        let store = &self.controller.store;
        let outcome = store.update_status(Kind::Statefulset, &self.id, |status| {
            status["replica_readiness"][&self.container] = document;
        });
        if let Err(error) = outcome {
            self.controller.warn(&format!("readiness: {error:#}"));
        }
    }
}
