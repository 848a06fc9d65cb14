//! `backups:capture`: a dump, in the background.

use crate::backups::capture::{Capture, Plan, check_role};
use crate::backups::place;
use crate::cluster::Cluster;
use crate::commands::args::{CompressArgs, ReplyArgs, RetentionArgs};
use crate::context::Context;
use crate::docker::follow::follow;
use crate::docker::invocation::UNATTENDED;
use crate::model::bucket::keys;
use crate::model::compression::Compression;
use crate::model::excerpt;
use crate::model::ordinal::Ordinal;
use crate::model::refusal::Result;
use crate::model::resource_ref::ResourceRef;
use crate::model::retention::Retention;
use crate::output::{Local, Reply};
use crate::postgres::psql::Psql;
use crate::postgres::source::Source;

/// Back up the database of a cluster with pg_dump, in the background
///
/// A container of its own dumps the database into the cluster's backups directory, reads the whole
/// file back, and only then gives it its name. It goes on when this command, the session or the
/// controller ends. A dump holds one database: not the server's roles, and not its other databases.
///
/// After success it deletes what is over the limits of --keep and --max-age, or of BACKUP_KEEP and
/// BACKUP_MAX_AGE in the config. A capture that fails deletes nothing.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  vd pg:backups:capture clowk-lp/db
  vd pg:backups:capture clowk-lp/db --follow
  vd pg:backups:capture clowk-lp/db --from-replica 1 --follow
  vd pg:backups:capture clowk-lp/db --keep 14 --max-age 4w --compress=zstd:3")]
pub(crate) struct Args {
    /// The cluster, as <scope>/<name>
    cluster: ResourceRef,

    /// Dump this standby instead of the primary; rows of unlogged tables are not on a standby
    #[arg(long, value_name = "ORDINAL")]
    from_replica: Option<Ordinal>,

    /// Watch it to its end; its exit code becomes the command's
    #[arg(long)]
    follow: bool,

    #[command(flatten)]
    retention: RetentionArgs,

    #[command(flatten)]
    compress: CompressArgs,

    #[command(flatten)]
    reply: ReplyArgs,
}

impl Args {
    pub(crate) fn run(&self, context: &Context<'_>) -> anyhow::Result<Reply> {
        let session = context.session()?;
        let cluster = Cluster::load(&*session.controller, &self.cluster)?;
        let pod = self.pod(&cluster)?;
        let directory = place::directory(&cluster)?;
        let docker = context.docker().patient(UNATTENDED);
        let container = cluster.running(docker, pod)?.container;
        let login = cluster.login();
        let source = Source::ask(Psql::new(docker, &container, login));
        let source = cluster.answered(&container, source)?;
        check_role(&cluster, pod, &source)?;
        let plan = Plan {
            cluster: &cluster,
            directory: &directory,
            pod,
            source,
            compression: self.compression(&cluster)?,
            retention: Retention::of(self.retention.flags(), &cluster.vars())?,
            now: (context.now)().into(),
            random: context.random,
        };
        let capture = plan.start(docker)?;
        let note = self.note(&plan);
        if self.follow {
            let local = Local {
                cluster: &self.cluster,
                command: follow(&capture.container),
                message: note,
                summary: format!("following {}", capture.container),
            };
            return local.reply(context, session.caller);
        }
        Reply::dispatch(format!("{}\n{note}", self.started(&capture, pod)), [])
    }

    fn pod(&self, cluster: &Cluster) -> Result<Ordinal> {
        let topology = cluster.topology()?;
        match self.from_replica {
            None => Ok(topology.primary()),
            Some(replica) => topology.member(replica),
        }
    }

    fn compression(&self, cluster: &Cluster) -> Result<Compression> {
        if let Some(compression) = self.compress.chosen()? {
            return Ok(compression);
        }
        let vars = cluster.vars();
        let stored = vars.parsed(keys::BACKUP_COMPRESS, "a method such as zstd:3")?;
        Ok(stored.unwrap_or_default())
    }

    fn started(&self, capture: &Capture, pod: Ordinal) -> String {
        let (cluster, Capture { id, container }) = (&self.cluster, capture);
        format!(
            "postgres {cluster}: backup {id} capturing in background (container {container}, \
             source: ordinal {pod}). track via: vd pg:backups {cluster} | \
             vd pg:backups:logs {cluster} {id} --follow"
        )
    }

    /// What the operator must not rely on finding in it.
    fn note(&self, plan: &Plan<'_>) -> String {
        let database = &plan.cluster.deployed.database;
        let others = plan.source.others.iter().map(|name| excerpt::key(name));
        let others: Vec<_> = others.collect();
        let others = match &others[..] {
            [] => String::new(),
            others => format!(", nor its other databases ({})", others.join(", ")),
        };
        let rows = match (plan.source.in_recovery, self.from_replica) {
            (true, _) => "\n  Rows of unlogged tables are not on a standby, so they are not in it.",
            (false, Some(_)) => "\n  That pod is the primary by now.",
            (false, None) => "",
        };
        format!("  It holds the database {database}: not the server's roles{others}.{rows}")
    }
}
