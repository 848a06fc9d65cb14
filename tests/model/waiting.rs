//! States in which the pods alone do not get to a writer, and what an operator has to do.

use crate::restoring::NO_OLD_DATA;
use crate::world::{Member, Pod, Request, Restore, Shape, World};

impl World {
    /// What the cluster waits for an operator for; none when the pods must get on by themselves.
    pub fn needs_operator(&self) -> Option<&'static str> {
        let mut newest = self.record;
        for member in self.members() {
            if member.copy.epoch > newest.epoch {
                newest = member.copy;
            }
        }
        let primary = self.pod(newest.primary);
        if newest.is_maintenance() && self.request == Request::None {
            return Some("nobody carries the maintenance on");
        }
        if !primary.has_data() || !primary.has_data_of_its_own() && !newest.is_maintenance() {
            let has_standby = self
                .members()
                .iter()
                .any(|member| member.shape == Shape::Standby);
            return Some(if has_standby {
                "the primary's data are lost"
            } else {
                "only an old primary has data"
            });
        }
        let stopped = (0..self.count).any(|pod| self.waits_for_who_never_knew(pod));
        stopped.then_some("the record was lost before the target knew of the handover")
    }

    /// Whether a pod announced that it stopped, and its target does not know for which handover.
    fn waits_for_who_never_knew(&self, pod: Pod) -> bool {
        let member = self.pod(pod);
        let copy = &member.copy;
        if !copy.is_handover() || copy.primary != pod || !member.has_announced() {
            return false;
        }
        let known = &self.pod(copy.target).copy;
        let is_of_another = known.settles > 0 && known.settles != copy.begun();
        !self.record.is_handover() && (known.epoch < copy.begun() || is_of_another)
    }
}

impl Member {
    /// Whether a restore can be taken back here.
    pub fn has_old_data(&self) -> bool {
        match self.restore {
            Restore::Nothing => self.has_data(),
            Restore::SwappedIn | Restore::Started | Restore::Stamped => self.old_wal != NO_OLD_DATA,
        }
    }

    /// Whether it holds more than a backup that never counted.
    pub fn has_data_of_its_own(&self) -> bool {
        self.has_data() && self.old_wal != NO_OLD_DATA
    }
}
