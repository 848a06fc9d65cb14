//! Captures that are killed at any moment, in every way there is: nothing half-written is ever
//! listed as complete, and the next command gives the space back.

use std::process::Command;
use std::time::Duration;

use super::{container, files, fill, list, ok, plan, vd};
use crate::support::{Cluster, docker, docker_ok, eventually, holds};

/// A dump takes about this long from its request to its end.
const DUMP: u64 = 1_800;

#[derive(Debug, Clone, Copy)]
enum Death {
    Cancelled,
    Terminated,
    Killed,
    DumpKilled,
    SessionEnded,
}

const DEATHS: [Death; 5] = [
    Death::Cancelled,
    Death::Terminated,
    Death::Killed,
    Death::DumpKilled,
    Death::SessionEnded,
];

#[test]
fn backups_that_are_killed_are_never_complete() {
    kill_captures(12);
}

#[test]
#[ignore = "minutes of killed captures; make faults runs it"]
fn backups_that_are_killed_fifty_times_are_never_complete() {
    kill_captures(50);
}

fn kill_captures(count: usize) {
    let Some(cluster) = Cluster::up(plan(17, 1)) else {
        return;
    };
    fill(&cluster, 200);
    let mut random = 0x9E37_79B9_7F4A_7C15_u64;
    for (number, death) in (1..=count).zip(DEATHS.iter().cycle()) {
        // xorshift: the same moments in every run.
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        let id = format!("b{number:03}");
        ok(&cluster, "backups:capture", &["--keep", "0"]);
        std::thread::sleep(Duration::from_millis(random % DUMP));
        befall(&cluster, &id, *death);
        eventually(15, "the end of the container", || {
            let state = docker(&[
                "inspect",
                "-f",
                "{{.State.Running}}",
                &container(&cluster, &id),
            ]);
            let state = String::from_utf8_lossy(&state.stdout).trim().to_owned();
            holds(state != "true", || state)
        });
        check(&cluster, &id, *death);
    }
}

fn befall(cluster: &Cluster, id: &str, death: Death) {
    let container = container(cluster, id);
    match death {
        Death::Cancelled => drop(vd(cluster, "backups:cancel", &[])),
        Death::Terminated => drop(docker(&["stop", &container])),
        Death::Killed => drop(docker(&["kill", &container])),
        Death::DumpKilled => kill_dump(&container),
        Death::SessionEnded => {
            let session = format!("application_name = 'voodu-postgres-backup-{id}'");
            let end =
                format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {session}");
            cluster.sql(0, &end);
        }
    }
}

/// From outside, as the kernel does when memory is short.
fn kill_dump(container: &str) {
    let processes = docker(&["top", container, "-eo", "pid,comm"]);
    for line in String::from_utf8_lossy(&processes.stdout).lines() {
        if let Some((pid, "pg_dump")) = line.trim().split_once(' ') {
            drop(Command::new("kill").args(["-9", pid]).output());
        }
    }
}

/// It may have been complete before it was hit: then it is whole.
#[track_caller]
fn check(cluster: &Cluster, id: &str, death: Death) {
    let listed = list(cluster).into_iter().find(|line| line.starts_with(id));
    let of_id = |name: &String| name.starts_with(id) || name.starts_with(&format!(".{id}"));
    let left: Vec<_> = files(cluster).into_iter().filter(of_id).collect();
    match listed.as_deref().and_then(|line| line.split_once(' ')) {
        Some((_, "complete verified")) => {
            assert_eq!(left.len(), 2, "{id} {death:?}: {left:?}");
            let path = format!("/backups/{}", left[0]);
            docker_ok(&[
                "exec",
                &cluster.pod(0),
                "pg_restore",
                "-f",
                "/dev/null",
                &path,
            ]);
        }
        None | Some((_, "failed")) => assert_eq!(left, Vec::<String>::new(), "{id} {death:?}"),
        other => panic!("{id} {death:?}: {other:?}, {left:?}"),
    }
}

/// The directory on a small disk of its own, which goes with this value.
struct SmallDisk<'a>(&'a Cluster);

impl<'a> SmallDisk<'a> {
    fn mount(cluster: &'a Cluster) -> Self {
        std::fs::create_dir_all(cluster.backups()).unwrap();
        let path = cluster.backups();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=24m", "tmpfs"])
            .arg(path)
            .status();
        assert!(mounted.unwrap().success(), "mount a tmpfs");
        Self(cluster)
    }
}

impl Drop for SmallDisk<'_> {
    fn drop(&mut self) {
        drop(self.0.platform.sweep());
        drop(Command::new("umount").arg(self.0.backups()).status());
    }
}

#[test]
fn backups_on_a_full_disk_fail_and_leave_nothing() {
    let Some(cluster) = Cluster::new(plan(17, 1)) else {
        return;
    };
    let _disk = SmallDisk::mount(&cluster);
    cluster.apply();
    cluster.wait_until_formed();
    // Nothing packs it: the dump is larger than half of the database.
    let random = "SELECT string_agg(sha256((random() * n)::text::bytea), '') FROM generate_series(1, 1000) n";
    let rows = format!("SELECT ({random} WHERE g > 0) AS a FROM generate_series(1, 800) g");
    cluster.sql(0, &format!("CREATE TABLE noise AS {rows}"));
    let failed = vd(&cluster, "backups:capture", &["--follow"]);
    assert_eq!(failed.status, 1, "{failed:?}");
    assert!(
        failed
            .stdout
            .contains("failed: the disk of the backups directory is full"),
        "{failed:?}"
    );
    assert_eq!(list(&cluster), ["b001 failed"]);
    assert_eq!(files(&cluster), Vec::<String>::new());
    // What is known not to fit is not begun.
    cluster.sql(0, "INSERT INTO noise SELECT * FROM noise");
    let refused = vd(&cluster, "backups:capture", &[]);
    assert!(
        refused.stderr.contains(": a backup needs about "),
        "{refused:?}"
    );
    assert_eq!(list(&cluster), ["b001 failed"]);
}

#[test]
#[ignore = "restarts the docker daemon under everything that runs on it; make faults runs it"]
fn backups_under_a_daemon_that_restarts_are_never_complete() {
    let Some(cluster) = Cluster::up(plan(17, 1)) else {
        return;
    };
    fill(&cluster, 400);
    ok(&cluster, "backups:capture", &[]);
    std::thread::sleep(Duration::from_millis(900));
    crate::daemon::restart_daemon();
    cluster.wait_until_primary(0);
    assert_eq!(list(&cluster), ["b001 failed"]);
    assert_eq!(files(&cluster), Vec::<String>::new());
}
