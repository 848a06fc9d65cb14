//! `backups:logs`: what a capture or a restore said.

use serde_json::json;

use crate::backups::containers::{Role, numbered};
use crate::commands::args::OutputArgs;
use crate::context::Context;
use crate::docker::follow::{follow, log};
use crate::model::job_ref::JobRef;
use crate::model::refusal::Refusal;
use crate::model::resource_ref::ResourceRef;
use crate::output::{Local, Reply};

/// Show the output of a capture or a restore
///
/// Works while it runs and after it ended, until the next one removes its container.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  vd pg:backups:logs clowk-lp/db b008
  vd pg:backups:logs clowk-lp/db b008 --follow
  vd pg:backups:logs clowk-lp/db r001 --follow")]
pub(crate) struct Args {
    /// The cluster, as <scope>/<name>
    cluster: ResourceRef,

    /// A backup such as b008, a restore such as r001, or a physical backup such as p001
    #[arg(value_name = "BACKUP|JOB")]
    job: JobRef,

    /// Go on until it ends; its exit code becomes the command's
    #[arg(long)]
    follow: bool,

    #[command(flatten)]
    output: OutputArgs,
}

impl Args {
    pub(crate) fn run(&self, context: &Context<'_>) -> anyhow::Result<Reply> {
        let session = context.session()?;
        let root = context.backups_root()?;
        let docker = context.docker();
        let container = match self.job {
            JobRef::Capture(name) => {
                let place = session.backups(context, &root).find(&self.cluster)?;
                let catalog = place.catalog(docker)?;
                let container = catalog.find(name)?.container.clone();
                container.ok_or_else(|| self.gone())?
            }
            JobRef::Restore(id) => {
                numbered(docker, &self.cluster, Role::Restore, id.number())?.container
            }
            JobRef::Physical(id) => {
                numbered(docker, &self.cluster, Role::Physical, id.number())?.container
            }
        };
        if self.follow {
            let local = Local {
                cluster: &self.cluster,
                summary: format!("following {container}"),
                command: follow(&container),
                message: String::new(),
            };
            return local.reply(context, session.caller);
        }
        let text = log(docker, &container)?;
        let document = json!({"container": container, "log": text});
        self.output.reply(document, || Ok(text.clone()))
    }

    fn gone(&self) -> Refusal {
        Refusal::new(
            format!(
                "{}: the container of {} is gone, and its output with it",
                self.cluster, self.job
            ),
            "only captures since the last one, and that one itself, still have theirs",
        )
    }
}
