//! What is wrong with one pod.

use super::{Check, Problem};
use crate::cluster::scripts::older;
use crate::cluster::survey::{PodReport, State as PodState};
use crate::model::byte_size::ByteSize;
use crate::postgres::server::{Follower, Server};

impl Check<'_> {
    pub(super) fn container(&self, pod: &PodReport) -> Option<Problem> {
        let name = &pod.container;
        let log = || format!("its log says why: docker logs {name}");
        let apply = || "apply the block again: vd apply -f <file>".to_owned();
        let (what, next) = match (&pod.state, &pod.server) {
            (PodState::Absent, _) => (format!("{name} does not exist"), apply()),
            (PodState::Paused, _) => (
                format!("{name} is paused"),
                format!("run docker unpause {name}"),
            ),
            (PodState::Stopped(state), _) if state == "restarting" => {
                (format!("{name} is {state}"), log())
            }
            (PodState::Stopped(state), _) => (
                format!("{name} is {state}"),
                format!("docker logs {name} says why, and docker start {name} starts it"),
            ),
            (PodState::Running, _) if !pod.is_ours => (older(name), apply()),
            // Where postgres is stopped on purpose, nobody answers.
            (PodState::Running, Err(_)) if self.condition.is_in_motion() => return None,
            (PodState::Running, Err(silence)) => (format!("{name} {silence}"), silence.next(name)),
            (PodState::Running, Ok(_)) => return None,
        };
        Some(Problem::new(what, next))
    }

    /// A server without a free connection may be well, and nobody else gets in.
    pub(super) fn crowd(&self, pod: &PodReport) -> Option<Problem> {
        let crowd = self
            .condition
            .inventories
            .get(&pod.ordinal)?
            .crowd
            .as_ref()?;
        let (name, reference, ordinal) = (&pod.container, self.reference(), pod.ordinal);
        let psql = format!("vd pg:psql {reference} --replica {ordinal}");
        Some(Problem::new(format!("{name}: {crowd}"), crowd.next(&psql)))
    }

    /// Whether a standby follows the one primary.
    pub(super) fn standby(&self, pod: &PodReport, server: &Server) -> Option<Problem> {
        if !server.in_recovery || pod.ordinal == self.condition.recorded_primary() {
            return None;
        }
        let (name, reference, ordinal) = (&pod.container, self.reference(), pod.ordinal);
        let primary = self.condition.writer().and_then(PodReport::server);
        let streams = match primary {
            Some(primary) => primary
                .follower(ordinal)
                .is_some_and(Follower::is_streaming),
            None => server.is_receiving(),
        };
        if primary.is_some_and(|primary| primary.system != server.system) {
            return Some(Problem::new(
                format!("{name} holds another database than the primary"),
                format!("to copy the primary again: vd delete {reference}.{ordinal} --prune"),
            ));
        }
        let row = primary.and_then(|primary| primary.follower(ordinal));
        if row.is_some_and(Follower::is_beyond) {
            return Some(Problem::new(
                format!("{name} holds WAL that the primary never sent, so it has other rows"),
                format!(
                    "see what only it has, and make it a copy of the primary: vd pg:rejoin {reference} --replica {ordinal}"
                ),
            ));
        }
        if !streams {
            return Some(Problem::new(
                format!("{name} does not stream from the primary"),
                format!("its log says why: docker logs {name}"),
            ));
        }
        // The limits are named by themselves, and resuming would shut the server down.
        if server.replay_paused && !self.lower_limits(pod).is_empty() {
            return None;
        }
        if server.replay_paused {
            return Some(Problem::new(
                format!("the replay is paused in {name}"),
                format!(
                    "vd pg:psql {reference} --replica {ordinal} -c 'SELECT pg_wal_replay_resume()'"
                ),
            ));
        }
        let lag = primary?.follower(ordinal)?.lag_bytes?;
        (lag > self.max_lag.0).then(|| {
            Problem::new(
                format!("{name} is {} behind", ByteSize(lag)),
                format!("look for what holds it up: vd pg:psql {reference} --replica {ordinal} -c 'SELECT pid, state, query FROM pg_stat_activity'"),
            )
        })
    }

    pub(super) fn settings(&self, pod: &PodReport) -> Option<Problem> {
        let (name, inventory) = (
            &pod.container,
            self.condition.inventories.get(&pod.ordinal)?,
        );
        if inventory.fell_back() {
            return Some(Problem::new(
                format!("{name} runs with older settings, because those of the block do not load"),
                format!("the reason is in docker logs {name}; correct pg_config and apply"),
            ));
        }
        let pending = inventory.pending_restart.iter();
        let pending: Vec<_> = pending
            .filter(|setting| !self.is_limit(pod, setting))
            .map(String::as_str)
            .collect();
        (!pending.is_empty()).then(|| {
            Problem::new(
                format!(
                    "{name} has to restart before these settings hold: {}",
                    pending.join(", ")
                ),
                format!("docker restart {name}"),
            )
        })
    }
}
