//! Removing backups: the dump first, so that what is left of an interrupted removal is no backup.

use anyhow::Context as _;

use crate::backups::catalog::{Backup, Catalog};
use crate::backups::containers::{self, Job, JobState};
use crate::backups::directory::Directory;
use crate::docker::engine::Docker;
use crate::model::backup_file::BackupFile;

/// Removes a dump and its checksum.
pub(crate) fn remove_file(directory: &Directory, file: &BackupFile) -> anyhow::Result<()> {
    for name in [file.to_string(), file.checksum()] {
        directory
            .remove(&name)
            .with_context(|| format!("remove {}", directory.path().join(&name).display()))?;
    }
    Ok(())
}

/// Removes the containers of those backups that do not run.
pub(crate) fn remove_containers(
    catalog: &Catalog,
    backups: &[&Backup],
    docker: Docker<'_>,
) -> anyhow::Result<()> {
    let names = backups.iter();
    let names: Vec<_> = names.filter_map(|it| it.container.as_ref()).collect();
    // One may run although its backup is complete: it looks after older ones.
    let ended = |job: &&Job| job.state != JobState::Running && names.contains(&&job.container);
    let jobs = catalog.jobs.iter().filter(ended);
    containers::remove(docker, &jobs.collect::<Vec<_>>())?;
    Ok(())
}
