//! How the pods stand when one of them is to become the primary.

use crate::cluster::certainty::{Incapable, Writability};
use crate::cluster::handover::gate::{Facts, Wish};
use crate::cluster::silence::Silence;
use crate::cluster::survey::{PodReport, State as Container};
use crate::model::byte_size::ByteSize;
use crate::model::ordinal::Ordinal;
use crate::model::refusal::{Refusal, Result};
use crate::postgres::server::Server;

/// The pod that is to become the primary.
pub(super) struct Standby<'a> {
    pub(super) pod: &'a PodReport,
    pub(super) server: &'a Server,
}

/// Why there can be no handover.
pub(super) enum Obstacle {
    Certain(Incapable),
    /// It is not known whether there can be one.
    Unknown {
        why: String,
        next: String,
    },
}

impl Obstacle {
    pub(super) fn why(&self) -> &str {
        match self {
            Self::Certain(proof) => proof.why(),
            Self::Unknown { why, .. } => why,
        }
    }
}

/// A standby's connection to its primary.
pub(super) struct Connection {
    /// What it has to replay, in bytes.
    pub(super) behind: u64,
    pub(super) is_streaming: bool,
}

impl Standby<'_> {
    /// Its connection to that primary, over which it is sent all that there is before the
    /// primary's shutdown ends.
    pub(super) fn connection(&self, primary: &Server) -> std::result::Result<Connection, Obstacle> {
        let name = &self.pod.container;
        let certain = |why| Obstacle::Certain(Incapable::unconnected(primary, why));
        let follower = primary
            .follower(self.pod.ordinal)
            .ok_or_else(|| certain(format!("{name} is not connected to it")))?;
        if !matches!(&follower.state[..], "streaming" | "catchup") {
            return Err(certain(format!(
                "{name} is connected to it in state {}",
                follower.state
            )));
        }
        if follower.is_beyond() {
            let why = format!("{name} holds WAL that the primary never sent");
            let next = "vd pg:rejoin says what only it has, and makes it a copy".to_owned();
            return Err(Obstacle::Unknown { why, next });
        }
        let behind = follower.lag_bytes.ok_or_else(|| Obstacle::Unknown {
            why: format!("{name} has just connected and not said yet how far it is"),
            next: "run this again in a moment".to_owned(),
        })?;
        Ok(Connection {
            behind,
            is_streaming: follower.is_streaming(),
        })
    }

    /// It holds the data of somebody else.
    pub(super) fn stranger(&self, primary: Ordinal) -> Refusal {
        let name = &self.pod.container;
        Refusal::new(
            format!("pod {name} holds another database than pod {primary}"),
            "look at both (docker logs), and see which of their volumes is not the cluster's",
        )
    }
}

impl<'a> Facts<'a> {
    /// The target, which must be a standby that runs and replays.
    pub(super) fn standby(self, primary: Ordinal, target: Ordinal) -> Result<Standby<'a>> {
        let cluster = self.cluster;
        let Some(pod) = self.survey.pod(target) else {
            return Err(Refusal::new(
                format!("{cluster}: there is no pod {target}"),
                "use another number",
            ));
        };
        let server = match &pod.server {
            Ok(server) => server,
            Err(Silence::NotRunning) => return Err(not_running(pod)),
            Err(silence) => return Err(silent(pod, silence)),
        };
        if !server.in_recovery {
            return Err(pod.second_primary(primary));
        }
        if let (true, Some(refusal)) = (server.replay_paused, self.outgrown(primary, pod)) {
            return Err(refusal);
        }
        if server.replay_paused {
            return Err(Refusal::new(
                format!("pod {} does not replay: it was paused there", pod.container),
                format!(
                    "resume it: vd pg:psql {cluster} --replica {target} -c \"SELECT pg_wal_replay_resume()\""
                ),
            ));
        }
        Ok(Standby { pod, server })
    }

    pub(super) fn check_single_primary(self, primary: Ordinal) -> Result<()> {
        match self.survey.writable().find(|pod| pod.ordinal != primary) {
            None => Ok(()),
            Some(pod) => Err(pod.second_primary(primary)),
        }
    }

    /// The recorded primary's server, when it is one.
    pub(super) fn primary(self, primary: Ordinal) -> std::result::Result<&'a Server, Obstacle> {
        let Some(pod) = self.survey.pod(primary) else {
            return Err(Obstacle::Unknown {
                why: format!("there is no pod {primary}"),
                next: "set replicas so that there is one, and apply".to_owned(),
            });
        };
        match pod.writability() {
            Writability::Yes(server) => Ok(server),
            Writability::No(proof) => Err(Obstacle::Certain(proof)),
            Writability::Unknown(silence) => Err(Obstacle::Unknown {
                why: format!("{} {silence}", pod.container),
                next: silence.next(&pod.container),
            }),
        }
    }

    /// The standbys that have no part in it and are not well.
    pub(super) fn notes(self, wish: &Wish) -> Vec<String> {
        let Some(record) = self.record else {
            return Vec::new();
        };
        let primary = self.primary(record.primary).ok();
        let hands_over = primary.is_some_and(|server| server.follower(wish.target).is_some());
        let others = self.survey.pods.iter();
        let others =
            others.filter(|pod| pod.ordinal != record.primary && pod.ordinal != wish.target);
        others
            .filter_map(|pod| match pod.server {
                Err(Silence::NotRunning) if !hands_over && pod.state != Container::Paused => {
                    self.note_of_stopped(pod, wish)
                }
                _ => note(pod, primary, wish),
            })
            .collect()
    }
}

fn note(pod: &PodReport, primary: Option<&Server>, wish: &Wish) -> Option<String> {
    let name = &pod.container;
    match &pod.server {
        Err(Silence::NotRunning) if pod.state == Container::Absent => {
            return Some(format!("{name} does not exist"));
        }
        Err(Silence::NotRunning) => {
            return Some(format!(
                "{name} is {}; it follows at its next boot",
                pod.state
            ));
        }
        Err(silence) => return Some(format!("{name} {silence}")),
        Ok(_) => {}
    }
    let follower = primary?.follower(pod.ordinal);
    let behind = follower.and_then(|follower| follower.lag_bytes);
    match follower {
        None => Some(format!(
            "{name} does not stream; it follows as soon as it can"
        )),
        Some(follower) if !follower.is_streaming() => Some(format!(
            "{name} is not streaming yet, its connection is in state {}",
            follower.state
        )),
        Some(_) => behind
            .filter(|behind| *behind > wish.max_lag.0)
            .map(|behind| format!("{name} is {} behind", ByteSize(behind))),
    }
}

/// It exists or not, and does not run.
pub(super) fn not_running(pod: &PodReport) -> Refusal {
    let (name, state) = (&pod.container, &pod.state);
    let next = match state {
        Container::Paused => format!("run docker unpause {name}"),
        Container::Absent => "apply the cluster's block again: vd apply -f <file>".to_owned(),
        Container::Running | Container::Stopped(_) => {
            format!("its log says why: docker logs {name}")
        }
    };
    let reason = match state {
        Container::Absent => format!("pod {name} does not exist"),
        _ => format!("pod {name} is not running, it is {state}"),
    };
    Refusal::new(reason, next)
}

pub(super) fn silent(pod: &PodReport, silence: &Silence) -> Refusal {
    let name = &pod.container;
    Refusal::new(format!("pod {name} {silence}"), silence.next(name))
}
