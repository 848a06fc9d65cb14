//! `expose`: the port becomes public.

use crate::cluster::Cluster;
use crate::cluster::exposure::{Exposure, check_host_port};
use crate::cluster::lease::Holder;
use crate::commands::args::ReplyArgs;
use crate::context::Context;
use crate::model::excerpt::excerpt;
use crate::model::refusal::{Refusal, Result};
use crate::model::resource_ref::ResourceRef;
use crate::output::Reply;

/// Publish the database on the public interfaces of the host
///
/// The port becomes reachable as <host>:<port> from everywhere that the network lets through; by
/// default only the host itself reaches it. The pod restarts once. Published docker ports bypass
/// ufw. For clusters with one pod: several cannot share one port of the host.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  vd postgres:expose clowk-lp/db")]
pub(crate) struct Args {
    /// The cluster, as <scope>/<name>
    cluster: ResourceRef,

    #[command(flatten)]
    reply: ReplyArgs,
}

impl Args {
    pub(crate) fn run(&self, context: &Context<'_>) -> anyhow::Result<Reply> {
        let session = context.session()?;
        session.check_caller(&format!("vd pg:expose {}", self.cluster))?;
        let controller = &*session.controller;
        let (mut cluster, lease) =
            Cluster::load_alone(controller, &self.cluster, &context.claim(Holder::Expose))?;
        check(&cluster)?;
        if Exposure::of(&cluster) != Exposure::Public {
            check_host_port(&cluster, context.docker())?;
            // The manifest that goes back is the stored one, also when an apply changed it while
            // docker was asked.
            cluster = Cluster::load(controller, &self.cluster)?;
            check(&cluster)?;
        }
        let message = message(&cluster, &Exposure::of(&cluster));
        let actions = Exposure::Public.actions(&cluster, "true");
        Reply::dispatch_under(lease, message, actions)
    }
}

fn check(cluster: &Cluster) -> Result<()> {
    let (reference, port) = (&cluster.reference, cluster.deployed.port);
    let replicas = cluster.deployed.replicas;
    if replicas > 1 {
        return Err(Refusal::new(
            format!("{reference}: {replicas} pods cannot share the host's port {port}"),
            format!(
                "write ports = [\"0.0.0.0::{port}\"] in the block for a random public port on each pod, \
                 or tunnel to the primary's loopback port (docker port {}): ssh -L {port}:127.0.0.1:<that port> <host>",
                reference.container(cluster.topology()?.primary())
            ),
        ));
    }
    if Exposure::of(cluster) == Exposure::Operators {
        let ports = excerpt(&cluster.deployed.ports.join(", "));
        return Err(Refusal::new(
            format!(
                "{reference}: its block sets ports itself, to {ports}, and the next apply would put them back"
            ),
            format!("write ports = [\"0.0.0.0:{port}:{port}\"] there, or remove ports and apply"),
        ));
    }
    Ok(())
}

fn message(cluster: &Cluster, before: &Exposure) -> String {
    let (reference, port) = (&cluster.reference, cluster.deployed.port);
    let first = if *before == Exposure::Public {
        format!("{reference} is already exposed on 0.0.0.0:{port}")
    } else {
        format!("{reference} is exposed on 0.0.0.0:{port}; its pod restarts once")
    };
    format!(
        "{first}\n  \
         Ports that docker publishes bypass ufw: limit who reaches it in your provider's firewall or in iptables' DOCKER-USER chain.\n  \
         Anyone who has the password can log in as superuser. To take it back: vd pg:unexpose {reference}"
    )
}
