//! The replication password where each pod keeps it: a libpq passfile in its volume, which a standby
//! reads at each new connection. A pod that does not run gets its own through its volume, so that it
//! can connect when it comes back.

use std::thread;

use crate::cluster::Cluster;
use crate::cluster::beside::{Access, beside};
use crate::cluster::survey::{PodReport, State, Survey};
use crate::docker::engine::Docker;
use crate::docker::invocation::Invocation;
use crate::docker::runner::Failure;
use crate::model::ordinal::Ordinal;
use crate::model::secret::Secret;

/// Where the pods' script keeps it; its directory is the volume.
const PASSFILE: &str = "/var/lib/postgresql/data/.voodu-passfile";

/// Puts standard input in the file's place, whole or not at all: input that does not end with a line
/// end is what a killed plugin left of it. The passwords before stay on the lines after it, which libpq
/// does not read: should the role not change after all, the pods' script finds its password there.
const WRITE: &str = "\
[ ! -d \"$1\" ] || exit 1
temp=$(mktemp \"$1.voodu.XXXXXX\") || exit 1
cat >\"$temp\" && [ \"$(tail -c 1 \"$temp\" | wc -l)\" -eq 1 ] &&
  { [ ! -f \"$1\" ] || head -n 3 \"$1\" >>\"$temp\"; } &&
  chmod 0600 \"$temp\" && sync \"$temp\" && mv -f \"$temp\" \"$1\" &&
  sync \"${1%/*}\" && exit 0
rm -f \"$temp\"
exit 1";

/// The passfiles of a cluster's pods.
pub(crate) struct Passfiles<'a> {
    pub(crate) cluster: &'a Cluster,
    pub(crate) docker: Docker<'a>,
    pub(crate) survey: &'a Survey,
}

/// A pod, and why something could not be done with it.
pub(crate) type Trouble = (String, String);

impl Passfiles<'_> {
    /// Writes the password everywhere, in all pods at once. Answers what could not be reached.
    pub(crate) fn write(&self, password: &Secret) -> Vec<Trouble> {
        let line = self.line(password);
        let write = |pod: &PodReport| match self.place(pod)? {
            Some(command) => self.docker.ask(&command.stdin(line.as_bytes())).map(drop),
            None => Ok(()),
        };
        self.each(|pod| write(pod).map_err(|failure| failure.to_string()))
    }

    /// Logs in to the primary from every pod that runs, with what its passfile says, as a standby
    /// does. Answers those that could not.
    pub(crate) fn prove(&self, primary: Ordinal) -> Vec<Trouble> {
        let deployed = &self.cluster.deployed;
        let primary = format!(
            "host={} port={} user={} dbname={} replication=true",
            self.cluster.reference.host(primary),
            deployed.port,
            deployed.replication_user,
            deployed.database
        );
        let passfile = format!("PGPASSFILE={PASSFILE}");
        self.each(|pod| {
            if pod.state != State::Running {
                return Ok(());
            }
            let psql = [
                "env",
                "-u",
                "PGPASSWORD",
                &passfile,
                "PGCONNECT_TIMEOUT=2",
                "psql",
                "-XAtqw",
                &primary,
                "-c",
                "IDENTIFY_SYSTEM",
            ];
            let words = ["exec", "-i", "--user", "postgres", &pod.container]
                .into_iter()
                .chain(psql);
            let answer = self.docker.ask(&Invocation::docker(words));
            answer.map(drop).map_err(|failure| failure.to_string())
        })
    }

    /// How many pods are asked for a proof.
    pub(crate) fn running(&self) -> usize {
        self.survey
            .pods
            .iter()
            .filter(|pod| pod.state == State::Running)
            .count()
    }

    /// The command that writes a pod's passfile; none for a pod without a volume, which has none.
    fn place(&self, pod: &PodReport) -> Result<Option<Invocation>, Failure> {
        let write = ["sh", "-c", WRITE, "sh", PASSFILE];
        if pod.state == State::Running {
            let words = ["exec", "-i", "--user", "postgres", &pod.container];
            return Ok(Some(Invocation::docker(words.into_iter().chain(write))));
        }
        beside(
            self.docker,
            self.cluster,
            pod.ordinal,
            Access::Write,
            &write,
        )
    }

    /// The one line of the file (postgres manual, "The Password File").
    fn line(&self, password: &Secret) -> String {
        let escaped = password.expose().replace('\\', "\\\\").replace(':', "\\:");
        format!(
            "*:*:*:{}:{escaped}\n",
            self.cluster.deployed.replication_user
        )
    }

    fn each(&self, act: impl Fn(&PodReport) -> Result<(), String> + Sync) -> Vec<Trouble> {
        let act = &act;
        thread::scope(|scope| {
            let pods = self.survey.pods.iter();
            let started = pods.map(|pod| (pod, scope.spawn(move || act(pod))));
            let started: Vec<_> = started.collect();
            let ended = started.into_iter().filter_map(|(pod, thread)| {
                let result = thread
                    .join()
                    .unwrap_or_else(|panic| std::panic::resume_unwind(panic));
                Some((pod.container.clone(), result.err()?))
            });
            ended.collect()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::beside::VOLUME;
    use std::fs;
    use std::io::Write as _;
    use std::path::Path;
    use std::process::{Command, Stdio};

    #[test]
    fn the_pods_script_keeps_it_in_the_same_place() {
        let script = include_str!("../../templates/entrypoint/preamble.sh");
        assert!(
            script.contains("\nVOLUME=${PGDATA%/*}\n")
                && script.contains("\nPASSFILE=$VOLUME/.voodu-passfile\n")
        );
        let data = Path::new(crate::expand::PGDATA);
        assert_eq!(data.parent(), Some(Path::new(VOLUME)));
        assert_eq!(Path::new(PASSFILE).parent(), Some(Path::new(VOLUME)));
    }

    fn write(file: &Path, input: &str) -> bool {
        let mut command = Command::new("sh");
        command
            .args(["-c", WRITE, "sh"])
            .arg(file)
            .stdin(Stdio::piped());
        let mut child = command.spawn().unwrap();
        child
            .stdin
            .take()
            .unwrap()
            .write_all(input.as_bytes())
            .unwrap();
        child.wait().unwrap().success()
    }

    #[test]
    fn what_a_killed_plugin_left_of_the_input_is_not_installed() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("passfile");
        assert!(write(&file, "*:*:*:repl:new\n"));
        for cut in ["", "*:*:*:repl:ne"] {
            assert!(!write(&file, cut));
        }
        assert_eq!(fs::read_to_string(&file).unwrap(), "*:*:*:repl:new\n");
        assert!(write(&file, "*:*:*:repl:newer\n") && write(&file, "*:*:*:repl:newest\n"));
        assert!(write(&file, "*:*:*:repl:last\n") && write(&file, "*:*:*:repl:very last\n"));
        let kept = ["very last", "last", "newest", "newer"].map(|it| format!("*:*:*:repl:{it}\n"));
        assert_eq!(fs::read_to_string(&file).unwrap(), kept.concat());
        assert_eq!(
            fs::read_dir(directory.path()).unwrap().count(),
            1,
            "nothing is left beside it"
        );
    }
}
