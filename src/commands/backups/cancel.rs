//! `backups:cancel`: a capture is stopped, and its space is given back.

use crate::backups::catalog::Catalog;
use crate::backups::containers::{self, Job};
use crate::commands::args::{ReplyArgs, count};
use crate::context::Context;
use crate::model::backup_name::BackupName;
use crate::model::refusal::{Refusal, Result};
use crate::model::resource_ref::ResourceRef;
use crate::output::Reply;

/// Stop captures that are under way
///
/// Stops all of a cluster's captures, or one. Nothing of a stopped capture is kept; the database
/// notices only that a session ended.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  vd pg:backups:cancel clowk-lp/db
  vd pg:backups:cancel clowk-lp/db b008")]
pub(crate) struct Args {
    /// The cluster, as <scope>/<name>
    cluster: ResourceRef,

    /// The backup, such as b008; all captures that run when left out
    backup: Option<BackupName>,

    #[command(flatten)]
    reply: ReplyArgs,
}

impl Args {
    pub(crate) fn run(&self, context: &Context<'_>) -> anyhow::Result<Reply> {
        let session = context.session()?;
        let root = context.backups_root()?;
        let docker = context.docker();
        let place = session.backups(context, &root).find(&self.cluster)?;
        let catalog = place.catalog(docker)?;
        let running = self.named(&catalog)?;
        containers::stop(docker, &running)?;
        // A container that is stopped is of no more use than its output.
        containers::remove(docker, &running)?;
        if let Some(directory) = &place.directory {
            place.catalog(docker)?.sweep(directory);
        }
        let cluster = &self.cluster;
        let message = match running.len() {
            0 => format!("postgres {cluster}: no capture is running"),
            stopped => format!("postgres {cluster}: stopped {}", count(stopped, "capture")),
        };
        Reply::dispatch(message, [])
    }

    fn named<'a>(&self, catalog: &'a Catalog) -> Result<Vec<&'a Job>> {
        let Some(name) = self.backup else {
            return Ok(catalog.running().collect());
        };
        let backup = catalog.find(name)?;
        let running = catalog.running();
        let mut running = running.filter(|job| Some(&job.container) == backup.container.as_ref());
        let job = running.next().ok_or_else(|| {
            Refusal::new(
                format!(
                    "{}: backup {name} is not running, it is {}",
                    self.cluster,
                    backup.status.word()
                ),
                format!("vd pg:backups {} lists what runs", self.cluster),
            )
        })?;
        Ok(vec![job])
    }
}
