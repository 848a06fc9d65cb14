//! `backups:prune`: the retention, on demand.

use crate::backups::catalog::{Backup, Catalog};
use crate::backups::place::Place;
use crate::backups::tidy;
use crate::commands::args::{ConfirmArgs, ReplyArgs, RetentionArgs};
use crate::context::Context;
use crate::controller::Layers;
use crate::docker::invocation::UNATTENDED;
use crate::model::bucket::{Vars, keys};
use crate::model::byte_size::ByteSize;
use crate::model::refusal::Refusal;
use crate::model::resource_ref::ResourceRef;
use crate::model::retention::Retention;
use crate::output::Reply;

/// Delete the backups that are over the limits
///
/// The limits are --keep and --max-age, or BACKUP_KEEP and BACKUP_MAX_AGE in the config, each for
/// itself. Only backups that were verified count; the newest of them is never deleted, and ages are
/// measured from it. Running captures are left alone.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  vd pg:backups:prune clowk-lp/db --dry-run
  vd pg:backups:prune clowk-lp/db --keep 5 --yes
  vd pg:backups:prune clowk-lp/db --keep 14 --max-age 7d --yes")]
pub(crate) struct Args {
    /// The cluster, as <scope>/<name>
    cluster: ResourceRef,

    #[command(flatten)]
    retention: RetentionArgs,

    /// Show what would be deleted, and delete nothing
    #[arg(long)]
    dry_run: bool,

    #[command(flatten)]
    confirm: ConfirmArgs,

    #[command(flatten)]
    reply: ReplyArgs,
}

impl Args {
    pub(crate) fn run(&self, context: &Context<'_>) -> anyhow::Result<Reply> {
        let session = context.session()?;
        let root = context.backups_root()?;
        let place = session.backups(context, &root).find(&self.cluster)?;
        let config = session.controller.config(&self.cluster, Layers::Merged)?;
        let vars = Vars {
            config: &config,
            cluster: &self.cluster,
        };
        let retention = Retention::of(self.retention.flags(), &vars)?;
        if retention.is_none() {
            return Err(self.no_limits().into());
        }
        // Whoever else deletes decides by what is left then.
        let _lock = match &place.directory {
            Some(directory) if !self.dry_run => Some(directory.lock()?),
            _ => None,
        };
        let catalog = place.catalog(context.docker().patient(UNATTENDED))?;
        let expired = expired(&catalog, &retention, context);
        if !self.dry_run && !expired.is_empty() {
            self.confirm.check(format!(
                "{}: this deletes {} of its backups for good: {}",
                self.cluster,
                expired.len(),
                ids(&expired)
            ))?;
            carry_out(context, &place, &catalog, &expired)?;
        }
        Reply::dispatch(self.message(&retention, &expired), [])
    }

    fn no_limits(&self) -> Refusal {
        Refusal::new(
            format!(
                "{}: there is no limit that a backup could be over",
                self.cluster
            ),
            format!(
                "give --keep or --max-age, or set {} in the config",
                keys::BACKUP_KEEP
            ),
        )
    }

    fn message(&self, retention: &Retention, expired: &[&Backup]) -> String {
        let cluster = &self.cluster;
        if expired.is_empty() {
            return format!("postgres {cluster}: retention ({retention}): nothing to prune");
        }
        let pruned = if self.dry_run {
            "would prune"
        } else {
            "pruned"
        };
        let size = expired.iter().map(|backup| backup.size).sum();
        format!(
            "postgres {cluster}: retention ({retention}): {pruned} {} backup(s): {} ({})",
            expired.len(),
            ids(expired),
            ByteSize(size)
        )
    }
}

fn carry_out(
    context: &Context<'_>,
    place: &Place,
    catalog: &Catalog,
    expired: &[&Backup],
) -> anyhow::Result<()> {
    let Some(directory) = &place.directory else {
        return Ok(());
    };
    catalog.sweep(directory);
    for file in expired.iter().filter_map(|backup| backup.file) {
        tidy::remove_file(directory, &file)?;
    }
    tidy::remove_containers(catalog, expired, context.docker().patient(UNATTENDED))
}

fn expired<'a>(
    catalog: &'a Catalog,
    retention: &Retention,
    context: &Context<'_>,
) -> Vec<&'a Backup> {
    let verified: Vec<_> = catalog.verified().collect();
    let files: Vec<_> = verified.iter().filter_map(|backup| backup.file).collect();
    let expired = retention.expired(&files, (context.now)().into());
    let over = |backup: &&Backup| backup.file.is_some_and(|file| expired.contains(&file));
    verified.into_iter().filter(over).collect()
}

fn ids(backups: &[&Backup]) -> String {
    let ids: Vec<_> = backups.iter().map(|backup| backup.id.to_string()).collect();
    ids.join(", ")
}
