//! What is asked of docker, as verbs: builds the command line, reads what it prints.

use std::collections::BTreeSet;
use std::num::NonZeroU16;
use std::time::{Duration, Instant};

use crate::docker::container::{self, Container};
use crate::docker::invocation::{Invocation, PROBE};
use crate::docker::published::{Published, published};
use crate::docker::runner::{Failure, Output, Runner};
use crate::model::ordinal::Ordinal;
use crate::model::resource_ref::ResourceRef;

/// The machine's docker.
#[derive(Clone, Copy)]
pub(crate) struct Docker<'a> {
    runner: &'a dyn Runner,
    /// Until when its questions may be answered, instead of a few seconds each.
    until: Option<Instant>,
}

/// A container of a cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pod {
    pub(crate) ordinal: Ordinal,
    pub(crate) container: String,
    /// Docker's word: `running`, `paused`, `restarting`, `exited`, `created`, `dead`.
    pub(crate) state: String,
}

impl Pod {
    /// Whether commands can be run in it.
    pub(crate) fn is_running(&self) -> bool {
        self.state == "running"
    }
}

impl<'a> Docker<'a> {
    /// Docker, reached with that runner.
    pub(crate) fn new(runner: &'a dyn Runner) -> Self {
        Self {
            runner,
            until: None,
        }
    }

    /// The same for somebody who has that much time for all questions together. A machine under
    /// load answers late, and a command that nobody watches is not run again.
    pub(crate) fn patient(self, time: Duration) -> Self {
        let until = Some(Instant::now() + time);
        Self { until, ..self }
    }

    /// How long the next question may take.
    pub(crate) fn patience(&self) -> Duration {
        let left = |until: Instant| until.saturating_duration_since(Instant::now());
        self.until.map_or(PROBE, left).max(PROBE)
    }

    fn run(&self, invocation: &Invocation) -> Result<Output, Failure> {
        let mut invocation = invocation.clone();
        invocation.limit.get_or_insert_with(|| self.patience());
        self.runner.capture(&invocation)
    }

    /// The containers of a cluster, running or not, in order.
    pub(crate) fn pods(&self, cluster: &ResourceRef) -> Result<Vec<Pod>, Failure> {
        let scope = format!("label=voodu.scope={}", cluster.scope());
        let name = format!("label=voodu.name={}", cluster.name());
        let invocation = Invocation::docker([
            "ps",
            "-a",
            "--filter",
            "label=voodu.kind=statefulset",
            "--filter",
            &scope,
            "--filter",
            &name,
            "--format",
            "{{.Names}}\t{{.State}}\t{{.Label \"voodu.replica_ordinal\"}}",
        ]);
        let printed = self.ask(&invocation)?;
        let mut pods = lines(&invocation, &printed, pod)?;
        pods.sort_by_key(|pod| pod.ordinal);
        Ok(pods)
    }

    /// The statefulsets that have containers, clusters and others.
    pub(crate) fn statefulsets(&self) -> Result<BTreeSet<ResourceRef>, Failure> {
        let invocation = Invocation::docker([
            "ps",
            "-a",
            "--filter",
            "label=voodu.kind=statefulset",
            "--format",
            "{{.Label \"voodu.scope\"}}/{{.Label \"voodu.name\"}}",
        ]);
        let printed = self.ask(&invocation)?;
        // Names that no cluster can have are others'.
        Ok(printed.lines().flat_map(str::parse).collect())
    }

    /// The containers that publish a TCP port of the host, running ones only.
    pub(crate) fn holders(&self, host_port: NonZeroU16) -> Result<Vec<Published>, Failure> {
        let invocation =
            Invocation::docker(["ps", "--no-trunc", "--format", "{{.Names}}\t{{.Ports}}"]);
        let printed = self.ask(&invocation)?;
        let containers = lines(&invocation, &printed, published)?;
        let holds = |published: &Published| published.ports.contains(host_port.get());
        Ok(containers.into_iter().filter(holds).collect())
    }

    /// What is known of those containers; the ones that do not exist are left out.
    pub(crate) fn inspect(&self, names: &[String]) -> Result<Vec<Container>, Failure> {
        let question = container::question(names);
        let output = self.run(&question)?;
        container::answer(&question, output)
    }

    /// Whether there is a volume of that name. Only docker's own "no such volume" says that there is
    /// none.
    pub(crate) fn has_volume(&self, name: &str) -> Result<bool, Failure> {
        let question = ["volume", "inspect", "--format", "{{.Name}}", name];
        let invocation = Invocation::docker(question);
        let output = self.run(&invocation)?;
        if output
            .stderr
            .to_ascii_lowercase()
            .contains("no such volume")
        {
            return Ok(false);
        }
        output.succeeded(&invocation).map(|_| true)
    }

    /// Runs a command line to its end, whatever its exit code.
    pub(crate) fn capture(&self, invocation: &Invocation) -> Result<Output, Failure> {
        self.run(invocation)
    }

    /// The image that a container was made from, by its id: what its name means may have changed.
    pub(crate) fn image_of(&self, container: &str) -> Result<String, Failure> {
        let words = ["inspect", "--type", "container", "--format", "{{.Image}}"];
        let invocation = Invocation::docker(words.into_iter().chain([container]));
        Ok(self.ask(&invocation)?.trim().to_owned())
    }

    /// What a command line printed, when it succeeded.
    pub(crate) fn ask(&self, invocation: &Invocation) -> Result<String, Failure> {
        self.run(invocation)?.succeeded(invocation)
    }
}

fn lines<T>(
    invocation: &Invocation,
    printed: &str,
    read: fn(&str) -> Option<T>,
) -> Result<Vec<T>, Failure> {
    let lines = printed.lines().filter(|line| !line.is_empty());
    lines
        .map(|line| read(line).ok_or_else(|| Failure::unexpected(invocation, line)))
        .collect()
}

fn pod(line: &str) -> Option<Pod> {
    let mut fields = line.split('\t');
    let (container, state, ordinal) = (fields.next()?, fields.next()?, fields.next()?);
    Some(Pod {
        ordinal: ordinal.parse().ok()?,
        container: container.to_owned(),
        state: state.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::docker::fake::FakeRunner;

    #[test]
    fn the_pods_of_a_cluster_in_order() {
        let runner = FakeRunner::default().prints(
            "docker ps -a",
            "s-db.1\texited\t1\ns-db.10\trunning\t10\ns-db.0\tpaused\t0\n",
        );
        let cluster = ResourceRef::new("s", "db").unwrap();
        let pods = Docker::new(&runner).pods(&cluster).unwrap();
        let found: Vec<_> = pods
            .iter()
            .map(|pod| (&pod.container[..], pod.is_running()))
            .collect();
        assert_eq!(
            found,
            [("s-db.0", false), ("s-db.1", false), ("s-db.10", true)]
        );
        let asked = runner.calls();
        assert!(
            asked[0].contains("label=voodu.scope=s --filter label=voodu.name=db"),
            "{asked:?}"
        );
    }

    #[test]
    fn what_cannot_be_read_is_not_ignored() {
        let runner = FakeRunner::default().prints("docker ps", "s-db.0\trunning\tx\n");
        let cluster = ResourceRef::new("s", "db").unwrap();
        assert!(Docker::new(&runner).pods(&cluster).is_err());
    }

    #[test]
    fn only_the_holders_of_that_port() {
        let runner = FakeRunner::default().prints(
            "docker ps",
            "a\t0.0.0.0:5432->5432/tcp\nb\t5432/tcp\nc\t127.0.0.1:5432->80/tcp\n",
        );
        let port = NonZeroU16::new(5432).unwrap();
        let holders = Docker::new(&runner).holders(port).unwrap();
        let names: Vec<_> = holders.into_iter().map(|holder| holder.container).collect();
        assert_eq!(names, ["a", "c"]);
    }
}
