//! What `docker inspect` knows of containers, one call for all of them.

use serde::Deserialize;

use crate::docker::invocation::Invocation;
use crate::docker::runner::{Failure, Output};

/// Names, state and command of a container; of its environment, which holds passwords, only what
/// is asked for.
const FORMAT: &str = "{\"name\":{{json .Name}},\"state\":{{json .State.Status}},\
     \"command\":{{json .Config.Cmd}},\
     \"cluster_id\":\"{{range .Config.Env}}{{if eq (index (split . \"=\") 0) \"PG_CLUSTER_ID\"}}{{index (split . \"=\") 1}},{{end}}{{end}}\",\
     \"record_format\":\"{{range .Config.Env}}{{if eq (index (split . \"=\") 0) \"PG_RECORD_FORMAT\"}}{{index (split . \"=\") 1}},{{end}}{{end}}\",\
     \"address\":\"{{with index .NetworkSettings.Networks \"voodu0\"}}{{.IPAddress}}{{end}}\"}";

/// A container, running or not.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Container {
    pub(crate) name: String,
    /// Docker's word: `running`, `paused`, `restarting`, `exited`, `created`, `dead`.
    pub(crate) state: String,
    #[serde(default)]
    pub(crate) command: Option<Vec<String>>,
    /// `PG_CLUSTER_ID` of its environment; empty without it.
    pub(crate) cluster_id: String,
    /// `PG_RECORD_FORMAT` of its environment; empty without it.
    #[serde(default)]
    pub(crate) record_format: String,
    /// On the platform's network; empty while it does not run.
    pub(crate) address: String,
}

/// The question for those containers.
pub(super) fn question(names: &[String]) -> Invocation {
    let names = names.iter().map(String::as_str);
    Invocation::docker(
        ["inspect", "--type", "container", "--format", FORMAT]
            .into_iter()
            .chain(names),
    )
}

/// Reads the answer. A container that does not exist is left out.
pub(super) fn answer(invocation: &Invocation, output: Output) -> Result<Vec<Container>, Failure> {
    let absent = |line: &str| line.to_lowercase().contains("no such container");
    let all_there = output.code == 0 || output.stderr.lines().all(absent);
    let printed = if all_there {
        output.stdout
    } else {
        output.succeeded(invocation)?
    };
    let lines = printed.lines().filter(|line| !line.is_empty());
    lines
        .map(|line| container(line).ok_or_else(|| Failure::unexpected(invocation, line)))
        .collect()
}

fn container(line: &str) -> Option<Container> {
    let container: Container = serde_json::from_str(line).ok()?;
    let name = container.name.trim_start_matches('/').to_owned();
    Some(Container {
        name,
        cluster_id: last(&container.cluster_id),
        record_format: last(&container.record_format),
        ..container
    })
}

/// The last of the values that a variable was given: docker keeps one from an `--env-file` beside
/// one from `-e`, and the platform passes both.
fn last(values: &str) -> String {
    let given = values.rsplit(',').find(|value| !value.is_empty());
    given.unwrap_or_default().to_owned()
}
