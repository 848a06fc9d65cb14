//! Whether another standby has more than the one that takes over. Once the primary is given up, whatever
//! the new one lacks is lost, also what another pod has received of it.

use crate::cluster::handover::gate::{Facts, Wish};
use crate::cluster::handover::standing::{Obstacle, Standby, not_running, silent};
use crate::cluster::survey::{PodReport, State as Container, Survey};
use crate::model::byte_size::ByteSize;
use crate::model::lsn::Lsn;
use crate::model::ordinal::Ordinal;
use crate::model::refusal::{Refusal, Result};
use crate::postgres::server::Server;

/// The pods of a cluster whose primary is given up.
pub(super) struct Race<'a> {
    pub(super) survey: &'a Survey,
    /// The primary that is given up: what it alone has is measured apart.
    pub(super) primary: Ordinal,
    pub(super) target: Ordinal,
}

impl Facts<'_> {
    /// Nothing but the standbys is left, so the one that has the most should take over.
    pub(super) fn check_ahead(
        self,
        primary: Ordinal,
        standby: &Standby<'_>,
        obstacle: &Obstacle,
        wish: &Wish,
    ) -> Result<()> {
        if wish.allow_lag {
            return Ok(());
        }
        let race = self.race(primary, wish);
        race.check(standby.server, |ahead| match obstacle {
            Obstacle::Certain(proof) => format!(": {}", proof.forced(self.cluster, ahead)),
            Obstacle::Unknown { .. } => " instead".to_owned(),
        })?;
        self.check_stopped(primary, standby.server, wish)
    }

    /// The same for a handover that was begun before and is to be forced now. One that goes on by
    /// itself is only watched, and a target that accepts writes has taken over already.
    pub(super) fn check_resumed(self, primary: Ordinal, wish: &Wish) -> Result<()> {
        if !wish.force || wish.allow_lag {
            return Ok(());
        }
        let Some(pod) = self.survey.pod(wish.target) else {
            return Ok(());
        };
        let obstacle = match (self.primary(primary), &pod.server) {
            (_, Ok(server)) if !server.in_recovery => return Ok(()),
            (Ok(server), Ok(own)) => match (Standby { pod, server: own }).connection(server) {
                Ok(_) => return Ok(()),
                Err(obstacle) => obstacle,
            },
            (Ok(_), Err(_)) => return self.race(primary, wish).check_known(pod),
            (Err(obstacle), _) => obstacle,
        };
        match &pod.server {
            Ok(server) => self.check_ahead(primary, &Standby { pod, server }, &obstacle, wish),
            Err(_) => self.race(primary, wish).check_known(pod),
        }
    }

    fn race(&self, primary: Ordinal, wish: &Wish) -> Race<'_> {
        Race {
            survey: self.survey,
            primary,
            target: wish.target,
        }
    }

    /// The standbys that have more than the target: they could not follow it.
    pub(super) fn passed_over(self, wish: &Wish) -> Vec<String> {
        let (cluster, target) = (self.cluster, wish.target);
        let Some(least) = self.survey.pod(target).and_then(PodReport::server) else {
            return Vec::new();
        };
        let more = |pod: &&PodReport| {
            let server = pod.server().filter(|server| server.in_recovery);
            server.is_some_and(|server| reached(server) > reached(least))
        };
        let note = |pod: &PodReport| {
            let (name, ordinal) = (&pod.container, pod.ordinal);
            format!(
                "{name} has more than pod {target}, and can follow it once that is given up: vd pg:rejoin {cluster} --replica {ordinal}"
            )
        };
        let up = self.survey.pods.iter().filter(more).map(note);
        up.chain(self.fuller_stopped(least, wish)).collect()
    }
}

impl<'a> Race<'a> {
    /// Looks anew, where the primary is about to be given up in the middle of a handover.
    pub(super) fn check_now(&self) -> Result<()> {
        match self.survey.pod(self.target) {
            None => Ok(()),
            Some(pod) => match &pod.server {
                Ok(server) if !server.in_recovery => Ok(()),
                Ok(server) => self.check(server, |_| " instead".to_owned()),
                Err(_) => self.check_known(pod),
            },
        }
    }

    /// Refuses when another standby has more than that server of the target, or may have: `promote` is
    /// the way to that one.
    fn check(&self, server: &Server, promote: impl Fn(Ordinal) -> String) -> Result<()> {
        let target = self.target;
        if let Some((ahead, bytes)) = self.ahead(server) {
            let of_timeline = match bytes {
                Some(bytes) => format!("{} more of the primary's WAL", ByteSize(bytes)),
                None => "WAL of a newer timeline".to_owned(),
            };
            return Err(Refusal::new(
                format!(
                    "pod {} has {of_timeline} than pod {target}",
                    ahead.container
                ),
                format!(
                    "promote that one{}; or add --allow-lag to give up what pod {target} lacks",
                    promote(ahead.ordinal)
                ),
            ));
        }
        match self.others().find_map(|pod| Some((pod, unknown(pod)?))) {
            None => Ok(()),
            Some((pod, reason)) => Err(Refusal::new(
                format!(
                    "whether pod {} has more than pod {target} is not known: {reason}",
                    pod.container
                ),
                format!(
                    "{}; then run this again; or add --allow-lag to give up what pod {target} may lack",
                    reason.next()
                ),
            )),
        }
    }

    /// Nothing can be compared with a target that gives no answer.
    fn check_known(&self, target: &PodReport) -> Result<()> {
        let is_up = |pod: &PodReport| pod.server.is_ok() || unknown(pod).is_some();
        let Some(other) = self.others().find(|pod| is_up(pod)) else {
            return Ok(());
        };
        let reason = unknown(target).unwrap_or_else(|| not_running(target));
        Err(Refusal::new(
            format!(
                "whether pod {} has more than pod {} is not known: {reason}",
                other.container, self.target
            ),
            format!(
                "{}; then run this again; or add --allow-lag to give up what pod {} may lack",
                reason.next(),
                self.target
            ),
        ))
    }

    /// The standby that has the most, when that is more than the target has, and by how many bytes
    /// of the same timeline.
    fn ahead(&self, target: &Server) -> Option<(&'a PodReport, Option<u64>)> {
        let known = self.others().filter_map(|pod| Some((pod, pod.server()?)));
        let (pod, server) = known.max_by_key(|(_, server)| reached(server))?;
        if reached(server) <= reached(target) {
            return None;
        }
        let same = server.timeline == target.timeline;
        let bytes = same.then(|| Some(server.reached()?.bytes_since(target.reached()?)));
        Some((pod, bytes.flatten()))
    }

    fn others(&self) -> impl Iterator<Item = &'a PodReport> {
        let (primary, target) = (self.primary, self.target);
        let is_other = move |pod: &&PodReport| pod.ordinal != primary && pod.ordinal != target;
        self.survey.pods.iter().filter(is_other)
    }
}

/// Why it is not known how far a pod is that docker runs. One that is stopped, that docker starts again
/// and again, like an old primary behind its split-brain guard, or that lost its container is a part of the
/// outage: its volume is looked at (`stopped.rs`).
fn unknown(pod: &PodReport) -> Option<Refusal> {
    let silence = pod.server.as_ref().err()?;
    match &pod.state {
        Container::Running => Some(silent(pod, silence)),
        Container::Paused => Some(not_running(pod)),
        Container::Stopped(_) | Container::Absent => None,
    }
}

/// How far a server is, over all timelines.
fn reached(server: &Server) -> (u32, Option<Lsn>) {
    (server.timeline, server.reached())
}
