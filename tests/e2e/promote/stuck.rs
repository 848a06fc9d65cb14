//! Whatever stands in the way of a handover or a restore, somebody can write again soon after.

use std::path::PathBuf;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use crate::support::{Cluster, Load, Plan, docker_ok, eventually, holds};

/// A directory on a disk of its own, which goes with this value.
struct SmallDisk<'a>(&'a Cluster, PathBuf);

impl<'a> SmallDisk<'a> {
    fn mount(cluster: &'a Cluster, path: PathBuf, size: &str) -> Self {
        std::fs::create_dir_all(&path).expect("make the directory");
        run(Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"])
            .arg(&path));
        Self(cluster, path)
    }

    /// Takes the space that is left, all but some of it.
    fn fill(&self, all_but: u64) {
        let free = Command::new("df")
            .args(["-B1", "--output=avail"])
            .arg(&self.1)
            .output();
        let free = String::from_utf8(free.expect("df").stdout).expect("text");
        let free: u64 = free
            .lines()
            .last()
            .expect("a line")
            .trim()
            .parse()
            .expect("a number");
        let name = self.1.join(format!("filler-{all_but}"));
        let file = std::fs::File::create(name).expect("a file");
        let length = free.saturating_sub(all_but);
        rustix_fallocate(&file, length);
    }

    fn free(&self) {
        for entry in std::fs::read_dir(&self.1).expect("the directory") {
            let entry = entry.expect("an entry");
            if entry.file_name().to_string_lossy().starts_with("filler") {
                std::fs::remove_file(entry.path()).expect("remove the filler");
            }
        }
    }

    fn remount(&self, how: &str) {
        run(Command::new("mount")
            .args(["-o", &format!("remount,{how}")])
            .arg(&self.1));
    }
}

fn rustix_fallocate(file: &std::fs::File, length: u64) {
    use rustix::fs::{FallocateFlags, fallocate};
    if length > 0 {
        fallocate(file, FallocateFlags::empty(), 0, length).expect("take the space");
    }
}

impl Drop for SmallDisk<'_> {
    fn drop(&mut self) {
        // The pods go before the disk, and so before the cluster says what they logged.
        if thread::panicking() {
            self.0.print_logs();
        }
        drop(self.0.platform.sweep());
        drop(Command::new("umount").arg("-l").arg(&self.1).status());
    }
}

fn run(command: &mut Command) {
    assert!(command.status().expect("start").success(), "{command:?}");
}

fn with(block: &str, replicas: u16) -> Plan {
    Plan {
        replicas,
        block: block.to_owned(),
        ..Plan::default()
    }
}

/// The pod that accepts writes, within a bound.
#[track_caller]
fn writer_within(cluster: &Cluster, seconds: u64) -> u16 {
    eventually(seconds, "a pod that accepts writes", || {
        let writes = |pod: &u16| cluster.in_recovery(*pod).as_deref() == Ok("f");
        let found = (0..cluster.plan.replicas).find(writes);
        found.ok_or_else(|| cluster.record())
    })
}

#[test]
fn a_disk_that_fills_up_during_a_handover_leaves_somebody_who_writes() {
    let Some(cluster) = Cluster::new(with("", 2)) else {
        return;
    };
    let disk = SmallDisk::mount(&cluster, cluster.backups(), "4m");
    cluster.apply();
    cluster.wait_until_formed();
    cluster.sql(0, "CREATE TABLE t AS SELECT 1 AS i");
    cluster.wait_until_caught_up(0);
    disk.fill(65536);
    cluster.hand_over_to(1);
    disk.fill(0);
    eventually(40, "the end of the handover", || {
        holds(cluster.record().contains("state=steady"), || {
            cluster.record()
        })
    });
    let writer = writer_within(&cluster, 25);
    assert_eq!(cluster.primary(), writer);
    assert_eq!(cluster.sql(writer, "SELECT count(*) FROM t"), "1");
    disk.free();
    cluster.wait_until_formed_around(writer);

    // A disk that takes nothing at all any more.
    let target = 1 - writer;
    cluster.hand_over_to(target);
    disk.remount("ro");
    // The old primary writes until it stops, and what cannot be written is decided by then.
    thread::sleep(Duration::from_secs(15));
    writer_within(&cluster, 25);
    disk.remount("rw");
    eventually(30, "the end of the handover", || {
        holds(cluster.record().contains("state=steady"), || {
            cluster.record()
        })
    });
    let resumed = writer_within(&cluster, 25);
    assert_eq!(cluster.primary(), resumed);
    cluster.wait_until_formed_around(resumed);
    cluster.wait_until_caught_up(resumed);
    assert_eq!(cluster.sql(1 - resumed, "SELECT count(*) FROM t"), "1");
}

#[test]
fn a_target_without_room_gives_the_role_back_before_anybody_stops() {
    let Some(cluster) = Cluster::new(with("", 2)) else {
        return;
    };
    let path = cluster.backups().with_file_name("small");
    let disk = SmallDisk::mount(&cluster, path, "400m");
    let volume = format!("voodu-{}-db-data-1", cluster.scope);
    let device = format!("device={}", disk.1.display());
    docker_ok(&[
        "volume",
        "create",
        "--label",
        "createdby=voodu",
        "--label",
        &format!("voodu.scope={}", cluster.scope),
        "--opt",
        "type=none",
        "--opt",
        "o=bind",
        "--opt",
        &device,
        &volume,
    ]);
    cluster.apply();
    cluster.wait_until_formed();
    cluster.wait_until_caught_up(0);
    let started = cluster.sql(0, "SELECT pg_postmaster_start_time()");
    disk.fill(6 << 20);
    // As if the gate had not seen it.
    cluster.hand_over_to(1);
    cluster.wait_for_log(1, &["cannot take over: giving the role back to pod 0"]);
    eventually(10, "the end of the handover", || {
        holds(cluster.record().contains("primary=0\nstate=steady"), || {
            cluster.record()
        })
    });
    assert_eq!(cluster.sql(0, "SELECT pg_postmaster_start_time()"), started);
    disk.free();
    // The standby may have ended for want of room.
    cluster.wait_until_formed();
    cluster.promote(1, &[]);
    cluster.wait_until_formed_around(1);
}

/// How long nobody could write in a planned promotion under load.
fn gap(cluster: &Cluster, target: u16) -> Duration {
    let load = Load::start(cluster);
    load.await_writes(50);
    let began = Instant::now();
    let printed = cluster.promote(target, &[]);
    assert!(printed.contains("nothing was lost"), "{printed}");
    eprintln!("promote took {:?}", began.elapsed());
    load.await_writes(50);
    let seen = load.stop();
    assert_eq!(seen.lost(cluster, target).len(), 0);
    seen.longest_gap()
}

#[test]
fn an_archive_command_that_hangs_does_not_hold_writes_up() {
    let block = "pg_config = {\n archive_mode = true\n archive_command = \"sleep 100\"\n}";
    let Some(cluster) = Cluster::up(with(block, 2)) else {
        return;
    };
    cluster.sql(0, "SELECT pg_switch_wal()");
    cluster.wait_until_caught_up(0);
    let gap = gap(&cluster, 1);
    assert!(gap < Duration::from_secs(8), "{gap:?}");
    cluster.wait_until_formed_around(1);
}

#[test]
fn a_consumer_of_changes_that_confirms_nothing_does_not_hold_writes_up() {
    let Some(cluster) = Cluster::up(with("pg_config = {\n wal_level = \"logical\"\n}", 2)) else {
        return;
    };
    cluster.sql(0, "CREATE TABLE changed (i int)");
    cluster.sql(
        0,
        "SELECT pg_create_logical_replication_slot('cdc', 'test_decoding')",
    );
    // It replies to every keepalive, and says that it has stored nothing yet.
    let consume = "pg_recvlogical -U \"$POSTGRES_USER\" -d \"$POSTGRES_DB\" -p \"$PG_PORT\" --slot cdc --start -f /tmp/changes -F 3600 -s 1";
    docker_ok(&[
        "exec",
        "-d",
        "--user",
        "postgres",
        &cluster.pod(0),
        "bash",
        "-c",
        consume,
    ]);
    eventually(10, "the consumer", || {
        let active = cluster.sql(0, "SELECT active FROM pg_replication_slots");
        holds(active == "t", || active)
    });
    cluster.sql(0, "INSERT INTO changed SELECT generate_series(1, 1000)");
    cluster.wait_until_caught_up(0);
    let gap = gap(&cluster, 1);
    assert!(gap < Duration::from_secs(8), "{gap:?}");
    cluster.wait_until_formed_around(1);
}

impl Cluster {
    /// Starts a physical restore whose primary is gone before the pods are asked for it.
    fn restore_without_its_primary(&self, tar: &str) {
        let db = format!("{}/db", self.scope);
        let words = ["postgres:restore", &db, "--from", tar, "--yes"];
        thread::scope(|scope| {
            scope.spawn(|| self.platform.vd(words));
            eventually(20, "the restore's container", || {
                let filter = format!("name={}-db-restore-", self.scope);
                let names = docker_ok(&["ps", "--filter", &filter, "--format", "{{.Names}}"]);
                holds(!names.is_empty(), || "none".to_owned())
            });
            self.kill_for_good(0);
            eventually(30, "the maintenance", || {
                holds(self.record().contains("maintenance"), || self.record())
            });
        });
    }
}

#[test]
fn a_restore_whose_primary_is_gone_is_taken_back() {
    let Some(cluster) = Cluster::up(with("", 2)) else {
        return;
    };
    cluster.sql(0, "CREATE TABLE t AS SELECT 1 AS i");
    let tar = cluster
        .backups()
        .with_file_name("db.tar")
        .display()
        .to_string();
    let db = format!("{}/db", cluster.scope);
    let backed_up =
        cluster
            .platform
            .vd(["postgres:backup", &db, "--destination", &tar, "--follow"]);
    assert_eq!(backed_up.status, 0, "{backed_up:?}");
    cluster.sql(0, "INSERT INTO t VALUES (2)");
    cluster.wait_until_caught_up(0);
    cluster.restore_without_its_primary(&tar);

    // The pod that is to be restored comes back, and keeps its data.
    let refused = cluster.pg("promote", &["--replica", "1"]);
    assert!(
        refused.status == 1 && refused.stderr.contains("--replica 1 --force"),
        "{refused:?}"
    );
    let cancelled = cluster.pg("backups:cancel", &["r001"]);
    assert!(
        cancelled.status == 0 && cancelled.stdout.contains("the restore was taken back"),
        "{cancelled:?}"
    );
    docker_ok(&["start", &cluster.pod(0)]);
    cluster.wait_until_formed();
    assert_eq!(cluster.sql(0, "SELECT count(*) FROM t"), "2");

    // It is lost with its volume, and the standby takes its place.
    cluster.restore_without_its_primary(&tar);
    docker_ok(&["rm", "-f", &cluster.pod(0)]);
    docker_ok(&[
        "volume",
        "rm",
        &format!("voodu-{}-db-data-0", cluster.scope),
    ]);
    let printed = cluster.promote(1, &["--force"]);
    assert!(printed.contains("the restore was taken back"), "{printed}");
    assert_eq!(cluster.sql(1, "SELECT count(*) FROM t"), "2");
    cluster.apply();
    cluster.wait_until_formed_around(1);
    assert_eq!(cluster.sql(0, "SELECT count(*) FROM t"), "2");
}
