//! `info`: what a cluster is right now, and what is wrong with it.

mod applications;
mod backup;
mod document;
mod pods;
mod text;

use crate::backups::catalog::Catalog;
use crate::backups::directory::Directory;
use crate::cluster::Cluster;
use crate::cluster::condition::Condition;
use crate::cluster::health::{Problem, problems};
use crate::commands::args::OutputArgs;
use crate::context::{Caller, Context};
use crate::controller::Controller;
use crate::docker::engine::Docker;
use crate::docker::invocation::UNATTENDED;
use crate::model::byte_size::ByteSize;
use crate::model::consumers::Consumers;
use crate::model::resource_ref::ResourceRef;
use crate::model::retention::MaxAge;
use crate::model::timestamp::Timestamp;
use crate::output::Reply;
use crate::wire::action::Action;

/// Show the state of a cluster, and what is wrong with it
///
/// Asks every pod at once, and again for 20 seconds when one does not answer; one that still does not
/// is named, and what it does is not known then. Shows who is the primary, how far the standbys are behind, sizes, applications, the last backup, and whatever
/// needs attention with the command to type. Passwords are not shown.
///
/// With --check it prints one line for each thing that is wrong and exits 1, or one line and exits
/// 0: for cron and for monitoring. The last verified backup counts once there is one: it is wrong
/// when it is older than 26 hours, or than --max-backup-age, with which a missing one is wrong too.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  vd pg:info clowk-lp/db
  vd pg:info clowk-lp/db --check
  vd pg:info clowk-lp/db --check --max-backup-age 8d --max-lag 256MB
  vd pg:info clowk-lp/db --json | jq '.pods[] | {pod, role, lag_bytes}'
  vd pg:info clowk-lp/db -o json | jq -r .data.message | jq .problems")]
pub(crate) struct Args {
    /// The cluster, as <scope>/<name>
    cluster: ResourceRef,

    /// Print what is wrong, one line each, and exit 1; exit 0 when all is well
    #[arg(long, conflicts_with_all = ["output", "json"])]
    check: bool,

    /// How far a standby may be behind
    #[arg(long, value_name = "SIZE", default_value = "64MB")]
    max_lag: ByteSize,

    /// How old the last verified backup may be; 0 is no limit
    #[arg(long, value_name = "AGE")]
    max_backup_age: Option<MaxAge>,

    #[command(flatten)]
    output: OutputArgs,
}

/// Everything that is shown.
struct Facts<'a> {
    condition: Condition<'a>,
    consumers: Consumers,
    catalog: anyhow::Result<Catalog>,
    now: Timestamp,
    problems: Vec<Problem>,
}

impl Args {
    pub(crate) fn run(&self, context: &Context<'_>) -> anyhow::Result<Reply> {
        let session = context.session()?;
        let cluster = Cluster::load_to_look_at(&*session.controller, &self.cluster)?;
        let facts = self.facts(&cluster, &*session.controller, context)?;
        if self.check {
            return facts.checked(&session.caller);
        }
        self.output
            .reply(document::of(&facts), || Ok(text::of(&facts)))
    }

    /// The pods are asked while the backups are listed.
    fn facts<'a>(
        &self,
        cluster: &'a Cluster,
        controller: &dyn Controller,
        context: &Context<'_>,
    ) -> anyhow::Result<Facts<'a>> {
        let (docker, time) = (context.docker().patient(UNATTENDED), (context.now)());
        let consumers = cluster.consumers()?;
        let (condition, catalog) = std::thread::scope(|scope| {
            let catalog = scope.spawn(|| catalog(cluster, docker));
            let condition = Condition::examine(cluster, docker, time);
            (condition, catalog.join())
        });
        let catalog =
            catalog.unwrap_or_else(|_| Err(anyhow::anyhow!("listing the backups failed")));
        let (condition, now) = (condition?, Timestamp::from(time));
        let mut problems = problems(&condition, self.max_lag);
        problems.extend(applications::problems(controller, cluster, &consumers));
        problems.extend(backup::problem(
            &self.cluster,
            &catalog,
            self.max_backup_age,
            now,
        ));
        Ok(Facts {
            condition,
            consumers,
            catalog,
            now,
            problems,
        })
    }
}

/// Behind a docker volume there are none that the plugin can see.
fn catalog(cluster: &Cluster, docker: Docker<'_>) -> anyhow::Result<Catalog> {
    let directory = cluster.deployed.backups_dir().map(Directory::open);
    let directory = directory.transpose()?.flatten();
    Catalog::read(&cluster.reference, directory.as_ref(), docker)
}

impl Facts<'_> {
    /// The reasons on standard output and the exit code, for an operator and through `vd` alike:
    /// there an error would come out on standard error with a prefix, so the CLI is given a command
    /// that fails.
    fn checked(&self, caller: &Caller) -> anyhow::Result<Reply> {
        let reference = &self.condition.cluster.reference;
        if self.problems.is_empty() {
            return Ok(Reply::Text(format!(
                "ok: {reference}: {}",
                text::summary(self)
            )));
        }
        let lines: Vec<_> = self.problems.iter().map(ToString::to_string).collect();
        let lines = lines.join("\n");
        match caller {
            Caller::Operator { .. } => Ok(Reply::Failed(lines)),
            Caller::Controller => {
                let fail = Action::exec_local(reference, vec!["false".to_owned()]);
                Reply::dispatch(lines, [fail.summary("checked")])
            }
        }
    }
}
