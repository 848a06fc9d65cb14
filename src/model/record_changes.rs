//! The changes of a topology record: each returns the next record, one epoch on, and none checks
//! whether the change is a good idea.

use crate::model::cluster_id::ClusterId;
use crate::model::ordinal::Ordinal;
use crate::model::topology_record::{State, TopologyRecord};

/// By how many epochs a record comes after one whose end may already have been told to a pod: a handover
/// after an undecided one that it replaces, and whatever follows a maintenance.
const SUPERSEDES: u64 = 10;

impl TopologyRecord {
    /// The first record of a cluster, whose pods have reached that timeline.
    pub(crate) fn first(cluster: ClusterId, primary: Ordinal, timeline: u32) -> Self {
        Self {
            cluster,
            epoch: 1,
            primary,
            state: State::Steady,
            timeline: Some(timeline),
            clean: Vec::new(),
            rejoin: None,
            settles: None,
        }
    }

    /// The same record in format 2, when it is of format 1: the highest timeline number that can
    /// have been given is passed in. A clean stop without a location proves nothing and is dropped.
    pub(crate) fn with_timeline(mut self, highest: u32) -> Self {
        if self.timeline.is_none() {
            self.timeline = Some(highest);
            self.clean.retain(|stop| stop.at.is_some());
        }
        self
    }

    /// The primary hands over to the target.
    pub(crate) fn handover(&self, target: Ordinal) -> Self {
        let stopped_at = None;
        let mut next = self.next(State::Handover { target, stopped_at });
        if matches!(self.state, State::Handover { .. }) {
            // The target of the handover before may still end it with an epoch of its own
            // (`record_resolve` in the pods' script), which must stay below this one.
            next.epoch = self.epoch + SUPERSEDES;
        }
        next
    }

    /// The target of the handover is the primary on a new timeline, and nothing is known of what the
    /// old one still had. Outside a handover there is no such record.
    ///
    /// The new timeline's number comes after the record's and after all that the pods are known to
    /// have.
    pub(crate) fn taken_over(&self, known: u32) -> Option<Self> {
        let State::Handover { target, .. } = self.state else {
            return None;
        };
        let mut next = self.next(State::Steady);
        next.timeline = self.timeline.map(|highest| highest.max(known) + 1);
        next.clean.clear();
        // What a pod may give up was said of its WAL beside the old primary's.
        next.rejoin = None;
        next.primary = target;
        Some(next)
    }

    /// The stop of the old primary is announced, at a location that nobody has. By such a copy in
    /// its volume it cannot know whether it was succeeded, and waits for a record that says so.
    pub(crate) fn announced(&self) -> Self {
        let State::Handover { target, stopped_at } = &self.state else {
            return self.clone();
        };
        if stopped_at.is_some() {
            return self.clone();
        }
        self.next(State::Handover {
            target: *target,
            stopped_at: Some("0/0".to_owned()),
        })
    }

    /// A pod is the primary by an operator's word, where no record can be acted on. It comes after
    /// every record that is known, and after whatever their pods can still publish.
    pub(crate) fn overruled(
        cluster: ClusterId,
        primary: Ordinal,
        copies: &[Self],
        known: u32,
    ) -> Self {
        let newest = copies.iter().map(|copy| copy.epoch).max();
        let timelines = copies.iter().filter_map(|copy| copy.timeline);
        let highest = timelines.fold(known, u32::max);
        match newest {
            None => Self::first(cluster, primary, highest),
            Some(epoch) => Self {
                epoch: epoch + SUPERSEDES,
                ..Self::first(cluster, primary, highest + 1)
            },
        }
    }

    /// The recorded primary runs, and everybody else follows it.
    pub(crate) fn steady(&self) -> Self {
        self.after_maintenance(State::Steady)
    }

    /// Postgres stops on every pod.
    pub(crate) fn maintenance(&self) -> Self {
        self.after_maintenance(State::Maintenance)
    }

    /// A pod gives its own commits up and becomes a standby.
    pub(crate) fn rejoin(&self, pod: Ordinal) -> Self {
        let mut next = self.next(self.state.clone());
        next.rejoin = Some(pod);
        next
    }

    /// Whoever ends a maintenance with another primary says so first in the volume of the old one, two
    /// epochs on, and may be killed before it is true (`Maintenance::succeed`).
    fn after_maintenance(&self, state: State) -> Self {
        let mut next = self.next(state);
        if self.state == State::Maintenance {
            next.epoch = self.epoch + SUPERSEDES;
        }
        next
    }

    fn next(&self, state: State) -> Self {
        Self {
            epoch: self.epoch + 1,
            state,
            settles: None,
            ..self.clone()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "cluster=0123456789abcdef0123456789abcdef\n";

    fn record(rest: &str) -> TopologyRecord {
        format!("{HEAD}{rest}").parse().unwrap()
    }

    fn pod(number: &str) -> Ordinal {
        number.parse().unwrap()
    }

    #[track_caller]
    fn case(next: &TopologyRecord, expected: &str) {
        assert_eq!(next.to_string(), format!("{HEAD}{expected}"));
        assert_eq!(next.to_string().parse().as_ref(), Ok(next));
    }

    #[test]
    fn there_and_back() {
        let steady = record("epoch=7\nprimary=1\nstate=steady\nclean=0\nrejoin=3\n");
        let handover = steady.handover(pod("2"));
        case(
            &handover,
            "epoch=8\nprimary=1\nstate=handover\ntarget=2\nclean=0\nrejoin=3\n",
        );
        case(
            &handover.steady(),
            "epoch=9\nprimary=1\nstate=steady\nclean=0\nrejoin=3\n",
        );
        case(
            &steady.maintenance(),
            "epoch=8\nprimary=1\nstate=maintenance\nclean=0\nrejoin=3\n",
        );
        case(
            &steady.rejoin(pod("0")),
            "epoch=8\nprimary=1\nstate=steady\nclean=0\nrejoin=0\n",
        );
    }

    #[test]
    fn nobody_left_cleanly_when_the_target_was_put_in_charge() {
        let handover =
            record("epoch=8\nprimary=1\nstate=handover\ntarget=2\nstopped_at=0/5A8\nclean=1\n");
        let taken_over = handover.taken_over(1).unwrap();
        case(&taken_over, "epoch=9\nprimary=2\nstate=steady\n");
        assert_eq!(taken_over.taken_over(1), None);
    }

    #[test]
    fn a_forced_take_over_draws_the_next_timeline() {
        let handover = record(
            "epoch=8\nprimary=1\nstate=handover\ntarget=2\nstopped_at=0/5A8\ntimeline=4\nclean=1@0/4A8\n",
        );
        for (known, timeline) in [(1, 5), (4, 5), (7, 8)] {
            let expected = format!("epoch=9\nprimary=2\nstate=steady\ntimeline={timeline}\n");
            case(&handover.taken_over(known).unwrap(), &expected);
        }
        assert_eq!(handover.announced(), handover);
        case(
            &handover.steady(),
            "epoch=9\nprimary=1\nstate=steady\ntimeline=4\nclean=1@0/4A8\n",
        );
    }

    #[test]
    fn a_fenced_pod_knows_a_stop_of_its_own() {
        let handover = record("epoch=8\nprimary=1\nstate=handover\ntarget=2\ntimeline=4\n");
        case(
            &handover.announced(),
            "epoch=9\nprimary=1\nstate=handover\ntarget=2\nstopped_at=0/0\ntimeline=4\n",
        );
    }

    #[test]
    fn what_an_operator_decides_comes_after_every_copy() {
        let id = || "0123456789abcdef0123456789abcdef".parse().unwrap();
        let copies = [
            record("epoch=8\nprimary=1\nstate=handover\ntarget=2\ntimeline=4\n"),
            record("epoch=11\nprimary=1\nstate=steady\ntimeline=3\n"),
        ];
        case(
            &TopologyRecord::overruled(id(), pod("0"), &copies, 2),
            "epoch=21\nprimary=0\nstate=steady\ntimeline=5\n",
        );
        case(
            &TopologyRecord::overruled(id(), pod("0"), &[], 2),
            "epoch=1\nprimary=0\nstate=steady\ntimeline=2\n",
        );
    }

    #[test]
    fn an_undecided_handover_is_superseded_by_a_later_epoch() {
        let handover = record("epoch=8\nprimary=1\nstate=handover\ntarget=2\ntimeline=4\n");
        case(
            &handover.handover(pod("3")),
            "epoch=18\nprimary=1\nstate=handover\ntarget=3\ntimeline=4\n",
        );
    }

    /// Before the record is replaced, a standby that is to go on is named in a volume with two epochs
    /// more.
    #[test]
    fn a_maintenance_is_left_or_begun_anew_above_what_its_end_told() {
        let maintenance = record("epoch=8\nprimary=1\nstate=maintenance\ntimeline=4\n");
        let told = maintenance.handover(pod("2")).taken_over(4).unwrap();
        assert_eq!(told.epoch, 10);
        case(
            &maintenance.steady(),
            "epoch=18\nprimary=1\nstate=steady\ntimeline=4\n",
        );
        case(
            &maintenance.maintenance(),
            "epoch=18\nprimary=1\nstate=maintenance\ntimeline=4\n",
        );
    }

    #[test]
    fn format_1_becomes_format_2_with_a_timeline() {
        let old = record("epoch=8\nprimary=1\nstate=steady\nclean=0\nrejoin=2\n");
        case(
            &old.clone().with_timeline(3),
            "epoch=8\nprimary=1\nstate=steady\ntimeline=3\nrejoin=2\n",
        );
        let new = record("epoch=8\nprimary=1\nstate=steady\ntimeline=7\nclean=0@0/5A8\n");
        assert_eq!(new.clone().with_timeline(3), new);
    }

    #[test]
    fn what_settled_an_earlier_handover_is_history() {
        let settled = record("epoch=8\nprimary=1\nstate=steady\ntimeline=4\nsettles=5\n");
        assert_eq!(settled.maintenance().settles, None);
    }

    #[test]
    fn what_a_pod_may_give_up_for_one_primary_it_may_not_for_the_next() {
        for pod in ["0", "1", "2"] {
            let handover = format!("epoch=8\nprimary=1\nstate=handover\ntarget=2\nrejoin={pod}\n");
            assert_eq!(record(&handover).taken_over(1).unwrap().rejoin, None);
        }
    }

    #[test]
    fn the_first_one() {
        let first = TopologyRecord::first("ab".repeat(16).parse().unwrap(), pod("2"), 3);
        let text = format!(
            "cluster={}\nepoch=1\nprimary=2\nstate=steady\ntimeline=3\n",
            "ab".repeat(16)
        );
        assert_eq!(first.to_string(), text);
    }
}
