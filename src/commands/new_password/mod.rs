//! `new-password`: the superuser or the replication role gets another password, and everybody who
//! needs it learns it.

mod replication;
mod superuser;

use crate::backups::restores::check_none_runs;
use crate::cluster::Cluster;
use crate::cluster::lease::Holder;
use crate::cluster::rotation::NewPassword;
use crate::commands::args::ReplyArgs;
use crate::context::Context;
use crate::model::refusal::{Refusal, Result};
use crate::model::resource_ref::ResourceRef;
use crate::model::topology_record::State;
use crate::output::Reply;
use crate::wire::action::Action;

/// Give the database a new password, and every linked application with it
///
/// The superuser's role is changed first and a fresh login proves the new password; when that fails,
/// the old one is put back. Then the config and the URLs of all linked applications change, and the
/// applications restart. Sessions that are open stay open. The pods restart once, one after the
/// other, so that their environment agrees; with --no-restart that waits for the next apply, and
/// nothing needs it before.
///
/// With --replication it is the password that standbys connect with. Nothing restarts, and the
/// standbys go on streaming; the next apply replaces the pods once.
///
/// The password is generated: vd config <cluster> get POSTGRES_PASSWORD shows it. A password field
/// in the block has to be removed before the next apply. Run again after anything went wrong: that
/// sets yet another one everywhere.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  vd pg:new-password clowk-lp/db
  vd pg:new-password clowk-lp/db --no-restart
  vd pg:new-password clowk-lp/db --replication")]
pub(crate) struct Args {
    /// The cluster, as <scope>/<name>
    cluster: ResourceRef,

    /// Leave the pods' environment to the next apply
    #[arg(long)]
    no_restart: bool,

    /// Change the password of the replication role instead
    #[arg(long)]
    replication: bool,

    #[command(flatten)]
    reply: ReplyArgs,
}

impl Args {
    pub(crate) fn run(&self, context: &Context<'_>) -> anyhow::Result<Reply> {
        let session = context.session()?;
        session.check_caller(&format!("vd pg:new-password {}", self.cluster))?;
        let controller = &*session.controller;
        let (cluster, lease) = Cluster::load_alone(
            controller,
            &self.cluster,
            &context.claim(Holder::NewPassword),
        )?;
        check_steady(&cluster)?;
        check_none_runs(context.docker(), &self.cluster)?;
        let new = NewPassword::generate(context.random)?;
        let (message, actions) = if self.replication {
            replication::rotate_role(&cluster, context, controller, &new)?
        } else {
            self.rotate_superuser(&cluster, context, controller, &new)?
        };
        Reply::dispatch_under(lease, message, actions)
    }
}

/// What the operator reads, and what the controller is asked to store.
type Rotated = (String, Vec<Action>);

/// While roles change, it is not certain whose password would be changed.
fn check_steady(cluster: &Cluster) -> Result<()> {
    let reference = &cluster.reference;
    let what = match cluster.record.as_ref().map(|record| &record.state) {
        None | Some(State::Steady) => return Ok(()),
        Some(State::Maintenance) => "in maintenance",
        Some(State::Handover { .. }) => "in the middle of a handover",
    };
    Err(Refusal::new(
        format!("{reference}: the cluster is {what}"),
        format!(
            "nothing was changed; run it again afterwards (vd pg:info {reference} shows how far it is)"
        ),
    ))
}
