//! `promote`: another pod becomes the primary.

use std::path::PathBuf;
use std::time::Duration;

use crate::cluster::Cluster;
use crate::cluster::condition::RecordSeen;
use crate::cluster::divergence::Divergence;
use crate::cluster::handover::Handover;
use crate::cluster::handover::after::Followers;
use crate::cluster::handover::gate::{self, Facts, Plan, Way, Wish};
use crate::cluster::handover::journal::Journal;
use crate::cluster::handover::report::{OldPrimary, Report, outlook};
use crate::cluster::lease::{Holder, Lease};
use crate::cluster::maintenance;
use crate::cluster::members::Members;
use crate::cluster::publication::Publication;
use crate::cluster::record_file;
use crate::cluster::relink::Relinked;
use crate::cluster::remains::{self, Remains};
use crate::cluster::room;
use crate::cluster::survey::{PodReport, Survey};
use crate::commands::args::ReplyArgs;
use crate::context::{Caller, Context};
use crate::controller::Controller;
use crate::docker::engine::Docker;
use crate::model::byte_size::ByteSize;
use crate::model::ordinal::Ordinal;
use crate::model::resource_ref::ResourceRef;
use crate::model::topology_record::State;
use crate::output::Reply;
use crate::postgres::prospects::{PROSPECTS, Prospects};
use crate::wire::action::Restart;

/// Make another pod the primary
///
/// The primary stops, the other pod takes over once it has everything that was committed, and the
/// old primary follows it. Writes pause for about half a second, nothing is lost, no container
/// restarts and nothing is copied. The linked applications get their new DATABASE_URL.
///
/// It is refused, and nothing is changed, when the pod does not stream, is too far behind or has no
/// room for WAL, and when every commit on it would wait for a synchronous standby that is not there.
/// A handover that cannot be completed is called off, and the old primary goes on. Run the command
/// again whenever it was interrupted: it goes on from where it is.
///
/// What does not go over is said by --dry-run and again in the end: rows of unlogged tables,
/// replication slots, readers of WAL that have to connect anew.
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

    /// With --force: pass over a standby that has more than the pod, or may have
    #[arg(long, requires = "force")]
    allow_lag: bool,
}

/// For a pod that does not answer at once. The rest of the time is for the handover.
const SURVEY: Duration = Duration::from_secs(8);

impl Args {
    pub(crate) fn run(&self, context: &Context<'_>) -> anyhow::Result<Reply> {
        let journal = Journal::start(context.progress);
        let session = context.session()?;
        let docker = context.docker();
        let controller = &*session.controller;
        let (cluster, lease) = self.load(controller, context)?;
        let writer = cluster.record_writer(context.random)?;
        let (survey, rooms) = std::thread::scope(|scope| {
            let rooms = scope.spawn(|| room::measure(&cluster, docker));
            (
                Survey::take_with(&cluster, docker.patient(SURVEY), PROSPECTS),
                rooms.join().unwrap_or_default(),
            )
        });
        let survey = survey?;
        let members = Members {
            cluster: &cluster,
            docker,
        };
        let remains = self.remains(members, &survey);
        let foreign = foreign(&cluster);
        let facts = Facts {
            cluster: &self.cluster,
            record: cluster.record.as_ref(),
            record_age: cluster.record_age((context.now)()),
            survey: &survey,
            rooms: &rooms,
            remains: &remains,
            is_requested: is_requested(&cluster),
            foreign: foreign.as_deref(),
        };
        let wish = self.wish();
        let plan = gate::plan(facts, &wish)?;
        let publication = self.publication(controller, docker);
        let foreseen = publication.foresee(&cluster, self.replica, self.risk.force)?;
        let Some(lease) = lease else {
            let text = outlook(facts, &wish, &plan, &foreseen.relinked.notes);
            return Reply::dispatch(text, []);
        };
        let handover = Handover {
            members,
            writer,
            journal: &journal,
            wish,
            survey: &survey,
        };
        let mut report = self.carry_out(&handover, &plan)?;
        let target = survey.pod(self.replica).map(|pod| Prospects::of(&pod.more));
        report.commits = handover.prove_a_commit(&target.unwrap_or_default());
        let again = handover.again();
        let Relinked {
            mut actions, notes, ..
        } = publication.publish(&foreseen.carriers, journal.left(), &again);
        report.applications = notes;
        if session.caller != Caller::Controller && !actions.is_empty() {
            // They hold passwords.
            actions.clear();
            report.applications.push(format!(
                "run by hand: nobody writes the URLs and the config; {again} does"
            ));
        }
        Reply::dispatch_under(lease, report.text(), actions)
    }

    /// What the volumes hold: asked where force is given and no primary sends the pod what it lacks.
    fn remains(&self, members: Members<'_>, survey: &Survey) -> Remains {
        let record = members.cluster.record.as_ref();
        let sends = |pod| {
            let server = survey.pod(pod).and_then(PodReport::server);
            server.is_some_and(|server| server.follower(self.replica).is_some())
        };
        let is_given_up = match record.map(|record| (&record.state, record.primary)) {
            None | Some((State::Maintenance, _)) => true,
            Some((_, primary)) => !sends(primary),
        };
        if self.risk.force && is_given_up {
            remains::look(members)
        } else {
            Remains::new()
        }
    }

    /// A plan alone changes nothing, and needs no lease.
    fn load(
        &self,
        controller: &dyn Controller,
        context: &Context<'_>,
    ) -> anyhow::Result<(Cluster, Option<Lease>)> {
        if self.dry_run {
            return Ok((Cluster::load(controller, &self.cluster)?, None));
        }
        let (cluster, lease) =
            Cluster::load_alone(controller, &self.cluster, &context.claim(Holder::Promote))?;
        Ok((cluster, Some(lease)))
    }

    fn publication<'a>(
        &'a self,
        controller: &'a dyn Controller,
        docker: Docker<'a>,
    ) -> Publication<'a> {
        Publication {
            cluster: &self.cluster,
            controller,
            docker,
            restart: if self.no_restart {
                Restart::Skip
            } else {
                Restart::Rolling
            },
        }
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
            Way::Establish | Way::BringBack { .. } => Vec::new(),
            _ => {
                let is_left = |old: &Ordinal| !left_cleanly && *old != self.replica;
                let old = old.filter(is_left).into_iter();
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

/// Whether the pods are asked for the restore of the maintenance in the record.
fn is_requested(cluster: &Cluster) -> bool {
    let dir = cluster.deployed.backups_dir();
    let record = cluster.record.as_ref();
    dir.zip(record)
        .is_some_and(|(dir, record)| maintenance::is_requested(dir, record))
}

/// Where another cluster's record lies in the place of this one's.
fn foreign(cluster: &Cluster) -> Option<PathBuf> {
    let dir = cluster.deployed.backups_dir()?;
    (RecordSeen::of(cluster) == RecordSeen::Foreign).then(|| dir.join(record_file::NAME))
}
