//! Makes sure that a container does not run. Docker may start it again at any time; the record
//! then keeps what is in it from writing.

use std::time::Duration;

use crate::cluster::handover::{Handover, refuse};
use crate::model::ordinal::Ordinal;

/// For a last clean stop, before docker kills it.
const GRACE: u8 = 3;
const LIMIT: Duration = Duration::from_secs(8);

impl Handover<'_> {
    /// Stops a pod's container, or refuses.
    pub(super) fn fence(&self, pod: Ordinal) -> anyhow::Result<()> {
        let container = self.members.container(pod);
        let mut complaint = String::new();
        for attempt in 0..3 {
            let state = self.members.state(pod)?;
            let outcome = match &state[..] {
                "absent" | "exited" | "created" | "dead" => {
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
}
