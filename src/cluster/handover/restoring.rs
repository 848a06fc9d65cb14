//! Whether a promotion may end a maintenance, in which the pods wait for a restore.

use crate::cluster::certainty::Incapable;
use crate::cluster::handover::gate::{Facts, Way, Wish};
use crate::cluster::handover::standing::not_running;
use crate::cluster::survey::State as Container;
use crate::model::ordinal::Ordinal;
use crate::model::refusal::{Refusal, Result};

impl Facts<'_> {
    pub(super) fn in_maintenance(self, wish: &Wish) -> Refusal {
        let (cluster, target) = (self.cluster, wish.target);
        let restored = self.record.map(|it| it.primary);
        let next = match restored.and_then(|pod| self.out_of_the_way(pod)) {
            Some(proof) if !self.is_requested => format!(
                "{}, and its log says why; restore another backup, or go on with the data of pod {target}: {}",
                proof.why(),
                proof.forced(cluster, target)
            ),
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

    /// That the restored pod does nothing about the restore any more: its container does not run, or it
    /// gave up and stays stopped, because it has no data to go back to.
    fn out_of_the_way(self, restored: Ordinal) -> Option<Incapable> {
        let container = self.cluster.container(restored);
        if !self.is_requested {
            return Some(Incapable::without_request(container));
        }
        match self.survey.pod(restored) {
            Some(pod) => pod.gone(),
            None => Some(Incapable::absent(container)),
        }
    }

    /// The pods wait for the restore, and their servers are down.
    pub(super) fn end_maintenance(self, restored: Ordinal, wish: &Wish) -> Result<Way> {
        self.survey.check_scripts()?;
        let is_out = self.out_of_the_way(restored).is_some();
        match self.survey.pod(wish.target) {
            Some(pod) if pod.state != Container::Running => Err(not_running(pod)),
            _ if restored != wish.target && !is_out => Err(self.in_maintenance(wish)),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::handover::fixture::World;
    use crate::cluster::silence::Silence;

    /// Postgres runs nowhere, and every container does.
    fn maintenance(is_requested: bool) -> World {
        let mut world = World::new().record("state=steady", "state=maintenance");
        for pod in &mut world.survey.pods {
            pod.server = Err(Silence::Down);
            pod.more.clear();
        }
        world.is_requested = is_requested;
        world
    }

    /// No record of this cluster can be written in its place.
    #[test]
    fn where_another_clusters_record_lies_nobody_is_made_the_primary() {
        let mut world = maintenance(true).force();
        world.record = None;
        world.foreign = Some("/b/s/db/.topology".into());
        world.refused("/b/s/db/.topology is the record of another", "remove it");
        world.foreign = None;
        world.goes(&Way::Establish);
    }

    #[test]
    fn a_pod_that_gave_the_restore_up_is_out_of_the_way() {
        let forced = "vd pg:promote s/db --replica 1 --force";
        maintenance(false).refused("postgres is stopped on all pods", forced);
        maintenance(false).refused("postgres is stopped", "s-db.0 gave the restore up");
        maintenance(false).force().goes(&Way::EndMaintenance);
        // One that is at it is not.
        for world in [maintenance(true), maintenance(true).force()] {
            world.refused("postgres is stopped on all pods", "wait until it is over");
        }
        let gone = || maintenance(true).is(0, Container::Absent);
        gone().refused("postgres is stopped", "s-db.0 is absent, so start it");
        gone().force().goes(&Way::EndMaintenance);
    }
}
