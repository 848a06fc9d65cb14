//! What the probes of one pod say together; pure.

use serde_json::{Value, json};

use super::state::Phase;
use super::{Probes, Role};

/// Whether a pod counts as ready. Until its probe has spoken it does, as on the platform.
#[derive(Clone, Debug)]
pub(super) struct Readiness {
    startup_passed: bool,
    phase: Phase,
}

impl Readiness {
    pub(super) fn of(probes: &Probes) -> Self {
        Self {
            startup_passed: probes.startup.is_none(),
            phase: Phase::Healthy,
        }
    }

    pub(super) fn turned(&mut self, role: Role, phase: Phase) {
        match role {
            Role::Liveness => {}
            Role::Readiness => self.phase = phase,
            Role::Startup => self.startup_passed |= phase == Phase::Healthy,
        }
    }

    pub(super) fn ready(&self) -> bool {
        self.startup_passed && self.phase == Phase::Healthy
    }

    /// The document of `/pods/{name}/ready` and of the status blob.
    pub(super) fn document(&self, container: &str) -> Value {
        let replica = container
            .rsplit_once('.')
            .map_or("", |(_, replica)| replica);
        json!({
            "container_name": container, "replica_id": replica, "ready": self.ready(),
            "startup_passed": self.startup_passed, "readiness_phase": self.phase.as_str(),
            "last_transition": crate::clock::now(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probes::Probe;

    #[test]
    fn startup_and_readiness_gate_and_liveness_does_not() {
        let probes = Probes {
            startup: Some(Probe::default()),
            ..Probes::default()
        };
        let mut readiness = Readiness::of(&probes);
        assert!(!readiness.ready());
        readiness.turned(Role::Startup, Phase::Unhealthy);
        assert!(!readiness.ready());
        readiness.turned(Role::Startup, Phase::Healthy);
        readiness.turned(Role::Liveness, Phase::Unhealthy);
        assert!(readiness.ready());
        readiness.turned(Role::Readiness, Phase::Unhealthy);
        assert!(!readiness.ready());
        assert_eq!(readiness.document("s-db.2")["replica_id"], "2");
    }

    #[test]
    fn a_pod_without_gates_is_ready_at_once() {
        assert!(Readiness::of(&Probes::default()).ready());
    }
}
