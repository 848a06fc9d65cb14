//! `link`: an application gets the cluster's address.

use serde_json::{Map, Value};

use crate::cluster::Cluster;
use crate::cluster::application::Application;
use crate::cluster::lease::Holder;
use crate::cluster::proof::{PATIENCE, prove};
use crate::cluster::wiring::{Origin, Wiring};
use crate::commands::args::ReplyArgs;
use crate::context::Context;
use crate::controller::{Controller, Kind, Layers};
use crate::model::connection::{READ_URL, WRITE_URL};
use crate::model::consumers::Reads;
use crate::model::refusal::{Refusal, Result};
use crate::model::resource_ref::ResourceRef;
use crate::output::Reply;
use crate::wire::action::{Action, Restart};
use crate::wire::deployed_spec::is_cluster;

/// Give an application the address of the cluster as DATABASE_URL
///
/// DATABASE_URL names the current primary. With --reads the application also gets
/// DATABASE_READ_URL, which names every standby (libpq tries them from left to right). Both hold
/// the password. The application restarts when they change; the database never does.
///
/// What was asked for is remembered: a new password or another primary reaches the application by
/// itself. Running link again sets exactly what that line asks for.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  vd postgres:link clowk-lp/db clowk-lp/web
  vd postgres:link clowk-lp/db clowk-lp/web --reads
  vd postgres:link clowk-lp/db other-scope/worker --reads --load-balance")]
pub(crate) struct Args {
    /// The cluster, as <scope>/<name>
    cluster: ResourceRef,

    /// The application, as <scope>/<name>
    consumer: ResourceRef,

    /// Also set DATABASE_READ_URL, over the standbys
    #[arg(long)]
    reads: bool,

    /// Let each connection draw its standby (clients with libpq 16 or later; older ones refuse the URL)
    #[arg(long, requires = "reads")]
    load_balance: bool,

    #[command(flatten)]
    reply: ReplyArgs,
}

impl Args {
    /// Remembers the application first: whatever has the URL is known to a later rotation.
    pub(crate) fn run(&self, context: &Context<'_>) -> anyhow::Result<Reply> {
        if self.cluster == self.consumer {
            return Err(Refusal::new(
                format!("{}: a cluster cannot be linked to itself", self.cluster),
                "name the application second: vd pg:link <cluster> <application>",
            )
            .into());
        }
        let session = context.session()?;
        session.check_caller(&format!("vd pg:link {} {}", self.cluster, self.consumer))?;
        let controller = &*session.controller;
        let (mut cluster, lease) =
            Cluster::load_alone(controller, &self.cluster, &context.claim(Holder::Link))?;
        let application = self.check_consumer(controller)?;
        if cluster.recorded_topology().is_err() {
            cluster.await_first_boot(context.docker())?;
        }
        let proof = prove(&mut cluster, controller, context.docker(), PATIENCE)?;
        let own = controller.config(&self.consumer, Layers::Own)?;
        let wiring = Wiring::of(&cluster)?;
        let changes = wiring.changes(&own, self.asked());
        let mut consumers = cluster.consumers()?;
        consumers.link(self.consumer.clone(), self.asked());
        let tracking = cluster.bookkeeping(consumers.kv().into());
        let mut lines = self.lines(&wiring, &own, &application, &changes);
        lines.extend(proof.note(&cluster).map(|note| format!("  {note}")));
        let wire =
            (!changes.is_empty()).then(|| Action::set(&self.consumer, changes, Restart::Rolling));
        Reply::dispatch_under(lease, lines.join("\n"), tracking.into_iter().chain(wire))
    }

    fn asked(&self) -> Reads {
        match (self.reads, self.load_balance) {
            (false, _) => Reads::No,
            (true, false) => Reads::InOrder,
            (true, true) => Reads::Balanced,
        }
    }

    /// The application must exist, and take the variable from its bucket.
    fn check_consumer(&self, controller: &dyn Controller) -> anyhow::Result<Application> {
        let consumer = &self.consumer;
        let Some(application) = Application::find(controller, consumer)? else {
            return Err(Refusal::new(
                format!(
                    "{consumer}: there is no deployment, statefulset, job or cronjob of that name"
                ),
                "check the spelling, or apply its block first: vd apply -f <file>",
            )
            .into());
        };
        if application.kind == Kind::Statefulset && is_cluster(&application.spec) {
            return Err(Refusal::new(
                format!("{consumer}: a postgres cluster itself; a new variable would restart its database"),
                "name the application second: vd pg:link <cluster> <application>",
            )
            .into());
        }
        self.check_not_shadowed(&application)?;
        Ok(application)
    }

    /// A variable of the block's own env wins over the bucket.
    fn check_not_shadowed(&self, application: &Application) -> Result<()> {
        let mut set = [WRITE_URL, READ_URL]
            .into_iter()
            .take(1 + usize::from(self.reads));
        match set.find(|variable| application.sets_itself(variable)) {
            None => Ok(()),
            Some(variable) => Err(Refusal::new(
                format!(
                    "{}: env in its block sets {variable}, which wins over what link sets",
                    self.consumer
                ),
                "remove it there, apply the block, and run link again",
            )),
        }
    }

    fn lines(
        &self,
        wiring: &Wiring<'_>,
        own: &Map<String, Value>,
        application: &Application,
        changes: &[(&str, String)],
    ) -> Vec<String> {
        let (cluster, consumer) = (&self.cluster, &self.consumer);
        let primary = cluster.host(wiring.topology.primary());
        let standbys = wiring.topology.standbys().count();
        let mut lines = vec![if changes.is_empty() {
            format!("{cluster} is already linked to {consumer}, with the same URLs")
        } else {
            let when = application.takes_effect(Restart::Rolling);
            format!("linked {cluster} to {consumer}; {when}")
        }];
        lines.push(format!("  {WRITE_URL}       primary {primary}"));
        match (self.reads, standbys) {
            (false, _) => {}
            (true, 0) => lines.push(format!(
                "  {READ_URL}  not set: the cluster has one pod and no standby; run link again after raising replicas"
            )),
            (true, 1) => lines.push(format!("  {READ_URL}  1 standby")),
            (true, many) => lines.push(format!("  {READ_URL}  {many} standbys")),
        }
        for variable in [WRITE_URL, READ_URL] {
            let is_set = changes.iter().any(|(key, _)| *key == variable);
            match wiring.origin(own, variable) {
                Origin::Operator if is_set => lines.push(format!(
                    "  the {variable} that it had, which link had not set for this cluster, was replaced"
                )),
                Origin::Operator => lines.push(format!(
                    "  its {variable} stays, which link had not set for this cluster; if it names another cluster: vd pg:unlink <that cluster> {consumer}"
                )),
                Origin::Absent | Origin::Link => {}
            }
        }
        lines
    }
}
