//! `backups:cancel`: a capture or a restore is stopped, and its space is given back.

use crate::backups::catalog::{Backup, Catalog, Status};
use crate::backups::containers::{self, Job, JobState, Role};
use crate::backups::{place, restores};
use crate::cluster::Cluster;
use crate::cluster::lease::{Holder, Lease};
use crate::cluster::maintenance::Maintenance;
use crate::cluster::members::Members;
use crate::commands::args::{ReplyArgs, count};
use crate::context::Context;
use crate::controller::Controller;
use crate::docker::engine::Docker;
use crate::docker::follow::{ended, log};
use crate::docker::invocation::PROBE;
use crate::model::backup_name::BackupName;
use crate::model::job_id::RestoreId;
use crate::model::job_ref::JobRef;
use crate::model::refusal::{Refusal, Result};
use crate::model::resource_ref::ResourceRef;
use crate::model::topology_record::{State, TopologyRecord};
use crate::output::Reply;

/// Stop captures, or a restore, that are under way
///
/// Stops all of a cluster's captures, or what is named. Nothing of a stopped capture is kept, and a
/// stopped restore changes nothing; the database notices only that a session ended.
///
/// A physical restore that the pods already carry out is taken back as long as the old data are
/// there: the pods go on with them.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  vd pg:backups:cancel clowk-lp/db
  vd pg:backups:cancel clowk-lp/db b008
  vd pg:backups:cancel clowk-lp/db r001")]
pub(crate) struct Args {
    /// The cluster, as <scope>/<name>
    cluster: ResourceRef,

    /// A backup such as b008, a restore such as r001, or a physical backup such as p001; all captures when left out
    #[arg(value_name = "BACKUP|JOB")]
    job: Option<JobRef>,

    #[command(flatten)]
    reply: ReplyArgs,
}

impl Args {
    pub(crate) fn run(&self, context: &Context<'_>) -> anyhow::Result<Reply> {
        let session = context.session()?;
        let root = context.backups_root()?;
        let docker = context.docker();
        let name = match self.job {
            Some(JobRef::Restore(id)) => {
                return self.cancel_restore(id.number(), &*session.controller, context);
            }
            Some(JobRef::Physical(id)) => {
                let line = self.cancel_job(Role::Physical, id.number(), docker)?;
                return Reply::dispatch(line, []);
            }
            Some(JobRef::Capture(name)) => Some(name),
            None => None,
        };
        let place = session.backups(context, &root).find(&self.cluster)?;
        let catalog = place.catalog(docker)?;
        let running = self.named(name, &catalog)?;
        containers::stop(docker, Role::Backup, &running)?;
        // A container that is stopped is of no more use than its output.
        containers::remove(docker, &running)?;
        let left = place.catalog(docker)?;
        if let Some(directory) = &place.directory {
            left.sweep(directory);
        }
        let cluster = &self.cluster;
        let message = match running.len() {
            0 => format!("postgres {cluster}: no capture is running"),
            stopped => format!(
                "postgres {cluster}: stopped {}{}",
                count(stopped, "capture"),
                kept(&running, &left)
            ),
        };
        Reply::dispatch(message, [])
    }

    /// Its own last line says what became of it.
    fn cancel_job(&self, role: Role, number: u32, docker: Docker<'_>) -> anyhow::Result<String> {
        let cluster = &self.cluster;
        let job = containers::numbered(docker, cluster, role, number)?;
        let container = &job.container;
        if job.state != JobState::Running {
            let refusal = Refusal::new(
                format!("{cluster}: {container} is not running any more"),
                format!("docker logs {container} says how it ended"),
            );
            return Err(refusal.into());
        }
        containers::stop(docker, role, &[&job])?;
        self.check_had_its_say(container, docker)?;
        let said = log(docker, container)?;
        let last = said.trim_end().lines().last().unwrap_or_default();
        Ok(format!("postgres {cluster}: {container}: {last}"))
    }

    /// A job ends by itself with 143 when it is stopped, and with 0 or 1 when it was faster.
    fn check_had_its_say(&self, container: &str, docker: Docker<'_>) -> anyhow::Result<()> {
        let code = ended(docker, container, PROBE)?;
        if matches!(code, Some(0 | 1 | 143)) {
            return Ok(());
        }
        let cluster = &self.cluster;
        Err(Refusal::new(
            format!("{cluster}: {container} was killed before it could say how it ended"),
            format!(
                "look at the database (vd pg:psql {cluster}) and at what the job had said: docker logs {container}"
            ),
        )
        .into())
    }

    /// The pods carry a physical restore out by themselves, whether its container still runs or not.
    /// The job may have asked them only just before it was stopped, so the record is read after that;
    /// and the job gives back the lease that it may have.
    fn cancel_restore(
        &self,
        number: u32,
        controller: &dyn Controller,
        context: &Context<'_>,
    ) -> anyhow::Result<Reply> {
        let docker = context.docker();
        let stopped = self.cancel_job(Role::Restore, number, docker);
        let cluster = Cluster::load(controller, &self.cluster);
        let mut cluster = cluster.map_err(|error| {
            let cluster = &self.cluster;
            let reason = format!(
                "whether the pods of {cluster} carry the restore out is not known: {error:#}"
            );
            left_to_do(&stopped, &reason)
        })?;
        let is_asked = |record: &TopologyRecord| record.state == State::Maintenance;
        if !cluster.record.as_ref().is_some_and(is_asked) {
            return Reply::dispatch(stopped?, []);
        }
        let lease = Lease::take(&cluster, controller, &context.claim(Holder::Cancel));
        let lease = lease.map_err(|refusal| left_to_do(&stopped, &refusal.to_string()))?;
        cluster.reread_record()?;
        let record = cluster.record.as_ref();
        let Some(record) = record.filter(|record| is_asked(record)) else {
            return Reply::dispatch(stopped?, []);
        };
        let directory = place::directory(&cluster).ok();
        let asked = directory.and_then(|directory| restores::asked_for(&directory, record));
        if let Some(other) = asked.filter(|id| id.number() != number) {
            return Reply::dispatch(stopped.map_err(|_| self.not_that(number, other))?, []);
        }
        let members = Members {
            cluster: &cluster,
            docker,
        };
        let maintenance = Maintenance {
            members,
            writer: cluster.record_writer(context.random)?,
            record,
        };
        maintenance.take_back()?;
        drop(lease);
        let (reference, primary) = (&self.cluster, record.primary);
        let stopped = stopped.map_or_else(|_| String::new(), |line| format!("{line}\n"));
        let message = format!(
            "{stopped}postgres {reference}: the restore was taken back, and pod {primary} starts again with the data that it had (vd pg:info {reference} shows when)"
        );
        Reply::dispatch(message, [])
    }

    fn not_that(&self, number: u32, asked: RestoreId) -> Refusal {
        let cluster = &self.cluster;
        Refusal::new(
            format!("{cluster}: the pods carry out the restore {asked}, not r{number:03}"),
            format!("to take that one back: vd pg:backups:cancel {cluster} {asked}"),
        )
    }

    fn named<'a>(&self, name: Option<BackupName>, catalog: &'a Catalog) -> Result<Vec<&'a Job>> {
        let Some(name) = name else {
            return Ok(catalog.running().collect());
        };
        let backup = catalog.find(name)?;
        let running = catalog.running();
        let mut running = running.filter(|job| Some(&job.container) == backup.container.as_ref());
        let job = running.next().ok_or_else(|| {
            Refusal::new(
                format!(
                    "{}: backup {name} is not running, it is {}",
                    self.cluster,
                    backup.status.word()
                ),
                format!("vd pg:backups {} lists what runs", self.cluster),
            )
        })?;
        Ok(vec![job])
    }
}

/// Its container may be stopped, and the pods may go on.
fn left_to_do(stopped: &anyhow::Result<String>, reason: &str) -> Refusal {
    let stopped = stopped.as_ref().ok();
    let stopped = stopped.map_or_else(String::new, |line| format!("{line}; "));
    Refusal::new(
        format!("{stopped}{reason}"),
        "run it again to take the restore back",
    )
}

/// A capture whose backup is complete may still have looked after older ones.
fn kept(stopped: &[&Job], left: &Catalog) -> String {
    let of = |backup: &&Backup| stopped.iter().any(|job| job.number == backup.id.number());
    let complete = left.backups.iter().filter(of);
    let complete = complete.filter(|backup| backup.status == Status::Complete);
    let ids: Vec<_> = complete.map(|backup| backup.id.to_string()).collect();
    match &ids[..] {
        [] => String::new(),
        ids => format!("\n  Complete by then, and kept: {}", ids.join(", ")),
    }
}
