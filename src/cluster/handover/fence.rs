//! Makes sure that a container does not run. Docker may start it again at any time; the record
//! then keeps what is in it from writing. One that was stopped for nothing is started again.

use std::time::Duration;

use crate::cluster::handover::{Handover, refuse};
use crate::model::ordinal::Ordinal;
use crate::model::refusal::Refusal;
use crate::model::topology_record::State;

/// For a last clean stop, before docker kills it.
const GRACE: u8 = 3;
const LIMIT: Duration = Duration::from_secs(8);

/// Pods whose containers this run stopped.
#[derive(Debug, Default)]
pub(super) struct Fenced(Vec<Ordinal>);

impl Handover<'_> {
    /// Stops a pod's container, or refuses.
    pub(super) fn fence(&self, pod: Ordinal, fenced: &mut Fenced) -> anyhow::Result<()> {
        let container = self.members.container(pod);
        let mut complaint = String::new();
        for attempt in 0..3 {
            let state = self.members.state(pod)?;
            let is_down = matches!(&state[..], "absent" | "exited" | "created" | "dead");
            if !is_down && attempt == 0 {
                fenced.0.push(pod);
            }
            let outcome = match &state[..] {
                _ if is_down => {
                    self.journal
                        .note(format!("pod {pod} does not run, its container is {state}"));
                    return Ok(());
                }
                // A paused process takes no signal but this one.
                "paused" => self.members.docker.kill(&container, LIMIT),
                _ if attempt == 0 => self.members.docker.stop(&container, GRACE, LIMIT),
                _ => self.members.docker.kill(&container, LIMIT),
            };
            complaint = outcome.err().map_or(state, |failure| failure.to_string());
        }
        Ok(refuse(
            format!(
                "{container} cannot be stopped ({complaint}), and while it runs it may go on as the primary"
            ),
            format!(
                "stop it by hand (docker kill {container}), then {}",
                self.again()
            ),
        )?)
    }

    /// The error of a run that goes no further: what was stopped for it is started again where the record
    /// still says that it is the primary, and otherwise named.
    pub(super) fn unfence(&self, fenced: &Fenced, error: anyhow::Error) -> anyhow::Error {
        let is_primary = |pod: Ordinal| {
            let record = self.record();
            record.is_some_and(|record| record.state == State::Steady && record.primary == pod)
        };
        let mut became = Vec::new();
        for pod in &fenced.0 {
            let container = self.members.container(*pod);
            if !self
                .members
                .state(*pod)
                .is_ok_and(|state| state == "exited")
            {
                continue;
            }
            let start = format!("docker start {container}");
            became.push(if !is_primary(*pod) {
                format!("{container} was stopped for it ({start} starts it)")
            } else if let Err(failure) = self.members.docker.restart(&container, LIMIT) {
                format!(
                    "{container} was stopped for it and could not be started ({start}): {failure}"
                )
            } else {
                format!("{container} was stopped for it and is started again")
            });
        }
        if became.is_empty() {
            return error;
        }
        let became = became.join("; ");
        match error.downcast::<Refusal>() {
            Ok(refusal) => Refusal::new(format!("{refusal}; {became}"), refusal.next()).into(),
            Err(error) => Refusal::new(format!("{error:#}; {became}"), self.again()).into(),
        }
    }
}
