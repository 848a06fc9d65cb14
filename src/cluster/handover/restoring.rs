//! Whether a promotion may end a maintenance, in which the pods wait for a restore.

use crate::cluster::handover::gate::{Facts, Way, Wish};
use crate::cluster::handover::standing::not_running;
use crate::cluster::survey::{PodReport, State as Container};
use crate::model::ordinal::Ordinal;
use crate::model::refusal::{Refusal, Result};

impl Facts<'_> {
    pub(super) fn in_maintenance(self, wish: &Wish) -> Refusal {
        let (cluster, target) = (self.cluster, wish.target);
        let restored = self.record.and_then(|it| self.survey.pod(it.primary));
        let next = match restored.and_then(PodReport::gone) {
            Some(gone) => format!(
                "{}, so start it; or take the restore back and go on with the data of pod {target}: {}",
                gone.why(),
                gone.forced(cluster, target)
            ),
            None => format!(
                "wait until it is over; its container's log says how far it is, and vd pg:backups:cancel {cluster} <restore> takes it back"
            ),
        };
        Refusal::new(
            format!("{cluster}: postgres is stopped on all pods for a restore"),
            next,
        )
    }

    /// The pods wait for the restore, and their servers are down.
    pub(super) fn end_maintenance(self, restored: Ordinal, wish: &Wish) -> Result<Way> {
        self.survey.check_scripts()?;
        let is_gone = |pod| self.survey.pod(pod).is_none_or(|it| it.gone().is_some());
        match self.survey.pod(wish.target) {
            Some(pod) if pod.state != Container::Running => Err(not_running(pod)),
            _ if restored != wish.target && !is_gone(restored) => Err(self.in_maintenance(wish)),
            _ => {
                // What only the pod that was to be restored has is given up by force.
                if restored != wish.target {
                    self.check_volumes(Some(restored), wish)?;
                }
                Ok(Way::EndMaintenance)
            }
        }
    }
}
