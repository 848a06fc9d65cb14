//! A restore: decided here, carried out by a container that outlives the command.

use std::io::{self, Write as _};

use anyhow::Context as _;

use crate::backups::containers::{self, JobName, Role};
use crate::backups::directory::Directory;
use crate::backups::restore_input::{Host, Input};
use crate::backups::restores::{FILES, ended, next_id, refuse_second, sweep};
use crate::backups::run::Run;
use crate::cluster::Cluster;
use crate::cluster::record_write::Random;
use crate::docker::engine::Docker;
use crate::docker::runner::Failure;
use crate::model::job_id::RestoreId;
use crate::model::ordinal::Ordinal;
use crate::model::refusal::Refusal;
use crate::model::sha256::Sha256;
use crate::model::timestamp::Timestamp;

const SCRIPT: &str = concat!(
    include_str!("../../templates/entrypoint/session.sh"),
    "\n",
    include_str!("../../templates/jobs/common.sh"),
    "\n",
    include_str!("../../templates/jobs/restore.sh")
);

/// Everything that was found out and wished.
pub(crate) struct Plan<'a> {
    pub(crate) cluster: &'a Cluster,
    pub(crate) directory: &'a Directory,
    pub(crate) primary: Ordinal,
    pub(crate) input: &'a Input,
    pub(crate) sha256: Option<&'a Sha256>,
    pub(crate) space: Space,
    /// Whether the server lets a neighbour in without a password.
    pub(crate) trusts: bool,
    pub(crate) host: Host<'a>,
    pub(crate) now: Timestamp,
    pub(crate) random: Random<'a>,
}

/// What an estimate of the space counts for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Space {
    Checked,
    Ignored,
}

/// A restore in flight.
pub(crate) struct Restore {
    pub(crate) id: RestoreId,
    pub(crate) container: String,
}

impl Plan<'_> {
    /// Starts it, unless another one runs.
    pub(crate) fn start(&self, docker: Docker<'_>) -> anyhow::Result<Restore> {
        let reference = &self.cluster.reference;
        let lock = self.directory.lock()?;
        let jobs = containers::jobs(docker, reference, Role::Restore)?;
        refuse_second(reference, &jobs)?;
        sweep(self.directory, &jobs, &lock)?;
        let id = next_id(self.directory, &jobs, &lock)?;
        let name = JobName {
            cluster: reference,
            role: Role::Restore,
            number: id.number(),
        };
        let (mut arguments, mounts) = self.input.given(&self.host)?;
        let files = self.leave_files(id, &mut arguments)?;
        arguments.extend(self.arguments(id, &name.to_string()));
        let pod = reference.container(self.primary);
        let run = Run {
            name,
            pod: Some(&pod),
            image: &docker.image_of(&pod)?,
            backups: self.directory.path(),
            mounts,
            script: SCRIPT,
            arguments,
            asked_at: self.now,
        };
        if let Err(failure) = run.start(docker) {
            for file in files {
                self.directory.remove(&file).ok();
            }
            if failure.timed_out() && run.withdraw(docker).is_err() {
                return Err(run.may_run(&failure, "replaces data").into());
            }
            return Err(self.not_started(failure));
        }
        // Their logs stay until the next one runs.
        containers::remove(docker, &ended(reference, &jobs)).ok();
        Ok(Restore {
            id,
            container: name.to_string(),
        })
    }

    fn arguments(&self, id: RestoreId, container: &str) -> Vec<String> {
        let (cluster, deployed) = (&self.cluster.reference, &self.cluster.deployed);
        let mut arguments = vec![
            format!("cluster={cluster}"),
            format!("id={id}"),
            format!("container={container}"),
            format!("name={}", self.input.name()),
            format!("target={}", self.primary),
            format!("user={}", deployed.user),
            format!("database={}", deployed.database),
            format!("port={}", deployed.port),
        ];
        arguments.extend(self.sha256.map(|sum| format!("sha256={sum}")));
        if self.space == Space::Ignored {
            arguments.push("ignore_space=yes".to_owned());
        }
        arguments
    }

    /// Puts what is secret where only root reads it; the job removes it.
    fn leave_files(
        &self,
        id: RestoreId,
        arguments: &mut Vec<String>,
    ) -> anyhow::Result<Vec<String>> {
        let mut bytes = [0; 8];
        (self.random)(&mut bytes).context("read random bytes")?;
        let word = hex::encode(bytes);
        let mut secrets = Vec::new();
        if let Input::Url(url) = self.input {
            secrets.push(("url", url.expose()));
        }
        if !self.trusts {
            let password = self.cluster.connection()?.password;
            secrets.push(("password", password.expose().to_owned()));
        }
        let mut files = Vec::new();
        for (what, text) in secrets {
            let name = format!("{FILES}{id}.{word}.{what}");
            self.write(&name, &text).with_context(|| {
                format!("write {}", self.directory.path().join(&name).display())
            })?;
            arguments.push(format!("{what}_file={name}"));
            files.push(name);
        }
        Ok(files)
    }

    fn write(&self, name: &str, text: &str) -> io::Result<()> {
        let mut file = self.directory.create_file(name)?;
        writeln!(file, "{text}")
    }

    /// Docker's words for what the operator can put right.
    fn not_started(&self, failure: Failure) -> anyhow::Error {
        let text = failure.to_string();
        if text.contains("bind source path does not exist") {
            let refusal = Refusal::new(
                format!("there is no file {} on the host", self.input.name()),
                "name the dump by its absolute path on the host of the cluster",
            );
            return refusal.into();
        }
        failure.into()
    }
}
