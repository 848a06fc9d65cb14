//! `restore`: a physical backup replaces the data of every pod.

use std::time::Instant;

use anyhow::Context as _;

use crate::backups::physical_restore::{Passwords, Plan};
use crate::backups::place;
use crate::backups::restores::check_no_handover;
use crate::cluster::Cluster;
use crate::cluster::lease::Holder;
use crate::cluster::scripts::check_all;
use crate::commands::args::{Background, ConfirmArgs, ReplyArgs, WatchArgs};
use crate::context::Context;
use crate::docker::engine::Docker;
use crate::model::dump_source::host_file;
use crate::model::ordinal::Ordinal;
use crate::model::refusal::Refusal;
use crate::model::resource_ref::ResourceRef;
use crate::output::Reply;
use crate::postgres::psql::Psql;
use crate::postgres::role_password::stored;

/// Replace all data of a cluster by a physical backup
///
/// Takes what vd postgres:backup wrote, or a tar with the base.tar and pg_wal.tar of any
/// pg_basebackup of the same major version. The backup is checked whole before anything stops. Then
/// postgres stops on every pod, the primary's data are replaced, and the standbys copy the primary.
/// The old data are kept until the new ones run, if the disk has room for both, and come back if
/// those do not start. The passwords stay what they are today. To restore a database and not the
/// whole server use vd pg:backups:restore.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  vd postgres:restore clowk-lp/db --from /srv/backups/db-20260504.tar --yes
  vd postgres:restore clowk-lp/db --from /srv/backups/db.tar --yes --follow")]
pub(crate) struct Args {
    /// The cluster, as <scope>/<name>
    cluster: ResourceRef,

    /// The backup, by its absolute path on the host
    #[arg(long, value_name = "FILE")]
    from: String,

    #[command(flatten)]
    confirm: ConfirmArgs,

    #[command(flatten)]
    watch: WatchArgs,

    #[command(flatten)]
    reply: ReplyArgs,
}

impl Args {
    pub(crate) fn run(&self, context: &Context<'_>) -> anyhow::Result<Reply> {
        let began = Instant::now();
        let file = host_file(&self.from)?;
        let reference = &self.cluster;
        self.confirm.check(format!(
            "{reference}: this stops every pod and replaces all data of all databases"
        ))?;
        let session = context.session()?;
        let mut cluster = Cluster::load(&*session.controller, reference)?;
        let docker = context.docker();
        if cluster.record.is_none() {
            cluster.await_first_boot(docker)?;
        }
        let lease;
        (cluster, lease) = Cluster::load_alone(
            &*session.controller,
            reference,
            &context.claim(Holder::Restore),
        )?;
        check_no_handover(&cluster)?;
        let directory = place::directory(&cluster)?;
        if cluster.record.is_none() {
            let refusal = Refusal::new(
                format!("{reference}: its pods have not recorded yet who is the primary"),
                "wait until the first one has started",
            );
            return Err(refusal.into());
        }
        let primary = cluster.topology()?.primary();
        check_pod(&cluster, primary, docker)?;
        check_all(&cluster, docker)?;
        let binary = (context.binary)().context("find the plugin itself")?;
        let plan = Plan {
            cluster: &cluster,
            directory: &directory,
            primary,
            file: &file,
            passwords: passwords(&cluster, primary, docker),
            binary: &binary,
            now: (context.now)().into(),
            random: context.random,
        };
        let restore = plan.start(docker)?;
        // Its container takes the lease itself when it asks the pods to stop; until then no password
        // is changed, because a restore runs.
        drop(lease);
        let work = Background {
            cluster: reference,
            going_on: format!("{} is being restored", file.display()),
            stopping: ", as long as nothing was stopped",
            id: restore.id.to_string(),
            container: restore.container,
            began,
        };
        self.watch.reply(context, session.caller, &work)
    }
}

/// A pod whose server does not even start may be why somebody restores.
fn check_pod(cluster: &Cluster, primary: Ordinal, docker: Docker<'_>) -> anyhow::Result<()> {
    let pods = docker.pods(&cluster.reference)?;
    let pod = pods.iter().find(|pod| pod.ordinal == primary);
    let state = pod.map_or("missing", |pod| &pod.state);
    if matches!(state, "running" | "restarting") {
        return Ok(());
    }
    let container = cluster.reference.container(primary);
    Err(Refusal::new(
        format!("pod {container} is {state}, and it is the one that replaces its data first"),
        format!("start it: docker start {container}, or vd apply -f <file> when it is missing"),
    )
    .into())
}

/// As far as the server can be asked; the pods know those of their own environment.
fn passwords(cluster: &Cluster, primary: Ordinal, docker: Docker<'_>) -> Passwords {
    let container = cluster.reference.container(primary);
    let deployed = &cluster.deployed;
    let psql = Psql::new(docker, &container, cluster.login());
    let of = |role| stored(psql, role).ok().flatten();
    Passwords {
        user: of(&deployed.user),
        replication: of(&deployed.replication_user),
    }
}
