//! What the operator reads about a promotion.

use std::time::Duration;

use crate::cluster::divergence::Divergence;
use crate::cluster::handover::after::Followers;
use crate::cluster::handover::gate::{Facts, Plan, Way, Wish};
use crate::cluster::survey::PodReport;
use crate::model::byte_size::ByteSize;
use crate::model::ordinal::Ordinal;
use crate::model::resource_ref::ResourceRef;

/// What is left of a primary that could not hand over.
pub(crate) struct OldPrimary {
    pub(crate) pod: Ordinal,
    pub(crate) container: String,
    pub(crate) only_there: Result<Divergence, String>,
}

/// A promotion that came to its end.
pub(crate) struct Report<'a> {
    pub(crate) cluster: &'a ResourceRef,
    pub(crate) target: Ordinal,
    pub(crate) plan: &'a Plan,
    /// Whether the old primary left with nothing that the new one lacks.
    pub(crate) left_cleanly: bool,
    /// Between the request and the first write on the new primary.
    pub(crate) paused: Option<Duration>,
    /// That a commit waits there for synchronous standbys.
    pub(crate) commits: Option<String>,
    pub(crate) events: Vec<String>,
    pub(crate) followers: Followers,
    /// Those that may hold what nobody else has.
    pub(crate) old: Vec<OldPrimary>,
    /// What became of the applications.
    pub(crate) applications: Vec<String>,
}

impl Report<'_> {
    /// The lines of the message.
    pub(crate) fn text(&self) -> String {
        let mut lines = vec![self.first_line()];
        lines.extend(self.commits.iter().map(|line| format!("  {line}")));
        lines.extend(self.events.iter().map(|event| format!("  {event}")));
        lines.extend(
            self.followers
                .missing
                .iter()
                .map(|(pod, state)| self.missing(*pod, state)),
        );
        lines.extend(
            self.plan
                .notes
                .iter()
                .map(|note| format!("  before: {note}")),
        );
        lines.extend(
            self.plan
                .effects
                .lines
                .iter()
                .map(|line| format!("  {line}")),
        );
        lines.extend(self.old.iter().flat_map(|old| self.old_primary(old)));
        lines.extend(self.applications.iter().map(|line| format!("  {line}")));
        lines.join("\n")
    }

    fn first_line(&self) -> String {
        let (cluster, target) = (self.cluster, self.target);
        let paused = self.paused.map_or_else(String::new, |paused| {
            format!(
                "; writes paused for {:.1} s at the most",
                paused.as_secs_f64()
            )
        });
        let why = match &self.plan.way {
            Way::Finish => return format!("pod {target} is already the primary of {cluster}"),
            Way::EndMaintenance => {
                return format!(
                    "pod {target} is the primary of {cluster} with the data that it had: the restore ended before it counted"
                );
            }
            Way::BringBack { lost } => {
                return format!(
                    "pod {target} is now the primary of {cluster} with the data that it has: pod {lost} has none any more, and what was committed there alone is lost"
                );
            }
            Way::Establish => {
                return format!("pod {target} is recorded as the primary of {cluster}");
            }
            _ if self.left_cleanly => {
                let lost = if self.plan.effects.empties {
                    "no logged commit was lost"
                } else {
                    "nothing was lost"
                };
                return format!("pod {target} is now the primary of {cluster}, and {lost}{paused}");
            }
            Way::TakeOver { why, .. } => why,
            Way::HandOver { .. } | Way::Resume => "the old primary did not stop in time",
        };
        format!("pod {target} is now the primary of {cluster}, without a handover: {why}")
    }

    fn missing(&self, pod: Ordinal, state: &str) -> String {
        let (cluster, container) = (self.cluster, self.cluster.container(pod));
        match state {
            "running" => format!("  pod {pod} does not stream yet; see docker logs {container}"),
            "absent" => format!("  pod {pod} does not exist; apply the block of {cluster}"),
            "paused" => {
                format!("  pod {pod} is paused; it follows after docker unpause {container}")
            }
            _ => format!("  pod {pod} does not run, its container is {state}"),
        }
    }

    fn old_primary(&self, old: &OldPrimary) -> Vec<String> {
        let (pod, container, cluster) = (old.pod, &old.container, self.cluster);
        let rejoin = format!("vd pg:rejoin {cluster} --replica {pod}");
        match &old.only_there {
            Ok(Divergence { commits: 0, .. }) => vec![format!(
                "  pod {pod} holds no transactions that the others lack; make it a standby again: {rejoin}"
            )],
            Ok(only_there) => vec![
                format!("  LOST unless you save them: {only_there}, which only pod {pod} has"),
                format!(
                    "  they are kept in its volume; copy them out before you give them up: docker cp {container}:/var/lib/postgresql/data/pgdata <directory>"
                ),
                format!("  then make it a standby again: {rejoin} --yes"),
            ],
            Err(why) => vec![
                format!("  what only pod {pod} has is unknown: {why}"),
                format!("  nothing in its volume is changed; make it a standby again: {rejoin}"),
            ],
        }
    }
}

/// What `--dry-run` prints.
pub(crate) fn outlook(
    facts: Facts<'_>,
    wish: &Wish,
    plan: &Plan,
    applications: &[String],
) -> String {
    let (cluster, target) = (facts.cluster, wish.target);
    let mut lines = vec![match &plan.way {
        Way::Finish => format!("pod {target} is already the primary of {cluster}"),
        Way::Resume => format!("a handover to pod {target} is going on; it would be watched"),
        Way::HandOver { behind } => format!(
            "pod {target} of {cluster} can take over without {}: it has {} to replay",
            if plan.effects.empties {
                "the loss of a logged commit"
            } else {
                "a loss"
            },
            ByteSize(*behind)
        ),
        Way::TakeOver { why, lost } => format!(
            "pod {target} of {cluster} would become the primary without a handover: {why}; {}",
            match lost {
                Some(lost) => format!("it lacks {} of WAL at this moment", ByteSize(*lost)),
                None => "what would be lost is unknown".to_owned(),
            }
        ),
        Way::BringBack { lost } => format!(
            "pod {target} of {cluster} would become the primary with the data that it has: pod {lost} has none any more, and what was committed there alone is lost"
        ),
        Way::Establish => format!("pod {target} would be recorded as the primary of {cluster}"),
        Way::EndMaintenance => format!(
            "the restore would be taken back, and pod {target} would be the primary of {cluster}"
        ),
    }];
    lines.extend(
        facts
            .survey
            .pods
            .iter()
            .map(|pod| format!("  {}", standing(pod))),
    );
    lines.extend(plan.notes.iter().map(|note| format!("  note: {note}")));
    lines.extend(
        plan.effects
            .lines
            .iter()
            .map(|line| format!("  effect: {line}")),
    );
    lines.extend(applications.iter().map(|line| format!("  then: {line}")));
    lines.push("  nothing was changed".to_owned());
    lines.join("\n")
}

fn standing(pod: &PodReport) -> String {
    let name = &pod.container;
    let Some(server) = pod.server() else {
        return format!("{name}  {}, no answer", pod.state);
    };
    let role = if server.in_recovery {
        "standby"
    } else {
        "primary"
    };
    let reached = server
        .reached()
        .map_or_else(|| "nowhere".to_owned(), |lsn| lsn.to_string());
    format!("{name}  {role}, timeline {}, at {reached}", server.timeline)
}
