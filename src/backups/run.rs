//! How a container of ours is started.

use std::path::{Path, PathBuf};

use crate::backups::containers::{ASKED_AT, JobName, STARTING};
use crate::docker::engine::Docker;
use crate::docker::invocation::Invocation;
use crate::docker::runner::Failure;
use crate::model::timestamp::Timestamp;

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
