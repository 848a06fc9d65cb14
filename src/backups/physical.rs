//! A physical backup: `pg_basebackup` into one tar, by a container that outlives the command.

use std::io::Write as _;
use std::path::Path;

use anyhow::Context as _;

use crate::backups::containers::{self, JobName, JobState, Role};
use crate::backups::directory::{Directory, Lock};
use crate::backups::passwords;
use crate::backups::run::{Mount, Run};
use crate::cluster::Cluster;
use crate::cluster::record_write::Random;
use crate::docker::engine::Docker;
use crate::docker::runner::Failure;
use crate::model::job_id::PhysicalId;
use crate::model::ordinal::Ordinal;
use crate::model::refusal::{Refusal, Result};
use crate::model::resource_ref::ResourceRef;
use crate::model::timestamp::Timestamp;

const SCRIPT: &str = concat!(
    include_str!("../../templates/entrypoint/session.sh"),
    "\n",
    include_str!("../../templates/jobs/common.sh"),
    "\n",
    include_str!("../../templates/jobs/physical.sh"),
    "\n",
    include_str!("../../templates/jobs/physical_backup.sh")
);

/// Everything that was found out and wished.
pub(crate) struct Plan<'a> {
    pub(crate) cluster: &'a Cluster,
    pub(crate) directory: &'a Directory,
    pub(crate) pod: Ordinal,
    /// A file that is not there yet, on the host.
    pub(crate) destination: &'a Path,
    /// Whether the server lets a neighbour in without a password.
    pub(crate) trusts: bool,
    /// The plugin itself.
    pub(crate) binary: &'a Path,
    pub(crate) now: Timestamp,
    pub(crate) random: Random<'a>,
}

/// A physical backup in flight.
pub(crate) struct Physical {
    pub(crate) id: PhysicalId,
    pub(crate) container: String,
}

impl Plan<'_> {
    /// Starts it, unless another one runs.
    pub(crate) fn start(&self, docker: Docker<'_>) -> anyhow::Result<Physical> {
        let reference = &self.cluster.reference;
        let lock = self.directory.lock()?;
        let jobs = containers::jobs(docker, reference, Role::Physical)?;
        let (running, ended): (Vec<_>, Vec<_>) = jobs
            .iter()
            .filter(|job| job.is_of(reference))
            .partition(|job| job.state == JobState::Running);
        if let Some(job) = running.first() {
            return Err(running_already(reference, job.number).into());
        }
        // Nothing of the kind runs, so nobody reads what lies there.
        self.sweep_passwords(&lock)?;
        let id = PhysicalId::after(jobs.last().map(|job| job.number));
        let name = JobName {
            cluster: reference,
            role: Role::Physical,
            number: id.number(),
        };
        let (folder, file) = self.parts()?;
        let password_file = self.leave_password(id)?;
        let mut arguments = self.arguments(&name.to_string(), file);
        arguments.extend(password_file.iter().map(|it| format!("password_file={it}")));
        let pod = reference.container(self.pod);
        let run = Run {
            name,
            pod: Some(&pod),
            image: &docker.image_of(&pod)?,
            backups: self.directory.path(),
            mounts: vec![
                Mount::read_only(self.binary, "/job/voodu-postgres"),
                Mount::writable(folder, "/destination"),
            ],
            script: SCRIPT,
            arguments,
            asked_at: self.now,
        };
        if let Err(failure) = run.start(docker) {
            if let Some(file) = password_file {
                self.directory.remove(&file).ok();
            }
            if failure.timed_out() {
                return Err(run.may_run(&failure, "writes the backup").into());
            }
            return Err(not_started(failure, folder));
        }
        // Their logs stay until the next one runs.
        containers::remove(docker, &ended).ok();
        Ok(Physical {
            id,
            container: name.to_string(),
        })
    }

    /// Removes what a command left that was killed while it started a backup.
    fn sweep_passwords(&self, _lock: &Lock) -> anyhow::Result<()> {
        for entry in self.directory.entries()? {
            if passwords::owner::<PhysicalId>(&entry.name).is_some() {
                self.directory.remove(&entry.name).ok();
            }
        }
        Ok(())
    }

    fn parts(&self) -> Result<(&Path, &str)> {
        let folder = self.destination.parent();
        let file = self.destination.file_name().and_then(|name| name.to_str());
        folder.zip(file).ok_or_else(|| {
            Refusal::new(
                format!("{} is no name for a file", self.destination.display()),
                "write a path such as /srv/backups/db.tar",
            )
        })
    }

    fn arguments(&self, container: &str, file: &str) -> Vec<String> {
        let (cluster, deployed) = (&self.cluster.reference, &self.cluster.deployed);
        vec![
            format!("cluster={cluster}"),
            format!("container={container}"),
            format!("source={}", self.pod),
            format!("user={}", deployed.user),
            format!("port={}", deployed.port),
            format!("name={file}"),
            format!("destination={}", self.destination.display()),
        ]
    }

    /// Where only root reads it; the job removes it.
    fn leave_password(&self, id: PhysicalId) -> anyhow::Result<Option<String>> {
        if self.trusts {
            return Ok(None);
        }
        let password = self.cluster.connection()?.password;
        let mut bytes = [0; 8];
        (self.random)(&mut bytes).context("read random bytes")?;
        let name = passwords::name(id, &hex::encode(bytes));
        let mut file = self
            .directory
            .create_file(&name)
            .with_context(|| format!("write {}", self.directory.path().join(&name).display()))?;
        writeln!(file, "{}", password.expose())?;
        Ok(Some(name))
    }
}

fn running_already(cluster: &ResourceRef, number: u32) -> Refusal {
    let id = PhysicalId::new(number).unwrap_or(PhysicalId::after(None));
    Refusal::new(
        format!("{cluster}: another physical backup is running, {id}"),
        format!(
            "follow it with vd pg:backups:logs {cluster} {id} --follow, or stop it with vd pg:backups:cancel {cluster} {id}"
        ),
    )
}

fn not_started(failure: Failure, folder: &Path) -> anyhow::Error {
    if failure
        .to_string()
        .contains("bind source path does not exist")
    {
        let refusal = Refusal::new(
            format!("there is no directory {} on the host", folder.display()),
            "make it, and name the file in it by its absolute path",
        );
        return refusal.into();
    }
    failure.into()
}
