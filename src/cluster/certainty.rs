//! What proves that a primary cannot hand over. Only that is a reason to offer an operator to do
//! without a handover, which gives up whatever the primary alone has. A server that answers late,
//! lets nobody in or has no connection left may be writing for its applications: for want of an
//! answer nothing of the kind can be offered, because there is no proof to offer it with.

use std::fmt::Display;

use crate::cluster::silence::Silence;
use crate::cluster::survey::{PodReport, State, Survey};
use crate::postgres::server::Server;

/// A proof, and what it rests on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Incapable {
    why: String,
}

/// Whether a pod accepts writes.
#[derive(Debug)]
pub(crate) enum Writability<'a> {
    Yes(&'a Server),
    No(Incapable),
    /// It was not found out, for that reason.
    Unknown(&'a Silence),
}

impl PodReport {
    /// Whether this pod accepts writes, as far as that is known.
    pub(crate) fn writability(&self) -> Writability<'_> {
        let name = &self.container;
        match (&self.server, &self.state) {
            (Ok(server), _) if !server.in_recovery => Writability::Yes(server),
            (Ok(_), _) => Writability::No(Incapable {
                why: format!("{name} is still in recovery and has not become the primary yet"),
            }),
            (Err(silence), State::Running) => Writability::Unknown(silence),
            (Err(_), state) => Writability::No(Incapable {
                why: format!("{name} is {state}"),
            }),
        }
    }

    /// That its container does not run.
    pub(crate) fn gone(&self) -> Option<Incapable> {
        let proof = || Incapable {
            why: format!("{} is {}", self.container, self.state),
        };
        (self.state != State::Running).then(proof)
    }
}

impl Survey {
    /// That postgres runs nowhere: in no pod whose container runs does anything listen.
    pub(crate) fn nobody(&self) -> Option<Incapable> {
        let down =
            |pod: &PodReport| pod.state != State::Running || pod.server == Err(Silence::Down);
        let proof = || Incapable {
            why: "postgres runs in none of the pods".to_owned(),
        };
        self.pods.iter().all(down).then(proof)
    }
}

impl Incapable {
    /// That a primary, which answers, has no connection to that standby over which it could send
    /// what is missing there. `why` names the standby.
    pub(crate) fn unconnected(_primary: &Server, why: String) -> Self {
        Self { why }
    }

    /// That the pod of that container gave a restore up: it removed the request by which it would carry
    /// the restore out, and so has nothing to do while the maintenance lasts.
    pub(crate) fn without_request(container: impl Display) -> Self {
        Self {
            why: format!("{container} gave the restore up"),
        }
    }

    /// That the cluster has no pod of that name.
    pub(crate) fn absent(container: impl Display) -> Self {
        Self {
            why: format!("{container} is absent"),
        }
    }

    /// What it rests on: a sentence without its full stop.
    pub(crate) fn why(&self) -> &str {
        &self.why
    }

    /// The command that does without a handover.
    #[expect(clippy::unused_self, reason = "whoever has no proof cannot call it")]
    pub(crate) fn forced(&self, cluster: impl Display, target: impl Display) -> String {
        format!("vd pg:promote {cluster} --replica {target} --force")
    }

    /// The same for a command that is typed already.
    #[expect(clippy::unused_self, reason = "whoever has no proof cannot call it")]
    pub(crate) fn add_force(&self) -> &'static str {
        "add --force"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The one place where something is proved, and everything that proves nothing.
    #[test]
    fn for_want_of_an_answer_nothing_is_proved() {
        let words = || "FATAL:  no".to_owned();
        for silence in [
            Silence::Hangs,
            Silence::Down,
            Silence::NotReady(words()),
            Silence::CannotLogIn(words()),
            Silence::Crowded(words()),
            Silence::Refuses(words()),
            // Docker saw it run, and it ended right then.
            Silence::NotRunning,
        ] {
            let pod = PodReport::silent("0", State::Running, silence);
            assert!(matches!(pod.writability(), Writability::Unknown(_)));
            assert_eq!(pod.gone(), None);
        }
    }

    #[test]
    fn what_is_certain() {
        for state in [
            State::Paused,
            State::Absent,
            State::Stopped("exited".to_owned()),
        ] {
            let expected = format!("s-db.0 is {state}");
            let pod = PodReport::silent("0", state, Silence::NotRunning);
            let Writability::No(proof) = pod.writability() else {
                panic!("{pod:?}")
            };
            assert_eq!(proof.why(), expected);
            assert_eq!(pod.gone(), Some(proof));
        }
        let standby = Server {
            in_recovery: true,
            ..Server::default()
        };
        let standby = PodReport::answering("0", standby);
        assert!(matches!(standby.writability(), Writability::No(_)));
        assert_eq!(standby.gone(), None);
    }

    #[test]
    fn postgres_runs_nowhere_only_when_that_is_known_of_every_pod() {
        let paused = || PodReport::silent("0", State::Paused, Silence::NotRunning);
        let running = |silence| PodReport::silent("1", State::Running, silence);
        for (silence, nobody) in [
            (Silence::Down, true),
            (Silence::Hangs, false),
            (Silence::Crowded("FATAL:  no".to_owned()), false),
        ] {
            let pods = vec![paused(), running(silence)];
            assert_eq!(Survey { pods }.nobody().is_some(), nobody);
        }
    }
}
