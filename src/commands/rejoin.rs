//! `rejoin`: an old primary becomes a standby.

use crate::cluster::Cluster;
use crate::cluster::divergence::Divergence;
use crate::cluster::handover::journal::Journal;
use crate::cluster::lease::{Holder, Lease};
use crate::cluster::members::Members;
use crate::cluster::rejoin::{Rejoin, check_loss, check_record};
use crate::cluster::survey::{PodReport, State, Survey};
use crate::commands::args::ReplyArgs;
use crate::context::Context;
use crate::model::ordinal::Ordinal;
use crate::model::refusal::{Refusal, Result};
use crate::model::resource_ref::ResourceRef;
use crate::model::topology_record::TopologyRecord;
use crate::output::Reply;

/// Make an old primary a standby again
///
/// After a forced failover the old primary keeps its data and does not start, because it may hold
/// transactions that no other pod has. This gives them up: the pod rewinds its data to the primary's
/// and follows it. Where that cannot be done it copies the primary, beside its old data as long as
/// there is room for both.
///
/// When the pod does hold such transactions the command says how many, how to save them, and changes
/// nothing without --yes. After a planned promote there is nothing to do: the old primary follows by
/// itself. The command can be repeated at any time.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  vd postgres:rejoin clowk-lp/db --replica 0
  vd postgres:rejoin clowk-lp/db --replica 0 --yes")]
pub(crate) struct Args {
    /// The cluster, as <scope>/<name>
    cluster: ResourceRef,

    /// The pod that becomes a standby
    #[arg(long, value_name = "ORDINAL")]
    replica: Ordinal,

    /// Give up the transactions that only this pod has
    #[arg(long)]
    yes: bool,

    #[command(flatten)]
    reply: ReplyArgs,
}

impl Args {
    pub(crate) fn run(&self, context: &Context<'_>) -> anyhow::Result<Reply> {
        let journal = Journal::start(context.progress);
        let session = context.session()?;
        let controller = &*session.controller;
        let (cluster, lease) =
            Cluster::load_alone(controller, &self.cluster, &context.claim(Holder::Rejoin))?;
        let pod = cluster.topology()?.member(self.replica)?;
        let members = Members {
            cluster: &cluster,
            docker: context.docker(),
        };
        let writer = cluster.record_writer(context.random)?;
        let record = check_record(members, pod)?;
        let primary = record.primary;
        let survey = Survey::take(&cluster, members.docker)?;
        if streams(&survey, pod, primary) {
            let message = format!("pod {pod} streams from pod {primary}: there is nothing to do");
            return Reply::dispatch_under(lease, message, cluster.bookkeeping(Vec::new()));
        }
        self.check_pods(&survey, primary)?;
        self.check_others(&survey, record)?;
        let only_there = Divergence::of(members, pod, primary);
        // Asked before, so answered before.
        if !self.yes && record.rejoin != Some(pod) {
            check_loss(members, pod, &only_there)?;
        }
        let rejoin = Rejoin {
            members,
            writer,
            journal: &journal,
            pod,
        };
        rejoin.ask(record)?;
        // The pod is asked for, and what follows only watches it.
        drop(lease);
        let is_back = rejoin.await_streaming(primary)?;
        let message = self.message(is_back, primary, &only_there, &journal);
        // Another command may have changed the primary meanwhile, and one that is at work mends the
        // mirror itself.
        let Some(lease) = Lease::take_now(&cluster, controller, &context.claim(Holder::Rejoin))
        else {
            return Reply::dispatch(message, []);
        };
        let cluster = Cluster::load(controller, &self.cluster)?;
        Reply::dispatch_under(lease, message, cluster.bookkeeping(Vec::new()))
    }

    fn check_pods(&self, survey: &Survey, primary: Ordinal) -> Result<()> {
        if !survey.pod(primary).is_some_and(PodReport::is_writable) {
            return Err(Refusal::new(
                format!("pod {primary}, the primary, does not answer, and a standby needs it"),
                format!("see why: docker logs {}", self.cluster.container(primary)),
            ));
        }
        let Some(pod) = survey.pod(self.replica) else {
            return Ok(());
        };
        let name = &pod.container;
        match pod.state {
            State::Absent => Err(Refusal::new(
                format!("pod {name} does not exist"),
                "apply the cluster's block again: vd apply -f <file>",
            )),
            State::Paused => Err(Refusal::new(
                format!("pod {name} is paused"),
                format!("run docker unpause {name}"),
            )),
            _ if !pod.is_ours => pod.check_script(),
            _ if pod.is_writable() => Err(pod.second_primary(primary)),
            State::Running | State::Stopped(_) => Ok(()),
        }
    }

    /// The record has room for one request, and the pod that it is for may be in the middle of it.
    fn check_others(&self, survey: &Survey, record: &TopologyRecord) -> Result<()> {
        let asked = record.rejoin.filter(|asked| *asked != self.replica);
        let asked = asked.and_then(|asked| survey.pod(asked));
        let busy = asked.filter(|pod| {
            matches!(pod.state, State::Running) && !streams(survey, pod.ordinal, record.primary)
        });
        let Some(busy) = busy else {
            return Ok(());
        };
        Err(Refusal::new(
            format!("pod {} is still at its own rejoin", busy.container),
            format!(
                "wait until it streams, which docker logs -f {} shows, and run this again",
                busy.container
            ),
        ))
    }

    fn message(
        &self,
        is_back: bool,
        primary: Ordinal,
        only_there: &std::result::Result<Divergence, String>,
        journal: &Journal<'_>,
    ) -> String {
        let (pod, container) = (self.replica, self.cluster.container(self.replica));
        let mut lines = vec![if is_back {
            format!("pod {pod} is a standby of pod {primary} again")
        } else {
            format!("pod {pod} is still on its way to follow pod {primary}; it goes on by itself")
        }];
        lines.extend(journal.lines().iter().map(|event| format!("  {event}")));
        match only_there {
            Ok(Divergence { commits: 0, .. }) => {}
            Ok(only_there) => lines.push(format!("  gave up {only_there} that only it had")),
            Err(_) => lines.push("  gave up whatever only it had".to_owned()),
        }
        if !is_back {
            lines.push(format!("  watch it: docker logs -f {container}"));
            lines.push("  run the same command again to see whether it is back".to_owned());
        }
        lines.join("\n")
    }
}

/// Whether a pod is a healthy standby of that primary: one with WAL that the primary never sent has another
/// history.
fn streams(survey: &Survey, pod: Ordinal, primary: Ordinal) -> bool {
    let primary = survey.pod(primary).and_then(PodReport::server);
    let follower = primary.and_then(|server| server.follower(pod));
    follower.is_some_and(|follower| follower.is_streaming() && !follower.is_beyond())
}
