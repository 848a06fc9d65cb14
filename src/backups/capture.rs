//! A capture: decided here, carried out by a container that outlives the command.

use std::io::Write as _;

use anyhow::Context as _;

use crate::backups::catalog::Catalog;
use crate::backups::containers::{self, Job, JobName, JobState, Role};
use crate::backups::directory::{Directory, Lock};
use crate::backups::run::Run;
use crate::backups::{ids, passwords, restores};
use crate::cluster::Cluster;
use crate::cluster::record_write::Random;
use crate::docker::engine::Docker;
use crate::model::backup_file::BackupFile;
use crate::model::backup_id::BackupId;
use crate::model::byte_size::ByteSize;
use crate::model::compression::Compression;
use crate::model::ordinal::Ordinal;
use crate::model::refusal::{Refusal, Result};
use crate::model::retention::Retention;
use crate::model::secret::Secret;
use crate::model::timestamp::Timestamp;
use crate::postgres::source::Source;

const SCRIPT: &str = concat!(
    include_str!("../../templates/entrypoint/session.sh"),
    "\n",
    include_str!("../../templates/jobs/common.sh"),
    "\n",
    include_str!("../../templates/jobs/capture.sh")
);

/// What one container is given to do at the most; the next one goes on.
const MOST_EXPIRED: usize = 1_000;
const MOST_UNVERIFIED: usize = 100;

/// How many containers one command removes at the most: docker takes its time for each.
const MOST_ENDED: usize = 20;

/// Everything that was found out and wished.
pub(crate) struct Plan<'a> {
    pub(crate) cluster: &'a Cluster,
    pub(crate) directory: &'a Directory,
    pub(crate) pod: Ordinal,
    pub(crate) source: Source,
    pub(crate) compression: Compression,
    pub(crate) retention: Retention,
    pub(crate) now: Timestamp,
    pub(crate) random: Random<'a>,
}

/// A capture in flight.
pub(crate) struct Capture {
    pub(crate) id: BackupId,
    pub(crate) container: String,
}

impl Plan<'_> {
    /// Starts it. Nobody else takes an id meanwhile, so that two captures in one second get two.
    pub(crate) fn start(&self, docker: Docker<'_>) -> anyhow::Result<Capture> {
        let reference = &self.cluster.reference;
        let compress = self.compression.of_version(self.source.major)?;
        let pod = reference.container(self.pod);
        let image = docker.image_of(&pod)?;
        let lock = self.directory.lock()?;
        let catalog = self.make_room(docker, &lock)?;
        let word = self.word()?;
        let id = ids::take(self.directory, &lock, catalog.highest, &word)?;
        let file = BackupFile {
            id,
            taken_at: self.now,
        };
        let name = JobName {
            cluster: reference,
            role: Role::Backup,
            number: id.number(),
        };
        let password_file = self.leave_password(id, &word, &lock)?;
        let mut arguments = self.arguments(file, &name.to_string(), &compress);
        arguments.extend(self.duties(&catalog, file));
        arguments.extend(
            password_file
                .iter()
                .map(|name| format!("password_file={name}")),
        );
        let run = Run {
            name,
            pod: Some(&pod),
            image: &image,
            backups: self.directory.path(),
            mounts: Vec::new(),
            script: SCRIPT,
            arguments,
            asked_at: self.now,
        };
        if let Err(failure) = run.start(docker) {
            self.undo(docker, password_file.as_deref());
            if failure.timed_out() {
                return Err(run.may_run(&failure, "makes the backup").into());
            }
            return Err(failure.into());
        }
        Ok(Capture {
            id,
            container: name.to_string(),
        })
    }

    /// Gives back what earlier captures left, and refuses when that is not enough.
    fn make_room(&self, docker: Docker<'_>, lock: &Lock) -> anyhow::Result<Catalog> {
        let catalog = Catalog::read(&self.cluster.reference, Some(self.directory), docker)?;
        catalog.sweep(self.directory);
        catalog.sweep_temporaries(self.directory, lock);
        self.sweep_restores(docker, lock)?;
        self.check_room(&catalog)?;
        // They keep nothing but a place in the lists, so the next capture may try again.
        containers::remove(docker, &ended(&catalog)).ok();
        Ok(catalog)
    }

    /// During maintenance the pods may need what a restore left, although its container is gone.
    fn sweep_restores(&self, docker: Docker<'_>, lock: &Lock) -> anyhow::Result<()> {
        if restores::check_in_service(self.cluster).is_ok() {
            let jobs = containers::jobs(docker, &self.cluster.reference, Role::Restore)?;
            restores::sweep(self.directory, &jobs, lock)?;
        }
        Ok(())
    }

    /// After a container that did not start, which docker may have made all the same. The failure
    /// itself is what the operator has to know; what stays is removed by the next capture.
    fn undo(&self, docker: Docker<'_>, password_file: Option<&str>) {
        if let Some(name) = password_file {
            self.directory.remove(name).ok();
        }
        if let Ok(catalog) = Catalog::read(&self.cluster.reference, Some(self.directory), docker) {
            let never_started = |job: &&Job| job.state == JobState::NeverStarted;
            let jobs: Vec<_> = catalog.jobs.iter().filter(never_started).collect();
            containers::remove(docker, &jobs).ok();
        }
    }

    /// What the dump will take: as much as the last one did, else half of the database, which
    /// leaves out its indexes and packs the rest.
    fn estimate(&self, catalog: &Catalog) -> Option<u64> {
        let last = catalog.newest_verified().map(|backup| backup.size);
        last.or_else(|| self.guess())
    }

    fn guess(&self) -> Option<u64> {
        let size = self.source.size?;
        Some(match self.compression {
            Compression::None => size,
            _ => size / 2,
        })
    }

    fn check_room(&self, catalog: &Catalog) -> anyhow::Result<()> {
        let Some(estimate) = self.estimate(catalog) else {
            return Ok(());
        };
        let needed = estimate.saturating_add(estimate / 10);
        let free = self.directory.free_space()?;
        if free >= needed {
            return Ok(());
        }
        let (cluster, path) = (&self.cluster.reference, self.directory.path().display());
        Err(Refusal::new(
            format!(
                "{cluster}: a backup needs about {}, and the disk of {path} has {} left",
                ByteSize(needed),
                ByteSize(free)
            ),
            format!(
                "make room there, for instance with vd pg:backups:prune {cluster} --keep 3 --yes"
            ),
        )
        .into())
    }

    fn arguments(&self, file: BackupFile, container: &str, compress: &str) -> Vec<String> {
        let (cluster, deployed) = (&self.cluster.reference, &self.cluster.deployed);
        let mut arguments = vec![
            format!("cluster={cluster}"),
            format!("id={}", file.id),
            format!("file={file}"),
            format!("container={container}"),
            format!("source={}", self.pod),
            format!("user={}", deployed.user),
            format!("database={}", deployed.database),
            format!("port={}", deployed.port),
            format!("compress={compress}"),
            format!("raw={}", self.source.size.unwrap_or_default()),
            format!("estimate={}", self.guess().unwrap_or_default()),
            format!("retention={}", self.retention),
        ];
        if self.source.in_recovery {
            arguments.extend(self.primary().map(|host| format!("primary={host}")));
        }
        arguments
    }

    fn primary(&self) -> Option<String> {
        let topology = self.cluster.topology().ok()?;
        Some(self.cluster.reference.host(topology.primary()))
    }

    /// What the job looks after once its own backup is there.
    fn duties(&self, catalog: &Catalog, own: BackupFile) -> Vec<String> {
        let verified: Vec<_> = catalog.verified().filter_map(|it| it.file).collect();
        let expired = self.retention.expired_with(&verified, own, self.now);
        let expired = expired.into_iter().take(MOST_EXPIRED);
        let unverified = catalog.unverified().filter_map(|it| it.file);
        let unverified = unverified.take(MOST_UNVERIFIED);
        let verify = unverified.map(|file| format!("verify={file}"));
        verify
            .chain(expired.map(|file| format!("expired={file}")))
            .collect()
    }

    /// Puts the superuser's password where the job finds it, when it needs one: for a server that
    /// does not trust its neighbours, and for the primary of a standby.
    fn leave_password(
        &self,
        id: BackupId,
        word: &str,
        _lock: &Lock,
    ) -> anyhow::Result<Option<String>> {
        let password = match (self.source.trusts, self.source.in_recovery) {
            (true, false) => return Ok(None),
            (true, true) => self.cluster.bucket.password.as_ref(),
            (false, _) => Some(self.cluster.connection()?.password),
        };
        let Some(password) = password else {
            return Ok(None);
        };
        let name = passwords::name(id, word);
        self.write_password(&name, password)
            .with_context(|| format!("write {}", self.directory.path().join(&name).display()))?;
        Ok(Some(name))
    }

    fn write_password(&self, name: &str, password: &Secret) -> std::io::Result<()> {
        let mut file = self.directory.create_file(name)?;
        writeln!(file, "{}", password.expose())
    }

    /// For names that nobody can plant anything at.
    fn word(&self) -> anyhow::Result<String> {
        let mut bytes = [0; 8];
        (self.random)(&mut bytes).context("read random bytes")?;
        Ok(hex::encode(bytes))
    }
}

/// The containers of earlier captures. One that runs, or that somebody may be watching, stays.
fn ended(catalog: &Catalog) -> Vec<&Job> {
    let ended = |job: &&Job| job.state != JobState::Running && !job.just_ended;
    catalog.jobs.iter().filter(ended).take(MOST_ENDED).collect()
}

/// Whether that pod can be dumped as what it was named for.
pub(crate) fn check_role(cluster: &Cluster, pod: Ordinal, source: &Source) -> Result<()> {
    let primary = cluster.topology()?.primary();
    let reference = &cluster.reference;
    if pod == primary && source.in_recovery {
        return Err(Refusal::new(
            format!("{reference}: pod {pod} is not the primary yet, although it is to be it"),
            "run the command again in a moment",
        ));
    }
    if let Some(crowd) = &source.crowd {
        let container = reference.container(pod);
        let psql = format!("vd pg:psql {reference} --replica {pod}");
        return Err(Refusal::new(
            format!("pod {container} has no connection left for this: {crowd}"),
            crowd.next(&psql),
        ));
    }
    if pod != primary && !source.in_recovery {
        return Err(Refusal::new(
            format!(
                "{reference}: pod {pod} is not a standby, although pod {primary} is the primary"
            ),
            format!("look at the cluster with vd pg:info {reference}"),
        ));
    }
    Ok(())
}
