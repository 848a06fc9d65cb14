//! `backups:download`: a dump reaches the operator's side.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use crate::backups::catalog::{Backup, Status};
use crate::backups::directory::Directory;
use crate::commands::args::ReplyArgs;
use crate::context::{Caller, Context};
use crate::model::backup_file::BackupFile;
use crate::model::backup_name::BackupName;
use crate::model::byte_size::ByteSize;
use crate::model::refusal::Refusal;
use crate::model::resource_ref::ResourceRef;
use crate::output::Reply;
use crate::wire::action::Action;

/// Copy a backup to your side
///
/// The file is what pg_dump wrote, in its custom format: pg_restore reads it anywhere. An existing
/// file is never overwritten. The user of the CLI must be allowed to read it on the host.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  vd pg:backups:download clowk-lp/db b007
  vd pg:backups:download clowk-lp/db b007 --to /srv/archive/
  vd pg:backups:download clowk-lp/db b007 --to /srv/archive/db.dump")]
pub(crate) struct Args {
    /// The cluster, as <scope>/<name>
    cluster: ResourceRef,

    /// The backup, such as b007
    backup: BackupName,

    /// Where to, instead of the current directory; a directory, with a slash at its end, keeps the
    /// file's name
    #[arg(long, value_name = "PATH")]
    to: Option<String>,

    #[command(flatten)]
    reply: ReplyArgs,
}

impl Args {
    pub(crate) fn run(&self, context: &Context<'_>) -> anyhow::Result<Reply> {
        let session = context.session()?;
        let root = context.backups_root()?;
        let place = session.backups(context, &root).find(&self.cluster)?;
        let catalog = place.catalog(context.docker())?;
        let backup = catalog.find(self.backup)?;
        let (Status::Complete, Some(file), Some(directory)) =
            (backup.status, &backup.file, &place.directory)
        else {
            return Err(self.incomplete(backup).into());
        };
        let opened = directory.open_file(&file.to_string()).with_context(|| {
            format!("open {}", directory.path().join(file.to_string()).display())
        })?;
        let message = self.message(backup, file);
        match session.caller {
            Caller::Controller => {
                let fetch = self.fetch(directory, file, backup.size);
                Reply::dispatch(
                    message,
                    [fetch.summary(format!("{file}, {}", ByteSize(backup.size)))],
                )
            }
            Caller::Operator { .. } => {
                let to = self.destination(file, Path::is_dir);
                let bytes = copy(opened, &to)
                    .with_context(|| format!("copy {file} to {}", to.display()))?;
                let written = format!("wrote {} ({})", to.display(), ByteSize(bytes));
                Ok(Reply::Text(
                    [message, written].join("\n").trim_start().to_owned(),
                ))
            }
        }
    }

    fn incomplete(&self, backup: &Backup) -> Refusal {
        Refusal::new(
            format!(
                "{}: backup {} is {}, there is no file to copy",
                self.cluster,
                backup.id,
                backup.status.word()
            ),
            format!("vd pg:backups {} lists the complete ones", self.cluster),
        )
    }

    /// Left to the CLI, which may run on another machine. What an absolute path is over there can
    /// be guessed only from what it is here.
    fn fetch(&self, directory: &Directory, file: &BackupFile, size: u64) -> Action {
        let from = directory.path().join(file.to_string());
        let is_directory = |path: &Path| path.is_absolute() && path.is_dir();
        let to = self.destination(file, is_directory);
        let [from, to] = [from, to].map(|path| path.display().to_string());
        Action::fetch_file(&self.cluster, from, to, size)
    }

    fn destination(&self, file: &BackupFile, is_directory: impl Fn(&Path) -> bool) -> PathBuf {
        let name = file.to_string();
        match &self.to {
            None => name.into(),
            Some(to) if to.ends_with('/') || is_directory(Path::new(to)) => {
                Path::new(to).join(name)
            }
            Some(to) => to.into(),
        }
    }

    fn message(&self, backup: &Backup, file: &BackupFile) -> String {
        if backup.verified {
            return String::new();
        }
        format!(
            "{file} was never read back whole: it came here without a checksum. \
             The next vd pg:backups:capture {} looks at it.",
            self.cluster
        )
    }
}

/// Whole or not at all, and never over another file.
fn copy(mut from: File, to: &Path) -> anyhow::Result<u64> {
    let mut file = create(to)?;
    let copied = io::copy(&mut from, &mut file).and_then(|bytes| file.sync_all().map(|()| bytes));
    if copied.is_err() {
        // Half a file is of no use; the first error is what counts.
        std::fs::remove_file(to).ok();
    }
    Ok(copied?)
}

fn create(to: &Path) -> anyhow::Result<File> {
    match OpenOptions::new().write(true).create_new(true).open(to) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Err(exists(to).into()),
        opened => Ok(opened?),
    }
}

fn exists(to: &Path) -> Refusal {
    Refusal::new(
        format!(
            "{} is there already, and nothing is overwritten",
            to.display()
        ),
        "name another place with --to",
    )
}
