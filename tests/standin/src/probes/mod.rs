//! Probes: threads that look at a pod and, for liveness, restart it once when it turns
//! unhealthy. They dial the address the pod had when it was created.

mod check;
mod state;

use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use crate::clock;
use crate::controller::Controller;
use crate::event::Event;
use crate::manifest::{Kind, ResourceId};
use crate::wire::wire;

use check::Target;
use state::{Phase, Samples};

wire! {
    /// The probes of a spec.
    Probes { liveness: Option<Probe>, readiness: Option<Probe>, startup: Option<Probe>, }
}

wire! {
    /// One probe; without an action it always fails.
    Probe {
        http_get: Option<HttpGet>,
        tcp_socket: Option<TcpSocket>,
        exec: Option<Exec>,
        initial_delay: String,
        period: String,
        timeout: String,
        failure_threshold: u32,
        success_threshold: u32,
    }
}

wire! {
    /// A request that must be answered with 2xx or 3xx.
    HttpGet { path: String, port: u16, scheme: String, http_headers: BTreeMap<String, String>, }
}

wire! {
    /// A port that must accept a connection.
    TcpSocket { port: u16, }
}

wire! {
    /// A command that must exit with 0.
    Exec { command: Vec<String>, }
}

impl Probe {
    fn delay(&self) -> Duration {
        duration(&self.initial_delay, Duration::ZERO)
    }

    fn period(&self) -> Duration {
        duration(&self.period, Duration::from_secs(10))
    }

    fn timeout(&self) -> Duration {
        duration(&self.timeout, Duration::from_secs(1))
    }

    fn samples(&self) -> Samples {
        let or = |threshold, default| if threshold == 0 { default } else { threshold };
        Samples::new(or(self.failure_threshold, 3), or(self.success_threshold, 1))
    }
}

/// A malformed duration silently becomes the default, as on the platform.
fn duration(text: &str, default: Duration) -> Duration {
    match humantime::parse_duration(text) {
        Ok(duration) if !duration.is_zero() => duration,
        _ => default,
    }
}

/// The probe threads of all pods.
#[derive(Debug, Default)]
pub(crate) struct Runners {
    running: Mutex<BTreeMap<String, Vec<Arc<Stop>>>>,
}

/// A flag that a sleeping thread notices at once.
#[derive(Debug, Default)]
struct Stop {
    stopped: Mutex<bool>,
    changed: Condvar,
}

impl Stop {
    fn stop(&self) {
        *self.stopped.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.changed.notify_all();
    }

    /// Sleeps; says whether the thread should end.
    fn sleep(&self, time: Duration) -> bool {
        let stopped = self.stopped.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self
            .changed
            .wait_timeout_while(stopped, time, |stopped| !*stopped);
        *waited.unwrap_or_else(PoisonError::into_inner).0
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    Liveness,
    Readiness,
    Startup,
}

/// What one thread needs.
struct Watch {
    controller: Arc<Controller>,
    id: ResourceId,
    container: String,
    role: Role,
    probe: Probe,
    target: Target,
    stop: Arc<Stop>,
}

impl Runners {
    /// Whether any thread looks at this container.
    pub(crate) fn watches(&self, container: &str) -> bool {
        self.lock().contains_key(container)
    }

    /// Ends the threads of one container.
    pub(crate) fn stop(&self, container: &str) {
        for stop in self.lock().remove(container).unwrap_or_default() {
            stop.stop();
        }
    }

    /// Ends all threads.
    pub(crate) fn stop_all(&self) {
        let all = std::mem::take(&mut *self.lock());
        all.into_values().flatten().for_each(|stop| stop.stop());
    }

    /// Starts the threads of a pod that was just created. Threads that were never stopped stay,
    /// with the address of the pod's predecessor, as on the platform.
    pub(crate) fn start(
        &self,
        controller: &Arc<Controller>,
        id: &ResourceId,
        container: &str,
        probes: &Probes,
    ) {
        if self.watches(container) {
            return;
        }
        let target = Target::of(controller.engine.as_ref(), container);
        let roles = [
            (Role::Liveness, &probes.liveness),
            (Role::Readiness, &probes.readiness),
            (Role::Startup, &probes.startup),
        ];
        let mut stops = Vec::new();
        for (role, probe) in roles {
            let Some(probe) = probe else { continue };
            let watch = Watch {
                controller: Arc::clone(controller),
                id: id.clone(),
                container: container.to_owned(),
                role,
                probe: probe.clone(),
                target: target.clone(),
                stop: Arc::default(),
            };
            stops.push(Arc::clone(&watch.stop));
            thread::spawn(move || watch.run());
        }
        if !stops.is_empty() {
            self.lock().insert(container.to_owned(), stops);
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, Vec<Arc<Stop>>>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Watch {
    fn run(self) {
        let mut samples = self.probe.samples();
        let mut wait = self.probe.delay();
        while !self.stop.sleep(wait) {
            wait = self.probe.period();
            let healthy = check::look(self.controller.engine.as_ref(), &self.target, &self.probe);
            if self.stop.sleep(Duration::ZERO) {
                return;
            }
            if let Some(phase) = samples.take(healthy) {
                self.turned(phase);
            }
            if self.role == Role::Startup && samples.phase() == Phase::Healthy {
                return;
            }
        }
    }

    fn turned(&self, phase: Phase) {
        if self.role == Role::Liveness {
            if phase == Phase::Unhealthy {
                self.restart();
            }
            return;
        }
        let (key, passed) = match self.role {
            Role::Startup => ("startup_passed", phase == Phase::Healthy),
            _ => ("ready", phase == Phase::Healthy),
        };
        self.record(|entry| {
            entry[key] = Value::Bool(passed);
            if self.role == Role::Readiness {
                entry["readiness_phase"] = Value::from(phase.as_str());
            }
        });
    }

    fn restart(&self) {
        let container = self.container.clone();
        self.controller.record(Event::LivenessRestart { container });
        if let Err(error) = self.controller.engine.restart(&self.container) {
            self.controller.warn(&format!("liveness: {error:#}"));
        }
    }

    fn record(&self, change: impl FnOnce(&mut Value)) {
        let update = |status: &mut Value| {
            let entry = &mut status["replica_readiness"][&self.container];
            entry["container_name"] = Value::from(self.container.as_str());
            entry["last_transition"] = json!(clock::now());
            change(entry);
        };
        let store = &self.controller.store;
        if let Err(error) = store.update_status(Kind::Statefulset, &self.id, update) {
            self.controller.warn(&format!("readiness: {error:#}"));
        }
    }
}
