//! Whether the scripts that a handover needs are there to act on the record.

use crate::cluster::handover::gate::{Facts, Wish};
use crate::cluster::pulse::Pulse;
use crate::cluster::room::cannot_write;
use crate::model::ordinal::Ordinal;
use crate::model::refusal::Result;

impl Facts<'_> {
    /// Without a script that acts on the record of this host nothing comes of a handover. A primary
    /// whose script stands still is stopped from outside by one that is forced. A pod that cannot
    /// write in the backups directory leaves no heartbeat and may act all the same: that is looked
    /// at apart.
    pub(super) fn check_pulses(self, primary: Ordinal, wish: &Wish) -> Result<()> {
        let pods = [wish.target, primary].into_iter();
        for pod in pods.filter_map(|pod| self.survey.pod(pod)) {
            let stands_still = matches!(pod.pulse, Pulse::Still(_));
            let writes_nothing = cannot_write(self.rooms, pod.ordinal);
            if !(stands_still && (writes_nothing || wish.force && pod.ordinal == primary)) {
                Pulse::check(pod)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::handover::fixture::World;
    use crate::cluster::handover::gate::Way;
    use crate::cluster::survey::State as Container;
    use std::time::Duration;

    const CLEAN: Way = Way::HandOver { behind: 0 };

    fn with(pod: usize, pulse: Pulse) -> World {
        World::new().pod(pod, |pod| pod.pulse = pulse)
    }

    #[test]
    fn a_script_that_stands_still_is_found_before_anything_stops() {
        let still = Pulse::Still(Some(Duration::from_secs(75)));
        with(0, still).refused(
            "the script of s-db.0 has stood still for 75 s",
            "docker restart s-db.0; then run this again",
        );
        with(0, still).force().goes(&CLEAN);
        let never = Pulse::Still(None);
        with(1, never).refused("the script of s-db.1 stands still", "docker restart s-db.1");
        with(1, never)
            .force()
            .refused("the script of s-db.1 stands still", "docker restart s-db.1");
        with(2, still).goes(&CLEAN);
    }

    /// A full disk, or one that is read-only: the record has space reserved, a heartbeat may have none.
    #[test]
    fn a_pod_that_cannot_leave_a_heartbeat_does_not_stand_still() {
        let full = |pod: usize| {
            let still = with(pod, Pulse::Still(Some(Duration::from_secs(75))));
            still.room(&pod.to_string(), |room| {
                room.complaint = Some("No space left on device".to_owned());
            })
        };
        for pod in [0, 1] {
            let reason = "cannot write the record of who is primary: No space left on device";
            full(pod).refused(reason, "df -h /backups");
            full(pod).force().goes(&CLEAN);
        }
    }

    #[test]
    fn nobody_acts_on_a_record_in_another_directory() {
        for pod in [0, 1] {
            let reason = format!("s-db.{pod} sees another backups directory than this host");
            let next = format!("docker restart s-db.{pod}");
            with(pod, Pulse::Elsewhere).refused(&reason, &next);
            with(pod, Pulse::Elsewhere).force().refused(&reason, &next);
        }
        with(2, Pulse::Elsewhere).goes(&CLEAN);
        // It is not known where nobody runs.
        let dead = with(0, Pulse::Unknown).is(0, Container::Absent).force();
        assert!(dead.plan().is_ok());
    }

    #[test]
    fn a_record_from_the_future_is_not_young() {
        let gone = || Container::Stopped("exited".to_owned());
        let mut dead = World::new()
            .record("steady", "handover\ntarget=1")
            .target("2")
            .is(0, gone())
            .is(1, gone());
        dead.record_age = None;
        dead.refused("nothing has happened for an unknown time", "");
    }
}
