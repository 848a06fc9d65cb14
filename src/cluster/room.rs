//! Whether a pod has room to write: for WAL in its volume, and for the record in `/backups`. Asked of
//! the pod itself, as the postgres user, because its disks and its rights need not be the host's.

use std::collections::BTreeMap;
use std::thread;

use crate::cluster::Cluster;
use crate::docker::engine::Docker;
use crate::docker::invocation::Invocation;
use crate::model::ordinal::Ordinal;

/// Two lines of `df`, then what became of a file that is written where the record lies. A probe that
/// was killed left such a file behind.
const PROBE: &str = "
wal=$PGDATA/pg_wal
[ -d \"$wal\" ] || wal=${PGDATA%/*}
LC_ALL=C df -Pk \"$wal\" /backups || exit 1
rm -f /backups/.topology.probe.*
{ file=$(mktemp /backups/.topology.probe.XXXXXX) &&
  dd if=/dev/zero of=\"$file\" bs=512 count=1 && echo writable
  [ -z \"$file\" ] || rm -f \"$file\"; } 2>&1";

/// A pod's disks as it sees them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Room {
    /// What is free where its WAL is written, in bytes.
    pub(crate) data: u64,
    /// What is free in `/backups`.
    pub(crate) backups: u64,
    /// Why it cannot write beside the record.
    pub(crate) complaint: Option<String>,
}

/// The pods that answered.
pub(crate) type Rooms = BTreeMap<Ordinal, Room>;

/// Whether a pod said that it cannot write beside the record.
pub(crate) fn cannot_write(rooms: &Rooms, pod: Ordinal) -> bool {
    rooms.get(&pod).is_some_and(|room| room.complaint.is_some())
}

/// Asks every pod at once. One that does not run, or not answer, is left out: nothing is known of it.
pub(crate) fn measure(cluster: &Cluster, docker: Docker<'_>) -> Rooms {
    let pods = Ordinal::all(cluster.deployed.replicas);
    thread::scope(|scope| {
        let asked = pods.map(|pod| {
            let container = cluster.reference.container(pod);
            (pod, scope.spawn(move || ask(docker, &container)))
        });
        let asked: Vec<_> = asked.collect();
        let answers = asked.into_iter().filter_map(|(pod, thread)| {
            let room = thread
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            Some((pod, room?))
        });
        answers.collect()
    })
}

fn ask(docker: Docker<'_>, container: &str) -> Option<Room> {
    let words = ["exec", "-i", "--user", "postgres", container, "sh", "-s"];
    read(&docker.ask(&Invocation::docker(words).stdin(PROBE)).ok()?)
}

fn read(printed: &str) -> Option<Room> {
    let mut lines = printed.lines().skip(1);
    let mut free = || -> Option<u64> {
        let kilobytes: u64 = lines.next()?.split_whitespace().nth(3)?.parse().ok()?;
        kilobytes.checked_mul(1024)
    };
    let (data, backups) = (free()?, free()?);
    let said: Vec<_> = lines.collect();
    let complaint = match &said[..] {
        [] => return None,
        said if said.contains(&"writable") => None,
        [first, ..] => Some(first.rsplit(": ").next().unwrap_or(first)),
    };
    Some(Room {
        data,
        backups,
        complaint: complaint.map(|why| why.replace(char::is_control, " ")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    const DF: &str = "Filesystem 1024-blocks Used Available Capacity Mounted on\n\
        /dev/sda1 10255636 1 6144 1% /var/lib/postgresql/data\n/dev/sda1 10255636 1 20480 1% /backups\n";

    #[test]
    fn what_a_pod_says() {
        let room = |said: &str| read(&format!("{DF}{said}"));
        let writable =
            room("1+0 records in\n1+0 records out\n512 bytes copied\nwritable\n").unwrap();
        let (data, backups) = (6 << 20, 20 << 20);
        let expected = Room {
            data,
            backups,
            complaint: None,
        };
        assert_eq!(writable, expected);
        for (said, complaint) in [
            (
                "mktemp: failed to create file via template '/backups/.topology.probe.XXXXXX': Permission denied\n",
                "Permission denied",
            ),
            (
                "dd: error writing '/backups/.topology.probe.x': No space left on device\n1+0 records in\n",
                "No space left on device",
            ),
        ] {
            assert_eq!(room(said).unwrap().complaint.as_deref(), Some(complaint));
        }
        for unknown in ["", "Filesystem\n", "df: no such file\nx\ny\nz\n", DF] {
            assert_eq!(read(unknown), None, "{unknown}");
        }
    }

    /// The script itself, in a directory of this machine.
    #[test]
    fn the_probe_leaves_nothing_behind() {
        let backups = tempfile::tempdir().unwrap();
        let path = backups.path().display().to_string();
        let run = || {
            let script = PROBE.replace("/backups", &path);
            let output = Command::new("sh")
                .args(["-c", &script])
                .env("PGDATA", &path)
                .output();
            read(&String::from_utf8(output.unwrap().stdout).unwrap())
        };
        std::fs::write(backups.path().join(".topology.probe.killed"), "").unwrap();
        let room = run().unwrap();
        assert!(room.complaint.is_none() && room.data > 0, "{room:?}");
        assert_eq!(std::fs::read_dir(backups.path()).unwrap().count(), 0);
    }
}
