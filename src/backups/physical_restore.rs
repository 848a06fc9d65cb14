//! A physical backup replaces the data of every pod. A container checks it and asks the pods with
//! the record; they carry it out.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};

use crate::backups::containers::{self, JobName, Role};
use crate::backups::directory::Directory;
use crate::backups::restores::{FILES, REQUEST, ended, next_id, refuse_second, sweep};
use crate::backups::run::{Mount, Run};
use crate::cluster::Cluster;
use crate::cluster::record_file;
use crate::cluster::record_write::{Change, Random, RecordWriter};
use crate::docker::engine::Docker;
use crate::docker::runner::Failure;
use crate::model::job_id::RestoreId;
use crate::model::ordinal::Ordinal;
use crate::model::refusal::Refusal;
use crate::model::scram::Verifier;
use crate::model::timestamp::Timestamp;
use crate::model::topology_record::State;

const SCRIPT: &str = concat!(
    include_str!("../../templates/entrypoint/session.sh"),
    "\n",
    include_str!("../../templates/jobs/common.sh"),
    "\n",
    include_str!("../../templates/jobs/physical.sh"),
    "\n",
    include_str!("../../templates/jobs/physical_restore.sh")
);

/// Everything that was found out and wished.
pub(crate) struct Plan<'a> {
    pub(crate) cluster: &'a Cluster,
    pub(crate) directory: &'a Directory,
    pub(crate) primary: Ordinal,
    /// The backup, on the host.
    pub(crate) file: &'a Path,
    pub(crate) passwords: Passwords,
    /// The plugin itself.
    pub(crate) binary: &'a Path,
    pub(crate) now: Timestamp,
    pub(crate) random: Random<'a>,
}

/// What the roles have today, as far as the server could be asked. The backup's may be older.
#[derive(Default)]
pub(crate) struct Passwords {
    pub(crate) user: Option<Verifier>,
    pub(crate) replication: Option<Verifier>,
}

/// A restore in flight.
pub(crate) struct Restore {
    pub(crate) id: RestoreId,
    pub(crate) container: String,
}

impl Plan<'_> {
    /// Starts it, unless another restore runs.
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
        let request = self.leave_request(id)?;
        let tar = format!("{FILES}{id}.tar");
        let mut arguments = self.arguments(&name.to_string(), &request, &tar);
        let mut mounts = vec![Mount::read_only(self.binary, "/job/voodu-postgres")];
        // Whatever is in the way of a second name, a copy is the job's way round it. That of a link
        // would be one more link.
        let plain = self.file.symlink_metadata().is_ok_and(|it| it.is_file());
        if !plain || self.directory.link(self.file, &tar).is_err() {
            mounts.push(Mount::read_only(self.file, "/job/backup"));
            arguments.push("source=/job/backup".to_owned());
        }
        let checksum = beside(self.file);
        if checksum.is_file() {
            mounts.push(Mount::read_only(checksum, "/job/backup.sha256"));
            arguments.push("checksum=/job/backup.sha256".to_owned());
        }
        let run = Run {
            name,
            pod: None,
            image: &docker.image_of(&reference.container(self.primary))?,
            backups: self.directory.path(),
            mounts,
            script: SCRIPT,
            arguments,
            asked_at: self.now,
        };
        if let Err(failure) = run.start(docker) {
            // The pods may have been asked by then, and need the backup.
            if failure.timed_out() {
                run.withdraw(docker).ok();
                return Err(run.may_run(&failure, "replaces all data").into());
            }
            self.directory.remove(&request).ok();
            self.directory.remove(&tar).ok();
            return Err(self.not_started(failure));
        }
        // Their logs stay until the next one runs.
        containers::remove(docker, &ended(reference, &jobs)).ok();
        Ok(Restore {
            id,
            container: name.to_string(),
        })
    }

    fn arguments(&self, container: &str, request: &str, tar: &str) -> Vec<String> {
        let (cluster, deployed) = (&self.cluster.reference, &self.cluster.deployed);
        vec![
            format!("cluster={cluster}"),
            format!("container={container}"),
            format!("cluster_id={}", deployed.cluster_id),
            format!("name={}", self.file.display()),
            format!("tar={tar}"),
            format!("request={request}"),
            format!("primary={}", self.primary),
        ]
    }

    /// What of the request is not an argument: whoever has a verifier can guess at the password.
    fn leave_request(&self, id: RestoreId) -> anyhow::Result<String> {
        let mut bytes = [0; 8];
        (self.random)(&mut bytes).context("read random bytes")?;
        let name = format!("{FILES}{id}.{}.request", hex::encode(bytes));
        let mut file = self
            .directory
            .create_file(&name)
            .with_context(|| format!("write {}", self.directory.path().join(&name).display()))?;
        for (key, verifier) in [
            ("user", &self.passwords.user),
            ("replication", &self.passwords.replication),
        ] {
            if let Some(verifier) = verifier {
                writeln!(file, "{key}={}", verifier.expose())?;
            }
        }
        Ok(name)
    }

    fn not_started(&self, failure: Failure) -> anyhow::Error {
        let text = failure.to_string();
        if text.contains("bind source path does not exist") {
            let refusal = Refusal::new(
                format!("there is no file {} on the host", self.file.display()),
                "name the backup by its absolute path on the host of the cluster",
            );
            return refusal.into();
        }
        failure.into()
    }
}

/// `db.tar.sha256` of `db.tar`.
fn beside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".sha256");
    name.into()
}

/// What the job found out of a backup that is whole.
pub(crate) struct Checked<'a> {
    pub(crate) cluster: &'a str,
    pub(crate) tar: &'a str,
    pub(crate) bytes: u64,
    /// `yes` when every file in it was held against its checksum.
    pub(crate) whole: &'a str,
}

/// Asks the pods: first the request, which counts only with the record, then the record. Both under
/// the record's lock, because another restore may have been first: its request has the same epoch.
/// Returns the epoch of the maintenance.
pub(crate) fn begin(
    directory: &Directory,
    given: &str,
    checked: &Checked<'_>,
    random: Random<'_>,
) -> anyhow::Result<u64> {
    let record = record_file::read(directory.path())?;
    let record = record.filter(|record| record.cluster.to_string() == checked.cluster);
    let Some(record) = record.filter(|record| !matches!(record.state, State::Handover { .. }))
    else {
        bail!("the cluster is just changing its primary");
    };
    let next = record.maintenance();
    let (cluster, epoch) = (&next.cluster, next.epoch);
    let Checked {
        tar, bytes, whole, ..
    } = checked;
    let mut word = [0; 8];
    random(&mut word).context("read random bytes")?;
    let temporary = format!("{REQUEST}.{}", hex::encode(word));
    let text = format!(
        "cluster={cluster}\nepoch={epoch}\ntar={tar}\nbytes={bytes}\nchecked={whole}\n{given}"
    );
    let hand_over = || {
        let written = directory.hand_over(REQUEST, &temporary, &text);
        written.map_err(|error| {
            let path = directory.path().join(REQUEST);
            Refusal::new(
                format!("the request {} cannot be written: {error}", path.display()),
                "see that its disk has room, and run the restore again",
            )
        })
    };
    let writer = RecordWriter {
        backups_dir: directory.path(),
        random,
    };
    match writer.replace_when(Some(&record), &next, &hand_over)? {
        Change::Done => Ok(epoch),
        Change::Overtaken(_) => bail!("the cluster changed its state just now; run it again"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    const ID: &str = "00112233445566778899aabbccddeeff";

    fn record(epoch: u64, state: &str) -> String {
        format!("cluster={ID}\nepoch={epoch}\nprimary=0\nstate={state}\n")
    }

    /// `begin`, while the record changes to that text right after it was read.
    fn begun(directory: &Directory, meanwhile: Option<&str>) -> anyhow::Result<u64> {
        let checked = Checked {
            cluster: ID,
            tar: ".restore-r002.tar",
            bytes: 1,
            whole: "yes",
        };
        let random = |bytes: &mut [u8]| {
            if let Some(text) = meanwhile {
                fs::write(directory.path().join(".topology"), text)?;
            }
            bytes.fill(7);
            Ok(())
        };
        begin(directory, "user=md5\n", &checked, &random)
    }

    /// The pods read the request as long as they restore.
    #[test]
    fn a_restore_that_was_overtaken_leaves_the_request_of_another_one_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        let directory = Directory::open(dir.path()).unwrap().unwrap();
        let other = format!("cluster={ID}\nepoch=5\ntar=.restore-r001.tar\n");
        fs::write(path(".topology"), record(4, "steady")).unwrap();
        fs::write(path(".restore"), &other).unwrap();
        let error = begun(&directory, Some(&record(5, "maintenance"))).unwrap_err();
        assert!(error.to_string().contains("changed its state"), "{error}");
        assert_eq!(fs::read_to_string(path(".restore")).unwrap(), other);
        // The next one takes its place together with the record.
        assert_eq!(begun(&directory, None).unwrap(), 15);
        let request = fs::read_to_string(path(".restore")).unwrap();
        assert!(
            request.contains("epoch=15\ntar=.restore-r002.tar\n"),
            "{request}"
        );
        assert_eq!(
            fs::read_to_string(path(".topology")).unwrap(),
            record(15, "maintenance")
        );
    }
}
