//! Pods whose servers cannot be asked, by what their volumes hold: which of them has the most, and which
//! may take over from a primary that lost its data.

use crate::cluster::handover::gate::{Facts, Way, Wish};
use crate::cluster::remains::{Data, Held};
use crate::model::byte_size::ByteSize;
use crate::model::ordinal::Ordinal;
use crate::model::refusal::{Refusal, Result};

const UNSEEN: &str = "; or add --allow-lag to go on without knowing";

impl<'a> Facts<'a> {
    /// Refuses when the volume of another pod holds more than the target's, or may. `given_up` is a
    /// pod whose data the operator gives up anyway.
    pub(super) fn check_volumes(self, given_up: Option<Ordinal>, wish: &Wish) -> Result<()> {
        if wish.allow_lag {
            return Ok(());
        }
        let target = wish.target;
        let own = match self.remains.get(&target) {
            Some(Ok(Some(data))) => data,
            // Without data it is refused for that reason.
            Some(Ok(None)) | None => return Ok(()),
            Some(Err(why)) => return Err(self.unseen(target, why, UNSEEN)),
        };
        for (pod, held) in self
            .others_held(wish)
            .filter(|(pod, _)| Some(*pod) != given_up)
        {
            match held {
                Err(why) => return Err(self.unseen(pod, why, UNSEEN)),
                Ok(Some(data)) if data.reached() > own.reached() => {
                    return Err(Refusal::new(
                        format!(
                            "the volume of pod {} holds {} than pod {target}'s",
                            self.cluster.container(pod),
                            more(data, own)
                        ),
                        format!(
                            "promote that one instead; or add --allow-lag to give up what pod {target} lacks"
                        ),
                    ));
                }
                Ok(_) => {}
            }
        }
        Ok(())
    }

    /// The pods that have more than the target, for an operator who passes over them.
    pub(super) fn fuller_volumes(self, wish: &Wish) -> Vec<String> {
        let Some(Ok(Some(own))) = self.remains.get(&wish.target) else {
            return Vec::new();
        };
        let (cluster, target) = (self.cluster, wish.target);
        let fuller = self.others_held(wish).filter_map(|(pod, held)| {
            let data = held.as_ref().ok()?.as_ref()?;
            (data.reached() > own.reached()).then(|| {
                format!(
                    "the volume of {} holds {} than pod {target}'s, and can follow it once that is given up: vd pg:rejoin {cluster} --replica {pod}",
                    cluster.container(pod),
                    more(data, own)
                )
            })
        });
        fuller.collect()
    }

    /// A forced promotion of a pod whose server does not run, when the recorded primary has no data any
    /// more: a former primary behind its split-brain guard, or a standby that waits for that primary.
    pub(super) fn bring_back(self, primary: Ordinal, wish: &Wish) -> Result<Option<Way>> {
        let target = wish.target;
        let has_data = matches!(self.remains.get(&target), Some(Ok(Some(_))));
        let runs = self
            .survey
            .pod(target)
            .is_some_and(|pod| pod.server.is_ok());
        if !wish.force || !has_data || runs {
            return Ok(None);
        }
        match self.remains.get(&primary) {
            Some(Ok(None)) => {}
            // Whatever it is, it is the primary's.
            Some(Err(why)) => return Err(self.unseen(primary, why, "")),
            Some(Ok(Some(_))) | None => return Ok(None),
        }
        self.check_single_primary(primary)?;
        self.check_volumes(None, wish)?;
        Ok(Some(Way::BringBack { lost: primary }))
    }

    fn others_held(self, wish: &Wish) -> impl Iterator<Item = (Ordinal, &'a Held)> {
        let target = wish.target;
        let others = self.remains.iter().filter(move |(pod, _)| **pod != target);
        others.map(|(pod, held)| (*pod, held))
    }

    fn unseen(self, pod: Ordinal, why: &str, or: &str) -> Refusal {
        let name = self.cluster.container(pod);
        Refusal::new(
            format!("what the volume of pod {name} holds is not known: {why}"),
            format!(
                "see its log (docker logs {name}) and that docker answers, then run this again{or}"
            ),
        )
    }
}

pub(super) fn more(data: &Data, own: &Data) -> String {
    if data.timeline == own.timeline {
        format!("{} more WAL", ByteSize(data.end.bytes_since(own.end)))
    } else {
        "WAL of a newer timeline".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::handover::fixture::World;
    use crate::cluster::silence::Silence;
    use crate::cluster::survey::State as Container;

    fn data(is_standby: bool, timeline: u32, end: &str) -> Data {
        Data {
            is_standby,
            timeline,
            end: end.parse().unwrap(),
        }
    }

    fn restarting() -> Container {
        Container::Stopped("restarting".to_owned())
    }

    fn unknown() -> Held {
        Err("docker did not answer".to_owned())
    }

    /// Pod 1 took over from pod 0 and lost its volume; pod 2 never came back.
    fn successor_without_data() -> World {
        World::new()
            .force()
            .record("primary=0", "primary=1")
            .target("0")
            .is(0, restarting())
            .is(1, restarting())
            .is(2, restarting())
            .holds("0", Ok(Some(data(false, 1, "0/5000148"))))
            .holds("1", Ok(None))
            .holds("2", Ok(None))
    }

    #[test]
    fn a_former_primary_returns_when_its_successor_has_no_data() {
        let lost = "1".parse().unwrap();
        successor_without_data().goes(&Way::BringBack { lost });
        // Without force, or with data on the recorded primary, the guard holds.
        let stopped = "pod s-db.0 is not running, it is restarting";
        let mut unforced = successor_without_data();
        unforced.wish.force = false;
        unforced.refused(stopped, "docker logs s-db.0");
        let kept = successor_without_data().holds("1", Ok(Some(data(false, 2, "0/5000200"))));
        kept.refused(stopped, "docker logs s-db.0");
        let unseen = successor_without_data().holds("1", unknown());
        let reason = "what the volume of pod s-db.1 holds is not known: docker did not answer";
        unseen.refused(reason, "then run this again");
        let next = unseen.plan().unwrap_err().next().to_owned();
        assert!(!next.contains("--allow-lag"), "{next}");
        // Nor can a pod without data be the primary.
        let empty = successor_without_data().holds("0", Ok(None));
        empty.refused(stopped, "docker logs s-db.0");
    }

    /// It was asked to rejoin, or was to copy a restored primary, when that one lost its data.
    #[test]
    fn a_standby_that_waits_for_a_primary_without_data_is_promoted() {
        let lost = "1".parse().unwrap();
        let down = |world: World| {
            world.pod(0, |pod| {
                pod.state = Container::Running;
                pod.server = Err(Silence::Down);
            })
        };
        let standby = successor_without_data().holds("0", Ok(Some(data(true, 1, "0/5000148"))));
        down(standby).goes(&Way::BringBack { lost });
    }

    #[test]
    fn a_former_primary_does_not_pass_over_a_standby_of_its_successor() {
        let ahead = || successor_without_data().holds("2", Ok(Some(data(true, 2, "0/5000300"))));
        ahead().refused(
            "the volume of pod s-db.2 holds WAL of a newer timeline than pod 0's",
            "promote that one instead; or add --allow-lag",
        );
        let unseen = successor_without_data().holds("2", unknown());
        unseen.refused(
            "what the volume of pod s-db.2 holds is not known",
            "or add --allow-lag",
        );
        let mut allowed = ahead();
        allowed.wish.allow_lag = true;
        let plan = allowed.plan().unwrap();
        assert!(matches!(plan.way, Way::BringBack { .. }));
        assert!(
            plan.notes[0].contains("WAL of a newer timeline than pod 0's"),
            "{:?}",
            plan.notes
        );
    }

    /// Pod 0's data are given up by force, pod 2's are not.
    fn waiting(record: Option<&str>) -> World {
        let mut world = World::new().record("state=steady", record.unwrap_or_default());
        world.record = world.record.filter(|_| record.is_some());
        let down = |world: World, pod: usize| {
            world.pod(pod, |pod| {
                pod.server = Err(Silence::Down);
                pod.more.clear();
            })
        };
        let world = [0, 1, 2].into_iter().fold(world, down).force();
        world
            .holds("0", Ok(Some(data(false, 1, "0/5000148"))))
            .holds("1", Ok(Some(data(true, 1, "0/5000148"))))
            .holds("2", Ok(Some(data(true, 1, "0/5000148"))))
    }

    #[test]
    fn where_no_server_runs_the_volumes_are_compared() {
        let maintenance = || waiting(Some("state=maintenance")).is(0, restarting());
        for (world, way) in [
            (maintenance as fn() -> World, Way::EndMaintenance),
            (|| waiting(None), Way::Establish),
        ] {
            world().goes(&way);
            let ahead = || world().holds("2", Ok(Some(data(true, 1, "0/5000248"))));
            ahead().refused(
                "the volume of pod s-db.2 holds 256 B more WAL than pod 1's",
                "promote that one instead; or add --allow-lag",
            );
            let mut allowed = ahead();
            allowed.wish.allow_lag = true;
            allowed.goes(&way);
            assert_eq!(allowed.plan().unwrap().notes.len(), 1);
            let unseen = world().holds("2", unknown());
            unseen.refused(
                "what the volume of pod s-db.2 holds is not known: docker did not answer",
                "or add --allow-lag to go on without knowing",
            );
            world().holds("2", Ok(None)).goes(&way);
        }
        // The old primary's own data are what force gives up; without a record nobody's are.
        let ahead = data(false, 1, "0/5000248");
        let ended = maintenance().holds("0", Ok(Some(ahead)));
        ended.goes(&Way::EndMaintenance);
        let established = waiting(None).holds("0", Ok(Some(ahead)));
        established.refused(
            "the volume of pod s-db.0 holds 256 B more WAL",
            "--allow-lag",
        );
    }
}
