//! The restores of a cluster: one at a time, and what a killed one left.

use crate::backups::containers::{self, Job, JobState, Role};
use crate::backups::directory::{Directory, Lock};
use crate::cluster::Cluster;
use crate::cluster::record_file;
use crate::docker::engine::Docker;
use crate::model::job_id::RestoreId;
use crate::model::refusal::{Refusal, Result};
use crate::model::resource_ref::ResourceRef;
use crate::model::topology_record::{State, TopologyRecord};

/// What asks the pods for a restore of the whole server; they read it there.
pub(super) const REQUEST: &str = ".restore";

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

/// The id after all that were given: those of containers, which somebody may have removed, and those
/// of files that a restore without a container left.
pub(super) fn next_id(
    directory: &Directory,
    jobs: &[Job],
    _lock: &Lock,
) -> anyhow::Result<RestoreId> {
    let of_files = directory.entries()?.into_iter();
    let of_files = of_files.filter_map(|entry| Some(id_of(&entry.name)?.number()));
    let last = jobs.iter().map(|job| job.number).chain(of_files).max();
    Ok(RestoreId::after(last))
}

/// The restore that a file belongs to.
fn id_of(name: &str) -> Option<RestoreId> {
    name.strip_prefix(FILES)?.split('.').next()?.parse().ok()
}

/// The backup that the pods were asked to restore, while they are. Nobody but them needs its job,
/// whose container may be gone.
fn wanted_by_pods(directory: &Directory) -> Option<String> {
    let record = record_file::read(directory.path()).ok()??;
    tar_of(directory, &record)
}

/// The restore that the pods were asked for with that record, where its request tells.
pub(crate) fn asked_for(directory: &Directory, record: &TopologyRecord) -> Option<RestoreId> {
    id_of(&tar_of(directory, record)?)
}

fn tar_of(directory: &Directory, record: &TopologyRecord) -> Option<String> {
    if record.state != State::Maintenance {
        return None;
    }
    let request = directory.read_text(REQUEST)?;
    let epoch = format!("epoch={}", record.epoch);
    if !request.lines().any(|line| line == epoch) {
        return None;
    }
    let tar = request.lines().find_map(|line| line.strip_prefix("tar="));
    tar.map(str::to_owned)
}

/// Gives back what restores left that were killed. Only who holds the lock knows that nobody is
/// just starting one.
pub(super) fn sweep(directory: &Directory, jobs: &[Job], _lock: &Lock) -> anyhow::Result<()> {
    let wanted = wanted_by_pods(directory);
    let running: Vec<_> = jobs
        .iter()
        .filter(|job| job.state == JobState::Running)
        .filter_map(|job| RestoreId::new(job.number))
        .collect();
    for entry in directory.entries()? {
        let ended = id_of(&entry.name).is_some_and(|id| !running.contains(&id));
        if ended && wanted.as_ref() != Some(&entry.name) {
            directory.remove(&entry.name).ok();
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    const RECORD: &str = "cluster=0123456789abcdef0123456789abcdef\nepoch=8\nprimary=0\n";

    /// What a sweep leaves, and the next id after it, when no container is there any more.
    fn swept(record: &str, request: &str) -> (Vec<String>, String) {
        let temporary = tempfile::tempdir().unwrap();
        let path = temporary.path();
        for name in [
            ".restore-r4.tar",
            ".restore-r3.tar",
            ".restore-r4.ab.request",
            ".restore-failed",
        ] {
            fs::write(path.join(name), "x").unwrap();
        }
        fs::write(path.join(".topology"), format!("{RECORD}{record}")).unwrap();
        fs::write(path.join(REQUEST), request).unwrap();
        let directory = Directory::open(path).unwrap().unwrap();
        let lock = directory.lock().unwrap();
        sweep(&directory, &[], &lock).unwrap();
        let names = directory.entries().unwrap().into_iter().map(|it| it.name);
        let mut names: Vec<_> = names.filter(|name| name.starts_with(FILES)).collect();
        names.sort();
        let next = next_id(&directory, &[], &lock).unwrap();
        (names, next.to_string())
    }

    /// `docker container prune` removes the job that gave the pods their backup, not what they need.
    #[test]
    fn what_the_pods_still_unpack_is_neither_swept_nor_named_twice() {
        let request =
            "cluster=0123456789abcdef0123456789abcdef\nepoch=8\ntar=.restore-r4.tar\nbytes=1\n";
        let (left, next) = swept("state=maintenance\n", request);
        assert_eq!(left, [".restore-failed", ".restore-r4.tar"]);
        assert_eq!(next, "r005");
        for (record, request) in [
            ("state=steady\n", request.to_owned()),
            ("state=maintenance\n", request.replace("epoch=8", "epoch=7")),
            ("state=maintenance\n", "rubbish".to_owned()),
            ("garbage\n", request.to_owned()),
        ] {
            assert_eq!(
                swept(record, &request).0,
                [".restore-failed"],
                "{record}{request}"
            );
        }
    }
}
