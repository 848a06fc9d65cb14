//! Removing backups: the dump first, so that what is left of an interrupted removal is no backup.

use anyhow::Context as _;

use crate::backups::catalog::{Backup, Catalog, Status};
use crate::backups::containers;
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
    let ended = backups
        .iter()
        .filter(|backup| backup.status != Status::Running);
    let names: Vec<_> = ended
        .filter_map(|backup| backup.container.as_ref())
        .collect();
    let jobs = catalog
        .jobs
        .iter()
        .filter(|job| names.contains(&&job.container));
    containers::remove(docker, &jobs.collect::<Vec<_>>())?;
    Ok(())
}
