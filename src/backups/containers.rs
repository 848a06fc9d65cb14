//! The containers that make and restore backups: their names, which are derived here only, and how
//! they are found.

use std::fmt;
use std::time::Duration;

use crate::docker::engine::Docker;
use crate::docker::invocation::Invocation;
use crate::docker::runner::Failure;
use crate::model::refusal::Refusal;
use crate::model::resource_ref::ResourceRef;
use crate::model::timestamp::Timestamp;

/// What a container is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    Backup,
    Restore,
    Physical,
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
    /// It ended some seconds ago: whoever watched it may still be asking how.
    pub(crate) just_ended: bool,
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

/// The label that carries the time.
pub(super) const ASKED_AT: &str = "voodu.created_at";

/// Docker may be busy, and nothing is pulled.
pub(super) const STARTING: Duration = Duration::from_secs(9);

/// What docker itself takes to stop a container, at the most.
const STOPPING: Duration = Duration::from_secs(5);

impl Role {
    /// In names and labels.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Backup => "backup",
            Self::Restore => "restore",
            Self::Physical => "physical",
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

/// The container with that number.
pub(crate) fn numbered(
    docker: Docker<'_>,
    cluster: &ResourceRef,
    role: Role,
    number: u32,
) -> anyhow::Result<Job> {
    let jobs = jobs(docker, cluster, role)?;
    let mut named = jobs.into_iter().filter(|job| job.number == number);
    let ours = named.find(|job| job.is_of(cluster));
    let ours = ours.ok_or_else(|| {
        let name = JobName {
            cluster,
            role,
            number,
        };
        Refusal::new(
            format!("{cluster}: there is no container {name}"),
            "the last one of its kind is kept until the next",
        )
    })?;
    Ok(ours)
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
        just_ended: ended_just_now(status),
        asked_at: Timestamp::parse(asked_at),
        owner: (!scope.is_empty()).then(|| (scope.to_owned(), name.to_owned())),
    })
}

/// `Exited (0) 3 seconds ago`, `Exited (0) Less than a second ago`
fn ended_just_now(status: &str) -> bool {
    let ago = status.split_once(") ").map_or("", |(_, ago)| ago);
    let (number, unit) = ago.split_once(' ').unwrap_or_default();
    number == "Less" || unit.starts_with("second") && number.parse().is_ok_and(|it: u8| it < 10)
}

/// Of `Exited (137) 3 minutes ago`.
fn exit_code(status: &str) -> i32 {
    let code = status
        .split_once('(')
        .and_then(|(_, rest)| rest.split_once(')'))
        .and_then(|(code, _)| code.parse().ok());
    code.unwrap_or(-1)
}

/// How long a job has before it is killed. It needs a fraction of a second; a restore asks the server
/// how its transaction ended, which may be busy.
fn grace(role: Role) -> u8 {
    match role {
        Role::Restore => 8,
        Role::Backup | Role::Physical => 3,
    }
}

/// Stops containers of one kind, all at once.
pub(crate) fn stop(docker: Docker<'_>, role: Role, jobs: &[&Job]) -> Result<(), Failure> {
    if jobs.is_empty() {
        return Ok(());
    }
    let names = jobs.iter().map(|job| &job.container[..]);
    let grace = grace(role);
    let seconds = grace.to_string();
    let words = ["stop", "--time", &seconds].into_iter().chain(names);
    let limit = Duration::from_secs(grace.into()) + STOPPING;
    docker
        .ask(&Invocation::docker(words).limit(limit))
        .map(drop)
}

/// Removes containers that do not run, with their volumes; one that runs stays. Somebody else may
/// have been faster.
pub(crate) fn remove(docker: Docker<'_>, jobs: &[&Job]) -> Result<(), Failure> {
    if jobs.is_empty() {
        return Ok(());
    }
    let names = jobs.iter().map(|job| &job.container[..]);
    let invocation = Invocation::docker(["rm", "-v"].into_iter().chain(names)).limit(STARTING);
    let output = docker.capture(&invocation)?;
    let gone =
        |line: &str| line.contains("No such container") || line.contains("already in progress");
    if output.stderr.lines().all(gone) {
        return Ok(());
    }
    output.succeeded(&invocation).map(drop)
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
        assert_eq!(name(Role::Physical, 1), "clowk-lp-db-physical-p001");
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
        let just_ended = [
            "3 seconds ago",
            "Less than a second ago",
            "12 seconds ago",
            "2 hours ago",
        ]
        .map(|ago| ended_just_now(&format!("Exited (0) {ago}")));
        assert_eq!(just_ended, [true, true, false, false]);
        let ours: Vec<_> = jobs.iter().map(|job| job.is_of(&db())).collect();
        assert_eq!(ours, [true, true, false]);
        assert_eq!(
            jobs[1].asked_at,
            Timestamp::parse_compact("20260504T020000Z")
        );
    }

    #[test]
    fn what_cannot_be_read_is_not_ignored() {
        let runner = FakeRunner::default().prints("docker ps", "clowk-lp-db-backup-bx\trunning\n");
        assert!(jobs(Docker::new(&runner), &db(), Role::Backup).is_err());
    }

    #[test]
    fn removing_never_forces() {
        let runner = FakeRunner::default().prints("docker rm -v x", "x\n");
        let job = Job {
            container: "x".to_owned(),
            number: 1,
            state: JobState::Exited(0),
            just_ended: false,
            asked_at: None,
            owner: None,
        };
        remove(Docker::new(&runner), &[]).unwrap();
        remove(Docker::new(&runner), &[&job]).unwrap();
        assert_eq!(runner.calls(), ["docker rm -v x"]);
    }
}
