//! `unexpose`: the port is the host's own again.

use crate::cluster::Cluster;
use crate::cluster::exposure::Exposure;
use crate::cluster::lease::Holder;
use crate::commands::args::ReplyArgs;
use crate::context::Context;
use crate::controller::Layers;
use crate::model::bucket::keys;
use crate::model::resource_ref::ResourceRef;
use crate::output::Reply;

/// Publish the database on the loopback interface only
///
/// Takes expose back. The pod restarts once, and sessions from outside end.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  vd postgres:unexpose clowk-lp/db")]
pub(crate) struct Args {
    /// The cluster, as <scope>/<name>
    cluster: ResourceRef,

    #[command(flatten)]
    reply: ReplyArgs,
}

impl Args {
    pub(crate) fn run(&self, context: &Context<'_>) -> anyhow::Result<Reply> {
        let session = context.session()?;
        session.check_caller(&format!("vd pg:unexpose {}", self.cluster))?;
        let (cluster, lease) = Cluster::load_alone(
            &*session.controller,
            &self.cluster,
            &context.claim(Holder::Unexpose),
        )?;
        let reference = &self.cluster;
        // A key of the scope can only be overruled, not taken away.
        let own = session.controller.config(reference, Layers::Own)?;
        let of_scope = cluster.bucket.exposed && !own.contains_key(keys::EXPOSE_PUBLIC);
        let flag = if of_scope { "false" } else { "" };
        let message = match Exposure::of(&cluster) {
            Exposure::Loopback => format!("{reference} is not exposed"),
            Exposure::Public if cluster.bucket.exposed => {
                format!("{reference} is on the loopback interface only; its pod restarts once")
            }
            Exposure::Public => format!(
                "{reference} is on the loopback interface only; its pod restarts once\n  \
                 {} did not publish it: if the block's own ports did, take them out there, or the next apply publishes it again",
                keys::EXPOSE_PUBLIC
            ),
            Exposure::Operators => format!(
                "{reference}: its block sets ports itself, and those stay; change them there and apply"
            ),
        };
        Reply::dispatch_under(lease, message, Exposure::Loopback.actions(&cluster, flag))
    }
}
