//! `unlink`: takes back what `link` gave.

use crate::cluster::Cluster;
use crate::cluster::lease::Holder;
use crate::cluster::wiring::{Marks, Origin};
use crate::commands::args::ReplyArgs;
use crate::context::Context;
use crate::controller::Layers;
use crate::model::resource_ref::ResourceRef;
use crate::output::Reply;
use crate::wire::action::{Action, Restart};

/// Take the address of the cluster away from an application
///
/// Removes DATABASE_URL and DATABASE_READ_URL from the application's config when link set them for
/// this cluster; values of your own stay. The application restarts when something was removed. The
/// application itself need not exist any more.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  vd postgres:unlink clowk-lp/db clowk-lp/web")]
pub(crate) struct Args {
    /// The cluster, as <scope>/<name>
    cluster: ResourceRef,

    /// The application, as <scope>/<name>
    consumer: ResourceRef,

    #[command(flatten)]
    reply: ReplyArgs,
}

impl Args {
    /// Forgets the application last, so that a half-done unlink can be finished.
    pub(crate) fn run(&self, context: &Context<'_>) -> anyhow::Result<Reply> {
        let session = context.session()?;
        session.check_caller(&format!("vd pg:unlink {} {}", self.cluster, self.consumer))?;
        let (cluster, lease) = Cluster::load_alone(
            &*session.controller,
            &self.cluster,
            &context.claim(Holder::Unlink),
        )?;
        let own = session.controller.config(&self.consumer, Layers::Own)?;
        let marks = Marks::of(&cluster);
        let ours = marks.with(Origin::Link, &own);
        let kept = marks.with(Origin::Operator, &own);
        let mut consumers = cluster.consumers()?;
        let was_linked = consumers.get(&self.consumer).is_some();
        consumers.unlink(&self.consumer);
        let remove = (!ours.is_empty()).then(|| {
            let kv = ours.iter().map(|variable| (*variable, String::new()));
            Action::set(&self.consumer, kv, Restart::Rolling).summary(format!(
                "config_unset {}: {}",
                self.consumer,
                ours.join(",")
            ))
        });
        let forget = cluster.bookkeeping(consumers.kv().into());
        let message = self.message(was_linked, &ours, &kept);
        Reply::dispatch_under(lease, message, remove.into_iter().chain(forget))
    }

    fn message(&self, was_linked: bool, removed: &[&str], kept: &[&str]) -> String {
        let (cluster, consumer) = (&self.cluster, &self.consumer);
        let first = match (was_linked, removed) {
            (false, []) => format!("{consumer} is not linked to {cluster}; nothing to remove"),
            (true, []) => {
                format!("unlinked {cluster} from {consumer}; it had no URL of link's any more")
            }
            (_, removed) => format!(
                "unlinked {cluster} from {consumer}; removed {}",
                removed.join(" and ")
            ),
        };
        if !was_linked || kept.is_empty() {
            return first;
        }
        let words = match kept {
            [_] => "stays: link did not set the value that it has now",
            _ => "stay: link did not set the values that they have now",
        };
        format!("{first}\n  {} {words}", kept.join(" and "))
    }
}
