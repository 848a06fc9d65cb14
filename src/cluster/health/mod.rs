//! What is wrong with a cluster: one sentence and one next step for each thing. Decides on what was
//! examined, and asks nothing.

mod commits;
#[cfg(test)]
mod fixture;
#[cfg(test)]
mod history_tests;
mod limits;
mod pods;
#[cfg(test)]
mod prospects_tests;
mod rooms;
#[cfg(test)]
mod script_tests;
mod slots;
mod stored;
#[cfg(test)]
mod tests;

use std::fmt;
use std::time::Duration;

use crate::cluster::certainty::{Incapable, Writability};
use crate::cluster::condition::{Condition, RecordSeen};
use crate::cluster::pulse::Pulse;
use crate::cluster::room::cannot_write;
use crate::cluster::survey::State as Container;
use crate::model::age::since;
use crate::model::byte_size::ByteSize;
use crate::model::ordinal::Ordinal;
use crate::model::topology_record::State;

/// A handover takes less than a second, and a maintenance is watched by whoever began it.
const IN_PASSING: Duration = Duration::from_secs(60);

/// Something that an operator has to look at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Problem {
    pub(crate) what: String,
    /// What to type.
    pub(crate) next: String,
}

impl Problem {
    /// A problem and the next step, both without a full stop.
    pub(crate) fn new(what: impl Into<String>, next: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            next: next.into(),
        }
    }
}

/// On one line, whatever a server said.
impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let line = format!("{}; {}", self.what, self.next);
        f.write_str(&line.replace(char::is_control, " "))
    }
}

/// Everything that is wrong, the worst first.
pub(crate) fn problems(condition: &Condition<'_>, max_lag: ByteSize) -> Vec<Problem> {
    let check = Check { condition, max_lag };
    let mut problems = Vec::new();
    problems.extend(check.motion());
    problems.extend(check.clock());
    if !check.is_in_passing() && !check.is_maintenance() {
        problems.extend(check.writers());
    }
    for pod in &condition.survey.pods {
        problems.extend(check.container(pod));
        // One that cannot write there leaves no heartbeat, and that is said of it.
        let writes_nothing = cannot_write(&condition.rooms, pod.ordinal);
        let pulse = pod.pulse.problem(pod);
        let pulse = pulse.filter(|_| !(writes_nothing && matches!(pod.pulse, Pulse::Still(_))));
        problems.extend(pulse.map(|(what, next)| Problem::new(what, next)));
        problems.extend(check.crowd(pod));
        if let (Some(server), false) = (pod.server(), check.is_in_passing()) {
            problems.extend(check.standby(pod, server));
        }
        problems.extend(check.settings(pod));
        problems.extend(check.limits(pod));
        problems.extend(check.rooms(pod));
        problems.extend(check.slots(pod));
    }
    problems.extend(check.commits());
    problems.extend(check.database());
    problems.extend(check.collations());
    problems.extend(check.record());
    problems.extend(check.config());
    problems
}

struct Check<'a> {
    condition: &'a Condition<'a>,
    max_lag: ByteSize,
}

impl Check<'_> {
    fn reference(&self) -> &impl fmt::Display {
        &self.condition.cluster.reference
    }

    fn is_maintenance(&self) -> bool {
        let record = self.condition.record();
        record.is_some_and(|record| record.state == State::Maintenance)
    }

    /// Whether the pods change their roles at this very moment, so that who is what says nothing.
    fn is_in_passing(&self) -> bool {
        let young = self
            .condition
            .record_age
            .is_some_and(|age| age <= IN_PASSING);
        self.condition.is_in_motion() && young
    }

    /// A change of roles that does not end.
    fn motion(&self) -> Option<Problem> {
        let record = self.condition.record()?;
        if self.is_in_passing() {
            return None;
        }
        let (reference, since) = (self.reference(), since(self.condition.record_age));
        match &record.state {
            State::Steady => None,
            State::Maintenance => Some(Problem::new(
                format!(
                    "the cluster has been in maintenance for {since}, and postgres is stopped on every pod"
                ),
                "run the restore that began it again",
            )),
            State::Handover { target, .. } => {
                let waits_for = self.condition.handover_waits_for().unwrap_or_default();
                Some(Problem::new(
                    format!(
                        "the handover to pod {target} has taken {since} and waits for {waits_for}"
                    ),
                    format!("finish it with vd pg:promote {reference} --replica {target}"),
                ))
            }
        }
    }

    /// What to do when the recorded primary, and so every pod, is known not to accept writes.
    fn without_a_writer(&self, recorded: Ordinal, proof: &Incapable) -> String {
        let (reference, survey) = (self.reference(), &self.condition.survey);
        let container = self.condition.cluster.reference.container(recorded);
        if self.condition.record().is_none() {
            return format!("the first boot may be under way: docker logs {container}");
        }
        let state = survey.pod(recorded).map(|pod| &pod.state);
        let first = match state {
            Some(Container::Paused) => format!("run docker unpause {container}, the primary"),
            Some(Container::Stopped(state)) if state != "restarting" => {
                format!("start pod {recorded}, the primary: docker start {container}")
            }
            Some(Container::Absent) => {
                format!("bring pod {recorded}, the primary, back: vd apply -f <file>")
            }
            _ => format!("see what pod {recorded}, the primary, does: docker logs {container}"),
        };
        if survey.pods.len() < 2 {
            return first;
        }
        let forced = proof.forced(reference, "<ordinal>");
        format!("{first}; or promote another one: {forced}")
    }

    /// The recorded primary's standing decides: only it may accept writes.
    fn no_writer_seen(&self, recorded: Ordinal) -> Problem {
        let pod = self.condition.survey.pod(recorded);
        match pod.map(|pod| (pod, pod.writability())) {
            Some((_, Writability::No(proof))) => Problem::new(
                "no pod accepts writes",
                self.without_a_writer(recorded, &proof),
            ),
            Some((pod, Writability::Unknown(silence))) => Problem::new(
                format!("it is not known whether pod {recorded}, the primary, accepts writes"),
                silence.next(&pod.container),
            ),
            Some((_, Writability::Yes(_))) | None => Problem::new(
                "no pod accepts writes",
                format!(
                    "there is no pod {recorded}, the recorded primary: set replicas so that there is one, and apply"
                ),
            ),
        }
    }

    fn writers(&self) -> Option<Problem> {
        let writable: Vec<_> = self.condition.survey.writable().collect();
        let recorded = self.condition.recorded_primary();
        match &writable[..] {
            [] => Some(self.no_writer_seen(recorded)),
            [only] if only.ordinal == recorded => None,
            // Nothing is recorded, which is a problem of its own.
            [_] if self.condition.record == RecordSeen::Missing => None,
            [_] if self.condition.record == RecordSeen::Unreadable => None,
            [only] => Some(Problem::new(
                format!(
                    "{} accepts writes, though pod {recorded} is recorded as the primary",
                    only.container
                ),
                format!("its log says why: docker logs {}", only.container),
            )),
            several => {
                let names: Vec<_> = several.iter().map(|pod| &pod.container[..]).collect();
                Some(Problem::new(
                    format!("several pods accept writes: {}", names.join(", ")),
                    format!("stop the ones that are not pod {recorded}, the recorded primary"),
                ))
            }
        }
    }
}
