//! `backups:delete`: one backup goes.

use crate::backups::catalog::Status;
use crate::backups::directory::Directory;
use crate::backups::tidy;
use crate::commands::args::{ConfirmArgs, ReplyArgs};
use crate::context::Context;
use crate::model::backup_name::BackupName;
use crate::model::byte_size::ByteSize;
use crate::model::refusal::Refusal;
use crate::model::resource_ref::ResourceRef;
use crate::output::Reply;

/// Delete a backup
///
/// Removes its file, the checksum beside it and its container. Its id is not used again.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  vd pg:backups:delete clowk-lp/db b007 --yes")]
pub(crate) struct Args {
    /// The cluster, as <scope>/<name>
    cluster: ResourceRef,

    /// The backup, such as b007
    backup: BackupName,

    #[command(flatten)]
    confirm: ConfirmArgs,

    #[command(flatten)]
    reply: ReplyArgs,
}

impl Args {
    pub(crate) fn run(&self, context: &Context<'_>) -> anyhow::Result<Reply> {
        let session = context.session()?;
        let root = context.backups_root()?;
        let docker = context.docker();
        let place = session.backups(context, &root).find(&self.cluster)?;
        // Whoever else deletes decides by what is left then.
        let lock = place.directory.as_ref().map(Directory::lock);
        let _lock = lock.transpose()?;
        let catalog = place.catalog(docker)?;
        let (cluster, name) = (&self.cluster, self.backup);
        let backup = catalog.find(name)?;
        if backup.status == Status::Running {
            return Err(Refusal::new(
                format!("{cluster}: backup {name} is still being made"),
                format!("stop it with vd pg:backups:cancel {cluster} {name}"),
            )
            .into());
        }
        let size = ByteSize(backup.size);
        let is_last = backup.verified && catalog.verified().count() == 1;
        let warning = if is_last {
            ", the last one that is verified"
        } else {
            ""
        };
        self.confirm.check(format!(
            "{cluster}: this deletes backup {name} ({size}) for good{warning}"
        ))?;
        if let Some(directory) = &place.directory {
            if let Some(file) = &backup.file {
                tidy::remove_file(directory, file)?;
            }
            catalog.sweep(directory);
        }
        tidy::remove_containers(&catalog, &[backup], docker)?;
        let what = match backup.file {
            Some(file) => format!("({file}, {size})"),
            None => "(it had failed and left no file)".to_owned(),
        };
        let next = if is_last {
            format!("; no verified backup is left: vd pg:backups:capture {cluster} makes one")
        } else {
            String::new()
        };
        let id = backup.id;
        Reply::dispatch(
            format!("postgres {cluster}: backup {id} deleted {what}{next}"),
            [],
        )
    }
}
