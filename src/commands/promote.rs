//! `promote`: another pod becomes the primary.

use crate::cluster::Cluster;
use crate::cluster::divergence::Divergence;
use crate::cluster::handover::Handover;
use crate::cluster::handover::after::Followers;
use crate::cluster::handover::gate::{self, Facts, Plan, Way, Wish};
use crate::cluster::handover::journal::Journal;
use crate::cluster::handover::report::{OldPrimary, Report, outlook};
use crate::cluster::members::Members;
use crate::cluster::relink::{Relinked, relink};
use crate::cluster::room;
use crate::cluster::survey::Survey;
use crate::cluster::wiring::Wiring;
use crate::commands::args::ReplyArgs;
use crate::context::{Caller, Context};
use crate::controller::Controller;
use crate::model::byte_size::ByteSize;
use crate::model::ordinal::Ordinal;
use crate::model::refusal::Refusal;
use crate::model::resource_ref::ResourceRef;
use crate::model::topology::Topology;
use crate::output::Reply;
use crate::postgres::prospects::{PROSPECTS, Prospects};
use crate::wire::action::Restart;

/// Make another pod the primary
///
/// The primary stops, the other pod takes over once it has everything that was committed, and the
/// old primary follows it. Writes pause for about half a second, nothing is lost, no container
/// restarts and nothing is copied. The linked applications get their new DATABASE_URL.
///
/// It is refused, and nothing is changed, when the pod does not stream or is too far behind. A
/// handover that cannot be completed is called off, and the old primary goes on. Run the command
/// again whenever it was interrupted: it goes on from where it is.
///
/// With --force a pod takes over although the primary is dead or cut off. What only the old primary
/// has is lost to the applications then; it stays in that pod's volume, and the command says how
/// much it is.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  vd postgres:promote clowk-lp/db --replica 1
  vd postgres:promote clowk-lp/db --replica 1 --dry-run
  vd postgres:promote clowk-lp/db --replica 1 --max-lag 64MB
  vd postgres:promote clowk-lp/db --replica 1 --force")]
pub(crate) struct Args {
    /// The cluster, as <scope>/<name>
    cluster: ResourceRef,

    /// The pod that becomes the primary
    #[arg(long, value_name = "ORDINAL")]
    replica: Ordinal,

    /// Print the plan and what it rests on, and change nothing
    #[arg(long)]
    dry_run: bool,

    /// How far behind the pod may be, as in 16MB
    #[arg(long, value_name = "SIZE", default_value = "16MB")]
    max_lag: ByteSize,

    #[command(flatten)]
    risk: RiskArgs,

    /// Write the applications' new URLs without restarting the applications
    #[arg(long)]
    no_restart: bool,

    #[command(flatten)]
    reply: ReplyArgs,
}

/// What the operator accepts to lose.
#[derive(Debug, clap::Args)]
struct RiskArgs {
    /// Take over from a primary that cannot hand over, and give up what only it has
    #[arg(long)]
    force: bool,

    /// With --force: pass over a standby that has more than the pod
    #[arg(long, requires = "force")]
    allow_lag: bool,
}

impl Args {
    pub(crate) fn run(&self, context: &Context<'_>) -> anyhow::Result<Reply> {
        let journal = Journal::start(context.progress);
        let session = context.session()?;
        let docker = context.docker();
        let mut cluster = Cluster::load(&*session.controller, &self.cluster)?;
        let writer = cluster.record_writer(context.random)?;
        let (survey, rooms) = std::thread::scope(|scope| {
            let rooms = scope.spawn(|| room::measure(&cluster, docker));
            (
                Survey::take_with(&cluster, docker, PROSPECTS),
                rooms.join().unwrap_or_default(),
            )
        });
        let survey = survey?;
        let facts = Facts {
            cluster: &self.cluster,
            record: cluster.record.as_ref(),
            record_age: cluster.record_age((context.now)()),
            survey: &survey,
            rooms: &rooms,
        };
        let wish = self.wish();
        let plan = gate::plan(facts, &wish)?;
        let relinked = self.relink(&*session.controller, &cluster)?;
        if self.dry_run {
            let text = outlook(facts, &wish, &plan, &relinked.notes);
            return Reply::dispatch(text, []);
        }
        let handover = Handover {
            members: Members {
                cluster: &cluster,
                docker,
            },
            writer,
            journal: &journal,
            wish,
            survey: &survey,
        };
        let mut report = self.carry_out(&handover, &plan)?;
        let target = survey.pod(self.replica).map(|pod| Prospects::of(&pod.more));
        report.commits = handover.prove_a_commit(&target.unwrap_or_default());
        let again = handover.again();
        cluster.reread_record()?;
        report.applications = relinked.notes;
        let mirror = cluster.bookkeeping(Vec::new());
        // The mirror comes last: until it is right, `info` says that something is left to do.
        let mut actions: Vec<_> = relinked.actions.into_iter().chain(mirror).collect();
        if session.caller != Caller::Controller && !actions.is_empty() {
            // They hold passwords.
            actions.clear();
            report.applications.push(format!(
                "run by hand: nobody writes the URLs and the config; {again} does"
            ));
        }
        Reply::dispatch(report.text(), actions)
    }

    /// The applications' URLs with the pod as the primary. What stands in their way is known
    /// before anything changes, and does not stop one that is forced.
    fn relink(&self, controller: &dyn Controller, cluster: &Cluster) -> anyhow::Result<Relinked> {
        let consumers = cluster.consumers();
        let known = consumers.and_then(|consumers| Ok((cluster.connection()?, consumers)));
        let (connection, consumers) = match known {
            Ok(known) => known,
            Err(refusal) if self.risk.force => return Ok(unlinked(&refusal)),
            Err(refusal) => return Err(refusal.into()),
        };
        let wiring = Wiring {
            connection,
            topology: Topology::new(
                self.cluster.clone(),
                cluster.deployed.replicas,
                self.replica,
            )?,
        };
        let restart = if self.no_restart {
            Restart::Skip
        } else {
            Restart::Rolling
        };
        Ok(relink(controller, &consumers, &wiring, restart))
    }

    fn wish(&self) -> Wish {
        Wish {
            target: self.replica,
            max_lag: self.max_lag,
            force: self.risk.force,
            allow_lag: self.risk.allow_lag,
            no_restart: self.no_restart,
        }
    }

    fn carry_out<'a>(
        &'a self,
        handover: &Handover<'_>,
        plan: &'a Plan,
    ) -> anyhow::Result<Report<'a>> {
        let old = handover
            .members
            .cluster
            .record
            .as_ref()
            .map(|record| record.primary);
        handover.carry_out(plan)?;
        handover.await_writes()?;
        let paused = handover.journal.since_handover();
        let record = handover.record();
        let left_cleanly = old
            .zip(record)
            .is_some_and(|(old, record)| record.left_cleanly(old));
        let followers = handover.await_followers();
        let members = handover.members;
        let old = match plan.way {
            Way::Finish => self.diverged(members, &followers),
            Way::Establish => Vec::new(),
            _ => {
                let old = old.filter(|_| !left_cleanly).into_iter();
                old.map(|old| self.what_is_left(members, old)).collect()
            }
        };
        Ok(Report {
            cluster: &self.cluster,
            target: self.replica,
            plan,
            left_cleanly,
            paused,
            commits: None,
            events: handover.journal.lines(),
            followers,
            old,
            applications: Vec::new(),
        })
    }

    /// What an earlier run may not have come to say.
    fn diverged(&self, members: Members<'_>, followers: &Followers) -> Vec<OldPrimary> {
        let missing = followers.missing.iter();
        let there = missing.filter(|(_, state)| state != "absent");
        let left = there.map(|(pod, _)| self.what_is_left(members, *pod));
        left.filter(|old| old.only_there.as_ref().is_ok_and(|it| it.commits > 0))
            .collect()
    }

    /// Of a primary that could not hand over.
    fn what_is_left(&self, members: Members<'_>, old: Ordinal) -> OldPrimary {
        OldPrimary {
            pod: old,
            container: members.container(old),
            only_there: Divergence::of(members, old, self.replica),
        }
    }
}

/// No URLs for anybody, and why.
fn unlinked(refusal: &Refusal) -> Relinked {
    Relinked {
        notes: vec![format!(
            "the applications keep the URLs that they have: {refusal}; {}",
            refusal.next()
        )],
        ..Relinked::default()
    }
}
