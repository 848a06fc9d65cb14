//! Pods that do not run while another one takes over without a handover. What their volumes hold is
//! compared with what the target has: nobody else may have it.

use crate::cluster::handover::gate::{Facts, Wish};
use crate::cluster::handover::volumes::more;
use crate::cluster::remains::Data;
use crate::cluster::survey::{PodReport, State as Container};
use crate::model::ordinal::Ordinal;
use crate::model::refusal::{Refusal, Result};
use crate::postgres::server::Server;

/// A volume beside what the target has.
enum Compared {
    /// It holds no more.
    Covered,
    /// It holds that much more.
    Fuller(String),
    /// It is a former primary's, and what only that had was given up when another pod took over.
    GivenUp,
    Unknown(String),
}

impl<'a> Facts<'a> {
    /// Refuses when a pod that does not run holds more than that server of the target. Where it is not
    /// known, the plan says so.
    pub(super) fn check_stopped(
        self,
        primary: Ordinal,
        target: &Server,
        wish: &Wish,
    ) -> Result<()> {
        let others = self.stopped(wish.target);
        let mut others = others.filter(|pod| pod.ordinal != primary);
        match others.find_map(|pod| Some((pod, self.more_in(pod, target)?))) {
            None => Ok(()),
            Some((pod, more)) => Err(Refusal::new(
                format!(
                    "the volume of pod {} holds {more} than pod {} has",
                    pod.container, wish.target
                ),
                format!(
                    "{}, and promote that one instead; or add --allow-lag to give up what pod {} lacks",
                    start(pod),
                    wish.target
                ),
            )),
        }
    }

    /// Those that hold more, for an operator who passes over them.
    pub(super) fn fuller_stopped(self, target: &Server, wish: &Wish) -> Vec<String> {
        let (cluster, primary) = (self.cluster, self.record.map(|record| record.primary));
        let others = self.stopped(wish.target);
        let others = others.filter(|pod| Some(pod.ordinal) != primary);
        let fuller = others.filter_map(|pod| {
            let (more, ordinal) = (self.more_in(pod, target)?, pod.ordinal);
            Some(format!(
                "the volume of {} holds {more} than pod {} has, and can follow it once that is given up: vd pg:rejoin {cluster} --replica {ordinal}",
                pod.container, wish.target
            ))
        });
        fuller.collect()
    }

    /// What is to be said of such a pod, unless it holds more.
    pub(super) fn note_of_stopped(self, pod: &PodReport, wish: &Wish) -> Option<String> {
        let (name, target) = (&pod.container, wish.target);
        let is = match pod.state {
            Container::Absent => format!("{name} does not exist"),
            _ => format!("{name} is {}", pod.state),
        };
        let server = self.survey.pod(target).and_then(PodReport::server);
        let compared = server.map_or_else(
            || Compared::Unknown(format!("pod {target} does not answer")),
            |server| self.compared(pod, server),
        );
        match (compared, &pod.state) {
            (Compared::Fuller(_), _) => None,
            (Compared::Covered | Compared::GivenUp, Container::Absent) => Some(is),
            (Compared::GivenUp, _) => Some(format!(
                "{is}, and its data are a former primary's; it follows after vd pg:rejoin {} --replica {}",
                self.cluster, pod.ordinal
            )),
            (Compared::Covered, _) => Some(format!("{is}; it follows at its next boot")),
            (Compared::Unknown(why), _) => Some(format!(
                "{is}, and whether it has more than pod {target} is not known ({why}); to know it, {} first",
                start(pod)
            )),
        }
    }

    fn more_in(self, pod: &PodReport, target: &Server) -> Option<String> {
        match self.compared(pod, target) {
            Compared::Fuller(more) => Some(more),
            Compared::Covered | Compared::GivenUp | Compared::Unknown(_) => None,
        }
    }

    fn compared(self, pod: &PodReport, target: &Server) -> Compared {
        let own = Data {
            is_standby: true,
            timeline: target.timeline,
            end: target.reached().unwrap_or_default(),
        };
        match self.remains.get(&pod.ordinal) {
            None => Compared::Unknown("its volume was not looked at".to_owned()),
            Some(Err(why)) => Compared::Unknown(why.clone()),
            Some(Ok(Some(data))) if !data.is_standby && !self.left_cleanly(pod.ordinal) => {
                Compared::GivenUp
            }
            Some(Ok(Some(data))) if data.reached() > own.reached() => {
                Compared::Fuller(more(data, &own))
            }
            Some(Ok(_)) => Compared::Covered,
        }
    }

    fn left_cleanly(self, pod: Ordinal) -> bool {
        self.record.is_some_and(|record| record.left_cleanly(pod))
    }

    fn stopped(self, target: Ordinal) -> impl Iterator<Item = &'a PodReport> {
        let does_not_run =
            |pod: &&PodReport| matches!(pod.state, Container::Stopped(_) | Container::Absent);
        let pods = self.survey.pods.iter().filter(does_not_run);
        pods.filter(move |pod| pod.ordinal != target)
    }
}

/// How such a pod comes up.
fn start(pod: &PodReport) -> String {
    match &pod.state {
        Container::Absent => "apply the cluster's block again (vd apply -f <file>)".to_owned(),
        Container::Stopped(word) if word == "restarting" => {
            format!(
                "see why it does not stay up (docker logs {})",
                pod.container
            )
        }
        _ => format!("start it (docker start {})", pod.container),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::handover::fixture::World;
    use crate::cluster::remains::Held;

    fn exited() -> Container {
        Container::Stopped("exited".to_owned())
    }

    fn standby(end: &str) -> Option<Data> {
        let end = end.parse().ok()?;
        Some(Data {
            is_standby: true,
            timeline: 1,
            end,
        })
    }

    /// The primary is gone, pod 1 is to take over, and pod 2 does not run.
    fn world(state: Container, held: Held) -> World {
        let world = World::new().force().is(0, exited()).is(2, state);
        world.holds("0", Ok(standby("0/9000148"))).holds("2", held)
    }

    fn notes(world: &World) -> String {
        world.plan().unwrap().notes.join("; ")
    }

    #[test]
    fn a_stopped_standby_that_has_more_is_not_passed_over() {
        let ahead = || world(exited(), Ok(standby("0/5000248")));
        let reason = "the volume of pod s-db.2 holds 256 B more WAL than pod 1 has";
        ahead().refused(
            reason,
            "start it (docker start s-db.2), and promote that one instead",
        );
        world(Container::Absent, Ok(standby("0/5000248"))).refused(reason, "vd apply");
        let mut allowed = ahead();
        allowed.wish.allow_lag = true;
        let notes = notes(&allowed);
        assert!(
            notes.starts_with("the volume of s-db.2 holds 256 B more WAL than pod 1 has")
                && !notes.contains("next boot"),
            "{notes}"
        );
        // A handover that was begun before is forced.
        let resumed = ahead().record("state=steady", "state=handover\ntarget=1");
        resumed.refused(reason, "--allow-lag");
    }

    #[test]
    fn one_that_has_no_more_follows() {
        for held in [standby("0/5000148"), standby("0/5000100"), None] {
            let world = world(exited(), Ok(held));
            assert_eq!(
                notes(&world),
                "s-db.2 is exited; it follows at its next boot"
            );
        }
    }

    /// Its successor has nothing of it, and the operator knew that; one that handed over has what the
    /// others were sent.
    #[test]
    fn a_former_primary_counts_when_it_handed_over() {
        let former = || {
            let mut data = standby("0/5000248").unwrap();
            data.is_standby = false;
            world(exited(), Ok(Some(data)))
        };
        assert_eq!(
            notes(&former()),
            "s-db.2 is exited, and its data are a former primary's; it follows after vd pg:rejoin s/db --replica 2"
        );
        let clean = former().record(
            "state=steady\n",
            "state=steady\ntimeline=1\nclean=2@0/5000200\n",
        );
        clean.refused(
            "the volume of pod s-db.2 holds 256 B more WAL",
            "docker start s-db.2",
        );
    }

    #[test]
    fn what_is_not_known_of_one_is_said() {
        let unknown = world(exited(), Err("docker did not answer".to_owned()));
        assert_eq!(
            notes(&unknown),
            "s-db.2 is exited, and whether it has more than pod 1 is not known (docker did not answer); to know it, start it (docker start s-db.2) first"
        );
        let mut unseen = world(exited(), Ok(None));
        unseen.remains.clear();
        assert!(notes(&unseen).contains("its volume was not looked at"));
        assert!(!notes(&unseen).contains("follows"));
    }
}
