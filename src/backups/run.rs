//! How a container of ours is started.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::backups::containers::{ASKED_AT, JobName, STARTING};
use crate::docker::engine::Docker;
use crate::docker::invocation::Invocation;
use crate::docker::runner::Failure;
use crate::model::refusal::Refusal;
use crate::model::timestamp::Timestamp;

/// How long the removal of one that did not start in time may take.
const WITHDRAWING: Duration = Duration::from_secs(6);

/// One that is to be started.
pub(crate) struct Run<'a> {
    pub(crate) name: JobName<'a>,
    /// The pod whose network it shares: the server there is at 127.0.0.1. Without one it has none.
    pub(crate) pod: Option<&'a str>,
    pub(crate) image: &'a str,
    pub(crate) backups: &'a Path,
    pub(crate) mounts: Vec<Mount>,
    pub(crate) script: &'a str,
    /// `key=value` each; they can be seen by everybody who may use docker.
    pub(crate) arguments: Vec<String>,
    pub(crate) asked_at: Timestamp,
}

/// Something else of the host that it sees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mount {
    pub(crate) source: PathBuf,
    pub(crate) target: &'static str,
    pub(crate) access: Access,
}

/// What may be done with it in there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    Read,
    Write,
}

impl Mount {
    /// A path that is only read.
    pub(crate) fn read_only(source: impl Into<PathBuf>, target: &'static str) -> Self {
        Self {
            source: source.into(),
            target,
            access: Access::Read,
        }
    }

    /// A directory that is written to.
    pub(crate) fn writable(source: impl Into<PathBuf>, target: &'static str) -> Self {
        Self {
            access: Access::Write,
            ..Self::read_only(source, target)
        }
    }

    /// As docker reads it: comma-separated, so that a path may hold a colon.
    fn option(&self) -> String {
        let source = self.source.display().to_string().replace('"', "\"\"");
        let access = match self.access {
            Access::Read => ",readonly",
            Access::Write => "",
        };
        format!(
            "type=bind,\"source={source}\",target={}{access}",
            self.target
        )
    }
}

impl Run<'_> {
    /// Starts it in the background.
    pub(crate) fn start(&self, docker: Docker<'_>) -> Result<(), Failure> {
        docker.ask(&self.invocation()).map(drop)
    }

    /// After a start that took too long, which docker may carry out all the same: removes the
    /// container. Docker starts it by a second request of the client that was killed, so one that is
    /// not there now is not started later.
    pub(crate) fn withdraw(&self, docker: Docker<'_>) -> Result<(), Failure> {
        let name = self.name.to_string();
        let invocation = Invocation::docker(["rm", "-f", "-v", &name]).limit(WITHDRAWING);
        let output = docker.capture(&invocation)?;
        if output.stderr.contains("No such container") {
            return Ok(());
        }
        output.succeeded(&invocation).map(drop)
    }

    /// What the operator has to know of a start that took too long.
    pub(crate) fn may_run(&self, failure: &Failure, what: &str) -> Refusal {
        let name = self.name;
        let (cluster, letter) = (name.cluster, &name.role.word()[..1]);
        let id = format!("{letter}{:03}", name.number);
        Refusal::new(
            format!(
                "{cluster}: docker may have started {name} all the same, which {what}: {failure}"
            ),
            format!(
                "see whether it runs: vd pg:backups:logs {cluster} {id}; stop it if it does: vd pg:backups:cancel {cluster} {id}"
            ),
        )
    }

    /// Bash is process 1, without the image's own entrypoint, so that a stop reaches the script at
    /// once. It is root in there, as the image is by default: the files keep the group of the
    /// backups directory.
    fn invocation(&self) -> Invocation {
        let (cluster, role) = (self.name.cluster, self.name.role.word());
        let labels = [
            "createdby=voodu".to_owned(),
            format!("voodu.kind={role}"),
            format!("voodu.role={role}"),
            format!("voodu.scope={}", cluster.scope()),
            format!("voodu.name={}", cluster.name()),
            format!("{ASKED_AT}={}", self.asked_at),
        ];
        let name = self.name.to_string();
        let pod = self.pod.map(|pod| format!("container:{pod}"));
        let network = pod.unwrap_or_else(|| "none".to_owned());
        let backups = format!("{}:/backups", self.backups.display());
        let mut words = vec!["run", "-d", "--name", &name, "--network", &network];
        words.extend(["--volume", &backups]);
        let mounts: Vec<_> = self.mounts.iter().map(Mount::option).collect();
        words.extend(mounts.iter().flat_map(|mount| ["--mount", mount]));
        words.extend(labels.iter().flat_map(|label| ["--label", label]));
        words.extend(["--user", "0:0", "--stop-signal", "TERM"]);
        words.extend(["--entrypoint", "bash", self.image, "-c", self.script, role]);
        words.extend(self.arguments.iter().map(String::as_str));
        Invocation::docker(words).limit(STARTING)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backups::containers::Role;
    use crate::model::resource_ref::ResourceRef;

    #[test]
    fn a_container_shares_the_pods_network_and_the_directory() {
        let cluster = ResourceRef::new("clowk-lp", "db").unwrap();
        let run = Run {
            name: JobName {
                cluster: &cluster,
                role: Role::Backup,
                number: 8,
            },
            pod: Some("clowk-lp-db.0"),
            image: "sha256:1",
            backups: Path::new("/srv/b"),
            mounts: vec![
                Mount::read_only("/srv/a,\"b", "/restore/x"),
                Mount::writable("/srv/c", "/d"),
            ],
            script: "echo",
            arguments: vec!["file=x".to_owned()],
            asked_at: Timestamp::parse_compact("20260504T020000Z").unwrap(),
        };
        assert_eq!(
            run.invocation().argv.join(" "),
            "docker run -d --name clowk-lp-db-backup-b008 --network container:clowk-lp-db.0 \
             --volume /srv/b:/backups \
             --mount type=bind,\"source=/srv/a,\"\"b\",target=/restore/x,readonly \
             --mount type=bind,\"source=/srv/c\",target=/d --label createdby=voodu --label voodu.kind=backup \
             --label voodu.role=backup --label voodu.scope=clowk-lp --label voodu.name=db \
             --label voodu.created_at=2026-05-04T02:00:00Z --user 0:0 --stop-signal TERM \
             --entrypoint bash sha256:1 -c echo backup file=x"
        );
    }
}
