//! `psql`: a session in one of the pods, on the operator's side of the CLI.

use crate::cluster::Cluster;
use crate::context::Context;
use crate::model::ordinal::Ordinal;
use crate::model::resource_ref::ResourceRef;
use crate::output::{Local, Reply};
use crate::postgres::session::{Login, PSQL_IN_POD};

/// The plugin cannot know about the operator's terminal, so the choice is made over there. Both
/// ends must be one, as for psql itself: docker's terminal ends lines with CR LF.
const EXEC: &str =
    "[ -t 0 ] && [ -t 1 ] && exec docker exec -it \"$@\"; exec docker exec -i \"$@\"";

/// Open psql in the cluster, or run one statement
///
/// Runs psql in the primary's pod, as the cluster's superuser and in its database; no password is
/// asked for. The exit code is psql's. What follows -- goes to psql as it is. Where every connection
/// is taken, or an event trigger on login keeps everybody out, psql comes in by another way and says
/// so.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  vd postgres:psql clowk-lp/db
  vd postgres:psql clowk-lp/db -c \"SELECT count(*) FROM users\"
  vd postgres:psql clowk-lp/db --replica 1 -c \"SELECT pg_last_wal_replay_lsn()\"
  vd postgres:psql clowk-lp/db -- -At -c \"SELECT 1\" < /dev/null
  vd postgres:psql clowk-lp/db -- --set=ON_ERROR_STOP=1 < schema.sql")]
pub(crate) struct Args {
    /// The cluster, as <scope>/<name>
    cluster: ResourceRef,

    /// The pod to run it in, instead of the primary's
    #[arg(long, value_name = "ORDINAL")]
    replica: Option<Ordinal>,

    /// Run this SQL and exit; can be repeated
    #[arg(short, long, value_name = "SQL", allow_hyphen_values = true)]
    command: Vec<String>,

    /// More arguments for psql
    #[arg(last = true, value_name = "PSQL ARGUMENTS")]
    passed: Vec<String>,
}

impl Args {
    pub(crate) fn run(&self, context: &Context<'_>) -> anyhow::Result<Reply> {
        let session = context.session()?;
        let cluster = Cluster::load(&*session.controller, &self.cluster)?;
        let topology = cluster.topology()?;
        let pod = match self.replica {
            Some(replica) => topology.member(replica)?,
            None => topology.primary(),
        };
        let container = cluster.running(context.docker(), pod)?.container;
        let command = self.command_line(&container, cluster.login());
        let local = Local {
            cluster: &self.cluster,
            command,
            message: String::new(),
            summary: format!("psql in {container}"),
        };
        local.reply(context, session.caller)
    }

    fn command_line(&self, container: &str, login: Login<'_>) -> Vec<String> {
        let shell = ["sh", "-c", EXEC, "sh", container];
        let psql = ["bash", "-c", PSQL_IN_POD, "psql"];
        let place = [
            login.user.to_string(),
            login.port.to_string(),
            login.database.to_string(),
        ];
        let statements = self
            .command
            .iter()
            .flat_map(|sql| ["-c".to_owned(), sql.clone()]);
        shell
            .into_iter()
            .chain(psql)
            .map(str::to_owned)
            .chain(place)
            .chain(statements)
            .chain(self.passed.iter().cloned())
            .collect()
    }
}
