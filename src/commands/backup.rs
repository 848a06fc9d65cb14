//! `backup`: the whole server, as one tar on the host.

use std::time::Instant;

use anyhow::Context as _;

use crate::backups::capture::check_role;
use crate::backups::physical::Plan;
use crate::backups::place;
use crate::cluster::Cluster;
use crate::commands::args::{Background, ReplyArgs, WatchArgs};
use crate::context::Context;
use crate::docker::invocation::UNATTENDED;
use crate::model::dump_source::host_file;
use crate::model::ordinal::Ordinal;
use crate::model::resource_ref::ResourceRef;
use crate::output::Reply;
use crate::postgres::psql::Psql;
use crate::postgres::source::Source;

/// Copy all data of a cluster into one tar, with pg_basebackup
///
/// Every database of the server with its roles, as it is on the disk, for the same major version of
/// postgres: vd postgres:restore puts it back. It is read back before it gets its name, and a file
/// that is there is not overwritten. The work is done by a container, which goes on when the command
/// ends. For everything else use vd pg:backups:capture.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  vd postgres:backup clowk-lp/db --destination /srv/backups/db-20260504.tar
  vd postgres:backup clowk-lp/db --destination /srv/backups/db.tar --from-replica 1 --follow")]
pub(crate) struct Args {
    /// The cluster, as <scope>/<name>
    cluster: ResourceRef,

    /// The file to write, by its absolute path on the host
    #[arg(long, value_name = "FILE")]
    destination: String,

    /// The standby to copy, instead of the primary
    #[arg(long, value_name = "ORDINAL")]
    from_replica: Option<Ordinal>,

    #[command(flatten)]
    watch: WatchArgs,

    #[command(flatten)]
    reply: ReplyArgs,
}

impl Args {
    pub(crate) fn run(&self, context: &Context<'_>) -> anyhow::Result<Reply> {
        let began = Instant::now();
        let destination = host_file(&self.destination)?;
        let session = context.session()?;
        let cluster = Cluster::load(&*session.controller, &self.cluster)?;
        let directory = place::directory(&cluster)?;
        let topology = cluster.topology()?;
        let pod = match self.from_replica {
            Some(replica) => topology.member(replica)?,
            None => topology.primary(),
        };
        let docker = context.docker().patient(UNATTENDED);
        let container = cluster.running(docker, pod)?.container;
        let server = Source::ask(Psql::new(docker, &container, cluster.login()));
        let server = cluster.answered(&container, server)?;
        check_role(&cluster, pod, &server)?;
        let binary = (context.binary)().context("find the plugin itself")?;
        let plan = Plan {
            cluster: &cluster,
            directory: &directory,
            pod,
            destination: &destination,
            trusts: server.trusts,
            binary: &binary,
            now: (context.now)().into(),
            random: context.random,
        };
        let physical = plan.start(docker)?;
        let work = Background {
            cluster: &self.cluster,
            going_on: format!("{} is being written", destination.display()),
            stopping: ", which leaves nothing",
            id: physical.id.to_string(),
            container: physical.container,
            began,
        };
        self.watch.reply(context, session.caller, &work)
    }
}
