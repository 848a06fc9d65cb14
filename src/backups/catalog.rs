//! A cluster's backups as one list: what the files say, and what the containers add.

use std::collections::BTreeMap;

use crate::backups::containers::{self, Job, JobState, Role};
use crate::backups::directory::{Directory, Entry, Lock};
use crate::backups::{ids, passwords};
use crate::docker::engine::Docker;
use crate::model::backup_file::{BackupFile, CHECKSUM, Part};
use crate::model::backup_id::BackupId;
use crate::model::backup_name::BackupName;
use crate::model::refusal::{Refusal, Result};
use crate::model::resource_ref::ResourceRef;
use crate::model::timestamp::Timestamp;

/// What there is.
pub(crate) struct Catalog {
    cluster: ResourceRef,
    /// In the order of their ids.
    pub(crate) backups: Vec<Backup>,
    /// The containers of the cluster's captures, running or not.
    pub(crate) jobs: Vec<Job>,
    /// Files that a capture left which was killed.
    leftovers: Vec<String>,
    /// Files that only live while a capture starts.
    temporaries: Vec<String>,
    /// The highest id that a file or a container has, whosever it is.
    pub(crate) highest: Option<BackupId>,
}

/// One backup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Backup {
    pub(crate) id: BackupId,
    pub(crate) status: Status,
    /// None before the capture has begun to write, and after it failed.
    pub(crate) file: Option<BackupFile>,
    pub(crate) size: u64,
    pub(crate) created_at: Option<Timestamp>,
    /// It was read back whole when it was made, or later.
    pub(crate) verified: bool,
    /// Its container, while there is one.
    pub(crate) container: Option<String>,
}

/// How far a backup is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Status {
    Running,
    /// Restorable, as far as is known.
    Complete,
    Failed,
}

impl Status {
    /// The word in lists.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Complete => "complete",
            Self::Failed => "failed",
        }
    }
}

/// The files of one backup.
#[derive(Debug, Default)]
struct Files {
    dump: Option<u64>,
    partial: Option<u64>,
    checksum: bool,
    names: Vec<String>,
}

impl Catalog {
    /// Looks into the directory, if there is one, and asks docker. In that order: a file that is
    /// still being written has a running container when docker is asked, or never again.
    pub(crate) fn read(
        cluster: &ResourceRef,
        directory: Option<&Directory>,
        docker: Docker<'_>,
    ) -> anyhow::Result<Self> {
        let entries = directory.map(Directory::entries).transpose()?;
        let jobs = containers::jobs(docker, cluster, Role::Backup)?;
        Ok(Self::merge(cluster, &entries.unwrap_or_default(), jobs))
    }

    fn merge(cluster: &ResourceRef, entries: &[Entry], jobs: Vec<Job>) -> Self {
        let files = group(entries);
        let of_files = files.keys().map(|file| file.id);
        let of_jobs = jobs.iter().filter_map(|job| BackupId::new(job.number));
        let highest = of_files.chain(of_jobs).max();
        let ours = jobs.into_iter().filter(|job| job.is_of(cluster));
        let jobs: Vec<_> = ours.collect();
        let mut catalog = Self {
            cluster: cluster.clone(),
            backups: Vec::new(),
            leftovers: leftovers(&files, &jobs),
            temporaries: temporaries(entries, &jobs),
            jobs,
            highest,
        };
        catalog.backups = catalog.list(&files);
        catalog
    }

    fn list(&self, files: &BTreeMap<BackupFile, Files>) -> Vec<Backup> {
        let dumps = files.iter().filter_map(|(file, found)| {
            let size = found.dump?;
            Some(self.dump(*file, size, found.checksum))
        });
        let mut backups: Vec<_> = dumps.collect();
        for job in &self.jobs {
            let written = backups
                .iter()
                .any(|backup| backup.container.as_ref() == Some(&job.container));
            if !written {
                backups.extend(without_dump(job, files));
            }
        }
        backups.sort_by_key(|backup| (backup.id, backup.created_at));
        backups
    }

    /// The file of a complete backup. The older plugin wrote under the final name from the start,
    /// so its container has the last word.
    fn dump(&self, file: BackupFile, size: u64, verified: bool) -> Backup {
        let made_by = |job: &&Job| {
            BackupId::new(job.number) == Some(file.id)
                && job.asked_at.is_none_or(|time| time == file.taken_at)
        };
        let job = self.jobs.iter().find(made_by);
        let older = job.filter(|job| job.asked_at.is_none() && !verified);
        let status = match older.map(|job| job.state) {
            None | Some(JobState::Exited(0) | JobState::NeverStarted) => Status::Complete,
            Some(JobState::Running) => Status::Running,
            Some(JobState::Exited(_)) => Status::Failed,
        };
        Backup {
            id: file.id,
            status,
            file: Some(file),
            size,
            created_at: Some(file.taken_at),
            verified,
            container: job.map(|job| job.container.clone()),
        }
    }

    /// The complete and verified ones.
    pub(crate) fn verified(&self) -> impl Iterator<Item = &Backup> {
        self.complete().filter(|backup| backup.verified)
    }

    /// The complete ones that nobody has read back yet.
    pub(crate) fn unverified(&self) -> impl Iterator<Item = &Backup> {
        self.complete().filter(|backup| !backup.verified)
    }

    fn complete(&self) -> impl Iterator<Item = &Backup> {
        let complete = |backup: &&Backup| backup.status == Status::Complete;
        self.backups.iter().filter(complete)
    }

    /// The one that a restore would take first.
    pub(crate) fn newest_verified(&self) -> Option<&Backup> {
        self.verified().max_by_key(|backup| backup.created_at)
    }

    /// The captures in flight.
    pub(crate) fn running(&self) -> impl Iterator<Item = &Job> {
        let running = |job: &&Job| job.state == JobState::Running;
        self.jobs.iter().filter(running)
    }

    /// The backup that an operator named.
    pub(crate) fn find(&self, name: BackupName) -> Result<&Backup> {
        let cluster = &self.cluster;
        let named = |backup: &&Backup| match name {
            BackupName::Id(id) => backup.id == id,
            BackupName::File(file) => backup.file == Some(file),
        };
        let found: Vec<_> = self.backups.iter().filter(named).collect();
        match found[..] {
            [backup] => Ok(backup),
            [] => Err(Refusal::new(
                format!("{cluster}: there is no backup {name}"),
                format!("vd pg:backups {cluster} lists them"),
            )),
            [..] => {
                let files = found.iter().filter_map(|backup| backup.file);
                let files: Vec<_> = files.map(|file| file.to_string()).collect();
                Err(Refusal::new(
                    format!("{cluster}: several backups have the id {name}"),
                    format!("name the file instead of the id: {}", files.join(" or ")),
                ))
            }
        }
    }

    /// Removes what a command left that was killed while it started a capture. Only who holds the
    /// lock knows that nobody is just doing that.
    pub(crate) fn sweep_temporaries(&self, directory: &Directory, _lock: &Lock) {
        for name in &self.temporaries {
            directory.remove(name).ok();
        }
    }

    /// Gives back the space of captures that were killed. What cannot be removed now is left to
    /// the next command.
    pub(crate) fn sweep(&self, directory: &Directory) {
        for name in &self.leftovers {
            // The dump may have been given its name just after the directory was read.
            let dump = name.strip_suffix(CHECKSUM);
            if dump.is_none_or(|dump| directory.open_file(dump).is_err()) {
                directory.remove(name).ok();
            }
        }
    }
}

/// The mark's replacement, and passwords that nobody is about to read.
fn temporaries(entries: &[Entry], jobs: &[Job]) -> Vec<String> {
    let names = entries.iter().map(|entry| &entry.name);
    let unread = |name: &str| passwords::owner(name).is_some_and(|id| !runs(jobs, id));
    let temporary = |name: &&String| ids::is_temporary(name) || unread(name);
    names.filter(temporary).cloned().collect()
}

fn runs(jobs: &[Job], id: BackupId) -> bool {
    let runs = |job: &Job| job.state == JobState::Running && job.number == id.number();
    jobs.iter().any(runs)
}

fn group(entries: &[Entry]) -> BTreeMap<BackupFile, Files> {
    let mut files: BTreeMap<BackupFile, Files> = BTreeMap::new();
    for entry in entries {
        let Some((file, part)) = BackupFile::parse(&entry.name) else {
            continue;
        };
        let found = files.entry(file).or_default();
        match part {
            Part::Dump => found.dump = Some(entry.size),
            Part::Checksum => found.checksum = true,
            Part::Partial => {
                let before = found.partial.unwrap_or_default();
                found.partial = Some(before.max(entry.size));
            }
        }
        if part != Part::Dump {
            found.names.push(entry.name.clone());
        }
    }
    files
}

/// Unfinished files, and checksums of dumps that are gone, unless their capture still runs. One that
/// runs may be giving an older dump its checksum.
fn leftovers(files: &BTreeMap<BackupFile, Files>, jobs: &[Job]) -> Vec<String> {
    let busy = jobs.iter().any(|job| job.state == JobState::Running);
    let idle = files.iter().filter(|(file, found)| {
        let verifying = busy && found.dump.is_some();
        !verifying && !runs(jobs, file.id)
    });
    let names = idle.flat_map(|(file, found)| {
        let checksum = file.checksum();
        let keep = move |name: &&String| found.dump.is_some() && **name == checksum;
        found.names.iter().filter(move |name| !keep(name))
    });
    names.cloned().collect()
}

/// A capture that has not got as far as a complete file.
fn without_dump(job: &Job, files: &BTreeMap<BackupFile, Files>) -> Option<Backup> {
    let id = BackupId::new(job.number)?;
    let status = match job.state {
        JobState::Running => Status::Running,
        // Its file was deleted later.
        JobState::Exited(0) => return None,
        JobState::Exited(_) | JobState::NeverStarted => Status::Failed,
    };
    let mut of_job = files.iter().filter(|(file, _)| file.id == id);
    let partial = of_job.find_map(|(file, found)| Some((*file, found.partial?)));
    let partial = partial.filter(|_| status == Status::Running);
    Some(Backup {
        id,
        status,
        file: partial.map(|(file, _)| file),
        size: partial.map_or(0, |(_, size)| size),
        created_at: job.asked_at.or(partial.map(|(file, _)| file.taken_at)),
        verified: false,
        container: Some(job.container.clone()),
    })
}

#[cfg(test)]
#[path = "catalog_tests.rs"]
mod tests;
