//! The restores of a cluster: one at a time, and what a killed one left.

use crate::backups::containers::{self, Job, JobState, Role};
use crate::backups::directory::{Directory, Lock};
use crate::cluster::Cluster;
use crate::docker::engine::Docker;
use crate::model::job_id::RestoreId;
use crate::model::refusal::{Refusal, Result};
use crate::model::resource_ref::ResourceRef;
use crate::model::topology_record::State;

/// What the files of a restore begin with, in the backups directory.
pub(super) const FILES: &str = ".restore-";

/// Whether there is a server that a dump can be restored into.
pub(crate) fn check_in_service(cluster: &Cluster) -> Result<()> {
    match cluster.record.as_ref().map(|record| &record.state) {
        Some(State::Maintenance) => Err(not_now(cluster, "it is in maintenance")),
        _ => check_no_handover(cluster),
    }
}

/// Whether nobody else is just changing who is the primary. A cluster in maintenance may be there
/// because a restore failed.
pub(crate) fn check_no_handover(cluster: &Cluster) -> Result<()> {
    match cluster.record.as_ref().map(|record| &record.state) {
        Some(State::Handover { .. }) => Err(not_now(cluster, "a handover is under way")),
        _ => Ok(()),
    }
}

fn not_now(cluster: &Cluster, why: &str) -> Refusal {
    let reference = &cluster.reference;
    Refusal::new(
        format!("{reference}: {why}"),
        format!("wait until it is over: vd pg:info {reference}"),
    )
}

/// Two at once would wait for each other.
pub(super) fn refuse_second(cluster: &ResourceRef, jobs: &[Job]) -> Result<()> {
    let ours = jobs.iter().filter(|job| job.is_of(cluster));
    let mut running = ours.filter(|job| job.state == JobState::Running);
    let Some(job) = running.next() else {
        return Ok(());
    };
    let id = RestoreId::new(job.number).unwrap_or(RestoreId::after(None));
    Err(Refusal::new(
        format!("{cluster}: another restore is running, {id}"),
        format!(
            "follow it with vd pg:backups:logs {cluster} {id} --follow, or stop it with vd pg:backups:cancel {cluster} {id}"
        ),
    ))
}

/// Whether a restore runs, which brings back data with the passwords that the roles had when it was
/// begun.
pub(crate) fn check_none_runs(docker: Docker<'_>, cluster: &ResourceRef) -> anyhow::Result<()> {
    let jobs = containers::jobs(docker, cluster, Role::Restore)?;
    let ours = jobs.iter().filter(|job| job.is_of(cluster));
    let mut running = ours.filter(|job| job.state == JobState::Running);
    let Some(job) = running.next() else {
        return Ok(());
    };
    let id = RestoreId::new(job.number).unwrap_or(RestoreId::after(None));
    Err(Refusal::new(
        format!("{cluster}: a restore is running, {id}, and a password that changes meanwhile may be undone by it; nothing was changed"),
        format!(
            "run the command again afterwards: vd pg:backups:logs {cluster} {id} --follow shows when that is"
        ),
    )
    .into())
}

/// Those of its containers that do not run.
pub(super) fn ended<'a>(cluster: &ResourceRef, jobs: &'a [Job]) -> Vec<&'a Job> {
    let ended = |job: &&Job| job.is_of(cluster) && job.state != JobState::Running;
    jobs.iter().filter(ended).collect()
}

/// Gives back what restores left that were killed. Only who holds the lock knows that nobody is
/// just starting one.
pub(super) fn sweep(directory: &Directory, jobs: &[Job], _lock: &Lock) -> anyhow::Result<()> {
    let running: Vec<_> = jobs
        .iter()
        .filter(|job| job.state == JobState::Running)
        .filter_map(|job| RestoreId::new(job.number))
        .collect();
    for entry in directory.entries()? {
        let id = entry.name.strip_prefix(FILES);
        let id = id.and_then(|rest| rest.split('.').next()?.parse::<RestoreId>().ok());
        if id.is_some_and(|id| !running.contains(&id)) {
            directory.remove(&entry.name).ok();
        }
    }
    Ok(())
}
