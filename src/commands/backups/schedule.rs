//! `backups:schedule`: the block that makes captures recur, for the operator to apply.

use hcl::{Block, Body};
use serde_json::json;

use crate::cluster::Cluster;
use crate::commands::args::{CompressArgs, OutputArgs, RetentionArgs};
use crate::context::Context;
use crate::model::compression::Compression;
use crate::model::cron::Cron;
use crate::model::ordinal::Ordinal;
use crate::model::resource_ref::ResourceRef;
use crate::output::Reply;

/// An image that holds `vd`.
const IMAGE: &str = "ghcr.io/clowk/voodu-cli:latest";

/// Print a cronjob block that captures regularly
///
/// Changes nothing: paste the block into your file and apply it. The flags go into its command; the
/// limits that you leave out are read from the config at each capture.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  vd pg:backups:schedule clowk-lp/db
  vd pg:backups:schedule clowk-lp/db --at \"0 3 * * *\" --from-replica 1
  vd pg:backups:schedule clowk-lp/db --at @hourly --keep 48 --max-age 14d")]
pub(crate) struct Args {
    /// The cluster, as <scope>/<name>
    cluster: ResourceRef,

    /// When, in UTC: five fields of cron, or @hourly, @daily, @weekly, @monthly or @yearly
    #[arg(long, value_name = "CRON", default_value = "0 3 * * *")]
    at: Cron,

    /// Dump this standby instead of the primary
    #[arg(long, value_name = "ORDINAL")]
    from_replica: Option<Ordinal>,

    #[command(flatten)]
    retention: RetentionArgs,

    #[command(flatten)]
    compress: CompressArgs,

    #[command(flatten)]
    output: OutputArgs,
}

impl Args {
    pub(crate) fn run(&self, context: &Context<'_>) -> anyhow::Result<Reply> {
        let session = context.session()?;
        let cluster = Cluster::load(&*session.controller, &self.cluster)?;
        if let Some(replica) = self.from_replica {
            cluster.topology()?.member(replica)?;
        }
        let command = self.command(self.compress.chosen()?);
        let block = hcl::to_string(&self.block(&command))?;
        let text = format!(
            "# Add this to your voodu.hcl, then run `vd apply`:\n{block}\n\
             # To remove the schedule later: delete the block + run `vd apply --prune`."
        );
        let document = json!({"schedule": self.at.to_string(), "command": command, "hcl": block});
        self.output.reply(document, || Ok(text))
    }

    /// `vd` asks the controller on the host's loopback interface, which only the host's network has.
    fn block(&self, command: &str) -> Body {
        let name = format!("{}-backup", self.cluster.name());
        let block = Block::builder("cronjob")
            .add_label(self.cluster.scope())
            .add_label(name)
            .add_attribute(("schedule", self.at.to_string()))
            .add_attribute(("image", IMAGE))
            .add_attribute(("network_mode", "host"))
            .add_attribute((
                "command",
                vec!["bash".to_owned(), "-c".to_owned(), command.to_owned()],
            ));
        Body::builder().add_block(block.build()).build()
    }

    /// No value in it needs a shell's quotes: all are names, numbers and words. The equals sign keeps
    /// `vd` from splitting one at its colon.
    fn command(&self, compress: Option<Compression>) -> String {
        let flags = self.retention.flags();
        let replica = self.from_replica.map(|it| format!(" --from-replica {it}"));
        let keep = flags.keep.map(|it| format!(" --keep {it}"));
        let max_age = flags.max_age.map(|it| format!(" --max-age {it}"));
        let compress = compress.map(|it| format!(" --compress={it}"));
        let flags = [replica, keep, max_age, compress].into_iter().flatten();
        let flags: String = flags.collect();
        format!("vd pg:backups:capture {}{flags}", self.cluster)
    }
}
