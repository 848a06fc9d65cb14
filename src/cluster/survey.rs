//! What every pod says, asked at once: one `docker inspect` for all, one session in each. A pod
//! that hangs costs the time of one question and hides nothing of the others.

use std::collections::BTreeMap;
use std::fmt;
use std::thread;

use serde_json::{Map, Value};

use crate::cluster::Cluster;
use crate::cluster::pulse::Pulse;
use crate::cluster::scripts::is_todays;
use crate::cluster::silence::Silence;
use crate::docker::container::Container;
use crate::docker::engine::Docker;
use crate::docker::invocation::PROBE;
use crate::docker::runner::Failure;
use crate::model::ordinal::Ordinal;
use crate::model::refusal::Refusal;
use crate::postgres::psql::Psql;
use crate::postgres::server::{ROLE, Server};
use crate::postgres::session::Login;

/// Every pod that the cluster should have, in order.
#[derive(Debug, Default, Clone, PartialEq)]
pub(crate) struct Survey {
    pub(crate) pods: Vec<PodReport>,
}

/// One pod.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct PodReport {
    pub(crate) ordinal: Ordinal,
    pub(crate) container: String,
    pub(crate) state: State,
    /// Whether its container runs today's script: one of an older version cannot read every
    /// record that is written today.
    pub(crate) is_ours: bool,
    /// Whether its script acts on the record of this host.
    pub(crate) pulse: Pulse,
    /// On the platform's network, while it runs.
    pub(crate) address: Option<String>,
    pub(crate) server: Result<Server, Silence>,
    /// What the further questions of the survey were answered.
    pub(crate) more: Map<String, Value>,
}

/// What docker says of a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum State {
    Running,
    Paused,
    Absent,
    /// `restarting`, `exited`, `created`, `dead`
    Stopped(String),
}

impl Survey {
    /// Asks every pod for its role.
    pub(crate) fn take(cluster: &Cluster, docker: Docker<'_>) -> Result<Self, Failure> {
        Self::take_with(cluster, docker, "")
    }

    /// Asks every pod for its role, and then more: statements that answer one JSON object on one
    /// line each. A statement that fails costs its own answer only.
    pub(crate) fn take_with(
        cluster: &Cluster,
        docker: Docker<'_>,
        more: &str,
    ) -> Result<Self, Failure> {
        let sql = format!("{ROLE}{more}");
        let pods = Ordinal::all(cluster.deployed.replicas);
        let pods: Vec<_> = pods
            .map(|pod| (pod, cluster.reference.container(pod)))
            .collect();
        let names: Vec<_> = pods.iter().map(|(_, name)| name.clone()).collect();
        let login = cluster.login();
        let sql = &sql;
        thread::scope(|scope| {
            let inspected = scope.spawn(|| docker.inspect(&names));
            let asked = pods
                .iter()
                .map(|(_, name)| scope.spawn(move || ask(docker, name, login, sql)));
            let asked: Vec<_> = asked.collect();
            let containers = join(inspected)?;
            let mut containers: BTreeMap<_, _> = containers
                .into_iter()
                .map(|container| (container.name.clone(), container))
                .collect();
            let reports = pods.iter().zip(asked).map(|((pod, name), answer)| {
                report(*pod, name, containers.remove(name), join(answer))
            });
            let mut survey = Self {
                pods: reports.collect(),
            };
            survey.take_pulses(cluster, docker);
            Ok(survey)
        })
    }

    /// A pod's report.
    pub(crate) fn pod(&self, ordinal: Ordinal) -> Option<&PodReport> {
        self.pods.iter().find(|pod| pod.ordinal == ordinal)
    }

    /// The pods that accept writes: one, when all is well.
    pub(crate) fn writable(&self) -> impl Iterator<Item = &PodReport> {
        self.pods.iter().filter(|pod| pod.is_writable())
    }
}

impl PodReport {
    /// What its server says, when it says anything.
    pub(crate) fn server(&self) -> Option<&Server> {
        self.server.as_ref().ok()
    }
}

impl PodReport {
    /// Whether it accepts writes, as far as it answers.
    pub(crate) fn is_writable(&self) -> bool {
        self.server().is_some_and(|server| !server.in_recovery)
    }

    /// It accepts writes, and the record names another pod.
    pub(crate) fn second_primary(&self, primary: Ordinal) -> Refusal {
        Refusal::new(
            format!(
                "pod {} accepts writes, although the record names pod {primary} as the primary",
                self.container
            ),
            "look at the logs of both pods (docker logs), and stop the wrong one",
        )
    }

    /// That its container does not run, and the command that changes it.
    pub(crate) fn started_by(&self) -> Option<String> {
        let (name, state) = (&self.container, &self.state);
        match state {
            State::Paused => Some(format!("{name} is paused (docker unpause {name})")),
            State::Stopped(word) if word != "restarting" => {
                Some(format!("{name} is {state} (docker start {name})"))
            }
            State::Running | State::Absent | State::Stopped(_) => None,
        }
    }
}

/// What a session answered: the role, and whatever else was asked.
type Answer = Result<(Server, Map<String, Value>), Silence>;

/// A pod that does not answer at once is asked again, for as long as there is time.
fn ask(docker: Docker<'_>, container: &str, login: Login<'_>, sql: &str) -> Answer {
    let psql = Psql::new(docker, container, login);
    let answer = session(psql.patient(docker.patience().min(PROBE)), sql);
    match answer {
        Err(Silence::Hangs) if docker.patience() > PROBE => session(psql, sql),
        answer => answer,
    }
}

fn session(psql: Psql<'_>, sql: &str) -> Answer {
    let output = match psql.capture(sql) {
        Ok(output) => output,
        Err(failure) if failure.timed_out() => return Err(Silence::Hangs),
        Err(failure) => return Err(Silence::Refuses(failure.to_string())),
    };
    let mut lines = output.stdout.lines();
    let role = lines.next().map(serde_json::from_str);
    let Some(Ok(server)) = role else {
        return Err(Silence::of(output.code, &output.stderr));
    };
    let more = lines.filter_map(|line| serde_json::from_str::<Map<_, _>>(line).ok());
    Ok((server, more.flatten().collect()))
}

fn report(ordinal: Ordinal, name: &str, container: Option<Container>, answer: Answer) -> PodReport {
    let state = State::of(container.as_ref());
    let is_ours = container.as_ref().is_some_and(is_todays);
    let address = container.map(|container| container.address);
    let (server, more) = match answer {
        Ok((server, more)) => (Ok(server), more),
        Err(_) if state != State::Running => (Err(Silence::NotRunning), Map::new()),
        Err(silence) => (Err(silence), Map::new()),
    };
    PodReport {
        ordinal,
        container: name.to_owned(),
        state,
        is_ours,
        pulse: Pulse::default(),
        address: address.filter(|address| !address.is_empty()),
        server,
        more,
    }
}

impl State {
    fn of(container: Option<&Container>) -> Self {
        match container.map(|container| container.state.as_str()) {
            None => Self::Absent,
            Some("running") => Self::Running,
            Some("paused") => Self::Paused,
            Some(other) => Self::Stopped(other.to_owned()),
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Absent => "absent",
            Self::Stopped(state) => state,
        })
    }
}

/// A thread of ours does not panic; if one did, so would this.
fn join<T>(thread: thread::ScopedJoinHandle<'_, T>) -> T {
    thread
        .join()
        .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

#[cfg(test)]
impl PodReport {
    /// A running pod of `s/db` that answers so.
    pub(crate) fn answering(ordinal: &str, server: Server) -> Self {
        let ordinal: Ordinal = ordinal.parse().unwrap();
        Self {
            ordinal,
            container: format!("s-db.{ordinal}"),
            state: State::Running,
            is_ours: true,
            pulse: Pulse::Beats,
            address: Some("172.18.0.9".to_owned()),
            server: Ok(server),
            more: Map::new(),
        }
    }

    /// A pod of `s/db` in that state, whose server does not answer.
    pub(crate) fn silent(ordinal: &str, state: State, silence: Silence) -> Self {
        Self {
            state,
            server: Err(silence),
            ..Self::answering(ordinal, Server::default())
        }
    }
}

#[cfg(test)]
#[path = "survey_tests.rs"]
mod tests;
