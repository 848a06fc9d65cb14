//! The containers that make and restore backups: their names, which are derived here only, how
//! they are found, and how one is started.

use std::fmt;
use std::path::Path;
use std::time::Duration;

use crate::docker::engine::Docker;
use crate::docker::invocation::Invocation;
use crate::docker::runner::Failure;
use crate::model::resource_ref::ResourceRef;
use crate::model::timestamp::Timestamp;

/// What a container is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    Backup,
    #[cfg_attr(not(test), expect(dead_code, reason = "restore starts it"))]
    Restore,
}

/// One container's name: `clowk-lp-db-backup-b008`, `clowk-lp-db-restore-r001`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct JobName<'a> {
    pub(crate) cluster: &'a ResourceRef,
    pub(crate) role: Role,
    pub(crate) number: u32,
}

/// A container that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Job {
    pub(crate) container: String,
    pub(crate) number: u32,
    pub(crate) state: JobState,
    /// When it was asked for; the older plugin does not say.
    pub(crate) asked_at: Option<Timestamp>,
    /// Whose it is: `a-b/c` and `a/b-c` share their containers' names.
    owner: Option<(String, String)>,
}

/// How far a container is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum JobState {
    Running,
    Exited(i32),
    /// Docker was interrupted when it had made the container.
    NeverStarted,
}

/// One that is to be started.
pub(crate) struct Run<'a> {
    pub(crate) name: JobName<'a>,
    /// The pod whose network it shares: the server there is at 127.0.0.1.
    pub(crate) pod: &'a str,
    pub(crate) image: &'a str,
    pub(crate) backups: &'a Path,
    pub(crate) script: &'a str,
    /// `key=value` each; they can be seen by everybody who may use docker.
    pub(crate) arguments: Vec<String>,
    pub(crate) asked_at: Timestamp,
}

/// The label that carries the time.
const ASKED_AT: &str = "voodu.created_at";

/// Docker may be busy, and nothing is pulled.
const STARTING: Duration = Duration::from_secs(12);

impl Role {
    fn word(self) -> &'static str {
        match self {
            Self::Backup => "backup",
            Self::Restore => "restore",
        }
    }
}

impl JobName<'_> {
    fn prefix(&self) -> String {
        let (cluster, role) = (self.cluster, self.role.word());
        let (scope, name, letter) = (cluster.scope(), cluster.name(), &role[..1]);
        format!("{scope}-{name}-{role}-{letter}")
    }
}

impl fmt::Display for JobName<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{:03}", self.prefix(), self.number)
    }
}

impl Job {
    /// Whether it belongs to that cluster. A container without an owner is the older plugin's.
    pub(crate) fn is_of(&self, cluster: &ResourceRef) -> bool {
        self.owner.as_ref().is_none_or(|(scope, name)| {
            (&scope[..], &name[..]) == (cluster.scope(), cluster.name())
        })
    }
}

/// Every container with such a name, whoever's it is, in order.
pub(crate) fn jobs(
    docker: Docker<'_>,
    cluster: &ResourceRef,
    role: Role,
) -> Result<Vec<Job>, Failure> {
    let name = JobName {
        cluster,
        role,
        number: 0,
    };
    let prefix = name.prefix();
    let filter = format!("name=^/?{prefix}[0-9]+$");
    let format = format!(
        "{{{{.Names}}}}\t{{{{.State}}}}\t{{{{.Status}}}}\t{{{{.Label \"voodu.scope\"}}}}\t\
         {{{{.Label \"voodu.name\"}}}}\t{{{{.Label \"{ASKED_AT}\"}}}}"
    );
    let invocation = Invocation::docker(["ps", "-a", "--filter", &filter, "--format", &format]);
    let printed = docker.ask(&invocation)?;
    let lines = printed.lines().filter(|line| !line.is_empty());
    let read = |line| job(line, &prefix).ok_or_else(|| Failure::unexpected(&invocation, line));
    let mut jobs = lines.map(read).collect::<Result<Vec<_>, _>>()?;
    jobs.sort_by_key(|job| job.number);
    Ok(jobs)
}

fn job(line: &str, prefix: &str) -> Option<Job> {
    let mut fields = line.split('\t');
    let mut field = || fields.next();
    let (container, state, status) = (field()?, field()?, field()?);
    let (scope, name, asked_at) = (field()?, field()?, field()?);
    Some(Job {
        number: container.strip_prefix(prefix)?.parse().ok()?,
        container: container.to_owned(),
        state: match state {
            "created" => JobState::NeverStarted,
            "exited" | "dead" | "removing" => JobState::Exited(exit_code(status)),
            _ => JobState::Running,
        },
        asked_at: Timestamp::parse(asked_at),
        owner: (!scope.is_empty()).then(|| (scope.to_owned(), name.to_owned())),
    })
}

/// Of `Exited (137) 3 minutes ago`.
fn exit_code(status: &str) -> i32 {
    let code = status
        .split_once('(')
        .and_then(|(_, rest)| rest.split_once(')'))
        .and_then(|(code, _)| code.parse().ok());
    code.unwrap_or(-1)
}

/// Removes containers that do not run; one that does stays.
pub(crate) fn remove(docker: Docker<'_>, jobs: &[&Job]) -> Result<(), Failure> {
    if jobs.is_empty() {
        return Ok(());
    }
    let names = jobs.iter().map(|job| &job.container[..]);
    let invocation = Invocation::docker(["rm", "-v"].into_iter().chain(names)).limit(STARTING);
    docker.ask(&invocation).map(drop)
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
        let network = format!("container:{}", self.pod);
        let backups = format!("{}:/backups", self.backups.display());
        let mut words = vec!["run", "-d", "--name", &name, "--network", &network];
        words.extend(["--volume", &backups]);
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
    use crate::docker::fake::FakeRunner;

    fn db() -> ResourceRef {
        ResourceRef::new("clowk-lp", "db").unwrap()
    }

    #[test]
    fn the_names_of_containers() {
        let cluster = &db();
        let name = |role, number| {
            JobName {
                cluster,
                role,
                number,
            }
            .to_string()
        };
        assert_eq!(name(Role::Backup, 8), "clowk-lp-db-backup-b008");
        assert_eq!(name(Role::Restore, 1234), "clowk-lp-db-restore-r1234");
    }

    #[test]
    fn what_docker_lists() {
        let runner = FakeRunner::default().prints(
            "docker ps -a --filter name=^/?clowk-lp-db-backup-b[0-9]+$ ",
            "clowk-lp-db-backup-b009\trunning\tUp 3 seconds\tclowk-lp\tdb\t2026-05-04T02:00:00Z\n\
             clowk-lp-db-backup-b008\texited\tExited (137) 2 hours ago\t\t\t\n\
             clowk-lp-db-backup-b010\tcreated\tCreated\tclowk\tlp-db\t\n",
        );
        let jobs = jobs(Docker::new(&runner), &db(), Role::Backup).unwrap();
        let states: Vec<_> = jobs.iter().map(|job| (job.number, job.state)).collect();
        let expected = [
            (8, JobState::Exited(137)),
            (9, JobState::Running),
            (10, JobState::NeverStarted),
        ];
        assert_eq!(states, expected);
        let ours: Vec<_> = jobs.iter().map(|job| job.is_of(&db())).collect();
        assert_eq!(ours, [true, true, false]);
        assert_eq!(jobs[1].asked_at, Timestamp::parse("20260504T020000Z"));
    }

    #[test]
    fn what_cannot_be_read_is_not_ignored() {
        let runner = FakeRunner::default().prints("docker ps", "clowk-lp-db-backup-bx\trunning\n");
        assert!(jobs(Docker::new(&runner), &db(), Role::Backup).is_err());
    }

    #[test]
    fn a_container_shares_the_pods_network_and_the_directory() {
        let cluster = db();
        let run = Run {
            name: JobName {
                cluster: &cluster,
                role: Role::Backup,
                number: 8,
            },
            pod: "clowk-lp-db.0",
            image: "sha256:1",
            backups: Path::new("/srv/b"),
            script: "echo",
            arguments: vec!["file=x".to_owned()],
            asked_at: Timestamp::parse("20260504T020000Z").unwrap(),
        };
        assert_eq!(
            run.invocation().argv.join(" "),
            "docker run -d --name clowk-lp-db-backup-b008 --network container:clowk-lp-db.0 \
             --volume /srv/b:/backups --label createdby=voodu --label voodu.kind=backup \
             --label voodu.role=backup --label voodu.scope=clowk-lp --label voodu.name=db \
             --label voodu.created_at=2026-05-04T02:00:00Z --user 0:0 --stop-signal TERM \
             --entrypoint bash sha256:1 -c echo backup file=x"
        );
    }

    #[test]
    fn removing_never_forces() {
        let runner = FakeRunner::default().prints("docker rm -v x", "x\n");
        let job = Job {
            container: "x".to_owned(),
            number: 1,
            state: JobState::Exited(0),
            asked_at: None,
            owner: None,
        };
        remove(Docker::new(&runner), &[]).unwrap();
        remove(Docker::new(&runner), &[&job]).unwrap();
        assert_eq!(runner.calls(), ["docker rm -v x"]);
    }
}
