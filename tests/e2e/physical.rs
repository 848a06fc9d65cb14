//! `backup` and `restore`: the data of the whole cluster as one tar, and back, whatever happens on
//! the way.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::thread;

use voodu_standin::cli::CliOutput;

use crate::support::{Cluster, Plan, docker_ok, eventually, holds};

const SAMPLE: &str = "
CREATE TABLE kept AS SELECT i, md5(i::text) FROM generate_series(1, 50000) AS i;
CREATE TABLE dropped AS SELECT 1 AS n;
SELECT lo_from_bytea(0, 'large');
";
const CONTENT: &str = "SELECT count(*), md5(string_agg(k::text, ',' ORDER BY i)), (SELECT count(*) FROM dropped) FROM kept AS k";

fn plan(major: u16, replicas: u16) -> Plan {
    Plan {
        major,
        replicas,
        ..Plan::default()
    }
}

impl Cluster {
    fn tar(&self, name: &str) -> PathBuf {
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(&self.scope);
        folder.join(name)
    }

    fn physical(&self, words: &[&str]) -> CliOutput {
        let reference = format!("{}/db", self.scope);
        let words = [&words[..1], &[&reference], &words[1..]].concat();
        self.platform.vd(words)
    }

    /// The job of a restore waits for the lease before it asks the pods to stop. Whatever the roles'
    /// passwords are by then is what the restored data get.
    fn restore_while_a_password_changes(&self) {
        let (tar, lease) = (self.tar("db.tar"), self.backups().join(".lease"));
        let bucket = self.platform.bucket(&self.scope, "db");
        thread::scope(|scope| {
            let restore = scope.spawn(|| self.restore_from(&tar.display().to_string()));
            eventually(20, "the command with the lease", || {
                let holder = fs::read_to_string(&lease).unwrap_or_default();
                holds(holder == "command=restore\n", || holder)
            });
            let mut held = Command::new("flock")
                .arg("-o")
                .arg(&lease)
                .args(["sh", "-c", "echo; exec sleep 60"])
                .stdout(std::process::Stdio::piped())
                .spawn()
                .unwrap();
            let mut line = [0];
            std::io::Read::read_exact(held.stdout.as_mut().unwrap(), &mut line).unwrap();
            assert!(self.record().contains("state=steady"), "it has not begun");
            self.sql(0, "ALTER ROLE appuser PASSWORD 'changed on the way'");
            held.kill().unwrap();
            held.wait().unwrap();
            let output = restore.join().unwrap();
            assert_eq!(output.status, 0, "{output:?}");
        });
        self.wait_until_formed();
        let login = self.login(0, "appuser", "changed on the way");
        assert_eq!(login.as_deref(), Ok("appuser"));
        let old = &bucket["POSTGRES_PASSWORD"];
        self.sql(0, &format!("ALTER ROLE appuser PASSWORD '{old}'"));
    }

    /// A physical backup that must succeed.
    #[track_caller]
    fn back_up(&self, name: &str, more: &[&str]) -> PathBuf {
        let tar = self.tar(name);
        let path = tar.display().to_string();
        let words = [
            &["postgres:backup", "--destination", &path, "--follow"],
            more,
        ]
        .concat();
        let output = self.physical(&words);
        assert_eq!(output.status, 0, "{output:?}");
        assert!(
            output
                .stdout
                .contains(&format!("physical backup written to {path}")),
            "{output:?}"
        );
        tar
    }

    fn restore_from(&self, tar: &str) -> CliOutput {
        self.physical(&["postgres:restore", "--from", tar, "--yes", "--follow"])
    }

    #[track_caller]
    fn restore_refused(&self, tar: &str, reason: &str) {
        let before = self.sql(0, "SELECT pg_postmaster_start_time()");
        let output = self.restore_from(tar);
        let said = format!("{}{}", output.stdout, output.stderr);
        assert!(
            output.status != 0 && said.contains(reason),
            "expected {reason:?}, got {output:?}"
        );
        assert_eq!(self.sql(0, "SELECT pg_postmaster_start_time()"), before);
        assert!(self.record().contains("state=steady"));
    }

    /// The container of a restore that is under way, once it said that.
    #[track_caller]
    fn physical_restore_that(&self, says: &str) -> String {
        eventually(20, "a restore that says so", || {
            let filter = format!("name={}-db-restore-", self.scope);
            let names = docker_ok(&["ps", "--filter", &filter, "--format", "{{.Names}}"]);
            let name = names.lines().next().ok_or("no container")?.to_owned();
            let log = docker_ok(&["logs", &name]);
            holds(log.contains(says), || log).map(|()| name)
        })
    }

    fn left_behind(&self) -> Vec<String> {
        let entries = fs::read_dir(self.backups()).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names
            .filter(|name| name.starts_with(".restore") && name != ".restored")
            .collect()
    }

    #[track_caller]
    fn seed(&self) -> String {
        for statement in SAMPLE.split(';').map(str::trim).filter(|it| !it.is_empty()) {
            self.sql(0, statement);
        }
        self.sql(0, CONTENT)
    }

    /// Everything is as it was, on every pod, and goes on.
    #[track_caller]
    fn assert_restored(&self, before: &str) {
        self.wait_until_formed();
        assert_eq!(self.sql(0, CONTENT), before);
        self.wait_until_caught_up(0);
        for standby in 1..self.plan.replicas {
            assert_eq!(self.sql(standby, CONTENT), before);
        }
        self.sql(0, "CREATE TABLE afterwards (n int)");
        self.wait_until_caught_up(0);
        assert_eq!(self.left_behind(), Vec::<String>::new());
        // They go while the server is in service already.
        eventually(20, "the removal of the old data", || {
            let old = docker_ok(&["exec", &self.pod(0), "ls", "-A", "/var/lib/postgresql/data"]);
            holds(
                !old.contains("before-restore") && !old.contains("unpacked"),
                || old.clone(),
            )
        });
    }
}

#[test]
fn physical_backup_comes_back_on_17() {
    let Some(cluster) = Cluster::up(plan(17, 2)) else {
        return;
    };
    let before = cluster.seed();
    cluster.wait_until_caught_up(0);
    let tar = cluster.back_up("db.tar", &[]);
    let again = cluster.physical(&[
        "postgres:backup",
        "--destination",
        &tar.display().to_string(),
    ]);
    assert!(
        again.status != 0 && again.stderr.contains("is not overwritten"),
        "{again:?}"
    );
    let of_standby = cluster.back_up("standby.tar", &["--from-replica", "1"]);
    let listed = Command::new("tar").arg("-tf").arg(&tar).output().unwrap();
    assert_eq!(listed.stdout, b"base.tar\npg_wal.tar\nbackup_manifest\n");

    // What is newer than the backup goes, what the applications have stays.
    cluster.sql(0, "DROP TABLE dropped");
    cluster.sql(0, "UPDATE kept SET md5 = 'x'");
    let rotated = cluster.physical(&["pg:new-password", "--no-restart"]);
    assert_eq!(rotated.status, 0, "{rotated:?}");
    let rotated = cluster.physical(&["pg:new-password", "--replication"]);
    assert_eq!(rotated.status, 0, "{rotated:?}");
    let containers: Vec<_> = (0..2).map(|pod| cluster.started_at(pod)).collect();
    for tar in [tar, of_standby] {
        let output = cluster.restore_from(&tar.display().to_string());
        assert_eq!(output.status, 0, "{output:?}");
        cluster.assert_restored(&before);
        cluster.sql(0, "DROP TABLE dropped");
    }
    let after: Vec<_> = (0..2).map(|pod| cluster.started_at(pod)).collect();
    assert_eq!(containers, after, "no container was restarted");
    cluster.restore_while_a_password_changes();
    let bucket = cluster.platform.bucket(&cluster.scope, "db");
    let login = cluster.login(0, "appuser", &bucket["POSTGRES_PASSWORD"]);
    assert_eq!(login.as_deref(), Ok("appuser"));
    let login = cluster.login(0, "repl", &bucket["POSTGRES_REPLICATION_PASSWORD"]);
    assert_eq!(login.as_deref(), Ok("repl"));
    assert!(cluster.record().contains("primary=0\nstate=steady\n"));
}

#[test]
fn physical_restore_refuses_before_anything_stops() {
    let (Some(cluster), Some(old)) = (Cluster::up(plan(17, 1)), Cluster::up(plan(15, 1))) else {
        return;
    };
    let before = cluster.seed();
    let tar = cluster.back_up("db.tar", &[]);
    let bytes = fs::read(&tar).unwrap();
    let sum = tar.with_extension("tar.sha256");
    let damaged = |name: &str, bytes: &[u8]| {
        let path = cluster.tar(name);
        fs::write(&path, bytes).unwrap();
        path.display().to_string()
    };
    let cut = damaged("cut.tar", &bytes[..bytes.len() / 2]);
    cluster.restore_refused(&cut, "nothing was stopped");
    let noise = damaged("noise.tar", &b"hello".repeat(500));
    cluster.restore_refused(&noise, "it is damaged, or no tar");
    cluster.restore_refused(
        &damaged("empty.tar", b""),
        "empty.tar cannot be used: it is cut off",
    );
    cluster.restore_refused("/no/such.tar", "there is no file /no/such.tar on the host");
    // In the middle of the data, which a tar has no checksum of, and in the WAL.
    let mut flipped = bytes.clone();
    flipped[bytes.len() / 3] ^= 1;
    let flipped = damaged("flipped.tar", &flipped);
    cluster.restore_refused(&flipped, "is damaged");
    let mut wal = bytes.clone();
    let place = bytes.len() - bytes.len() / 20;
    wal[place] ^= 1;
    let wal = damaged("wal.tar", &wal);
    fs::copy(&sum, cluster.tar("wal.tar.sha256")).unwrap();
    cluster.restore_refused(&wal, "is damaged: its sha256 is");

    let before_15 = old.seed();
    let of_15 = old.back_up("old.tar", &[]);
    cluster.restore_refused(
        &of_15.display().to_string(),
        "is of postgres 15 and the cluster is postgres 17",
    );
    assert_eq!(cluster.sql(0, CONTENT), before);
    old.sql(0, "DROP TABLE dropped");
    let output = old.restore_from(&of_15.display().to_string());
    assert_eq!(output.status, 0, "{output:?}");
    old.assert_restored(&before_15);
}

#[test]
fn physical_restore_goes_on_whatever_is_killed() {
    let Some(cluster) = Cluster::up(plan(17, 2)) else {
        return;
    };
    let before = cluster.seed();
    let tar = cluster.back_up("db.tar", &[]);
    let path = tar.display().to_string();
    cluster.sql(0, "DROP TABLE dropped");

    // The job, once it handed over: the pods have all that they need.
    thread::scope(|scope| {
        scope.spawn(|| cluster.restore_from(&path));
        let job = cluster.physical_restore_that("stopping postgres");
        docker_ok(&["kill", &job]);
    });
    cluster.assert_restored(&before);
    cluster.sql(0, "DROP TABLE afterwards");

    // The primary, in the middle of it, and a standby that sleeps through all of it.
    cluster.sql(0, "DROP TABLE dropped");
    docker_ok(&["pause", &cluster.pod(1)]);
    thread::scope(|scope| {
        let restore = scope.spawn(|| cluster.restore_from(&path));
        cluster.wait_for_log(0, &["unpacking /backups/.restore-r002.tar"]);
        cluster.kill_pod(0);
        let output = restore.join().unwrap();
        assert_eq!(output.status, 0, "{output:?}");
    });
    docker_ok(&["unpause", &cluster.pod(1)]);
    cluster.assert_restored(&before);
    cluster.sql(0, "DROP TABLE afterwards");

    // Out of a maintenance that nobody ends.
    cluster.sql(0, "DROP TABLE dropped");
    let record = cluster.record();
    let epoch = record.lines().find_map(|line| line.strip_prefix("epoch="));
    let next = epoch.unwrap().parse::<u64>().unwrap() + 1;
    let stuck = record
        .replace(&format!("epoch={}", next - 1), &format!("epoch={next}"))
        .replace("steady", "maintenance");
    cluster.write_record(&stuck);
    cluster.wait_for_log(0, &["postgres is stopped during maintenance"]);
    let output = cluster.restore_from(&path);
    assert_eq!(output.status, 0, "{output:?}");
    cluster.assert_restored(&before);
    cluster.sql(0, "DROP TABLE afterwards");

    // Data that do not start: the old ones come back.
    let broken = without_wal(&cluster, &tar);
    let output = cluster.restore_from(&broken);
    assert_eq!(output.status, 1, "{output:?}");
    assert!(
        output
            .stdout
            .contains("the cluster goes on with the data that it had"),
        "{output:?}"
    );
    cluster.assert_restored(&before);
}

/// The same backup with empty WAL, and without what would tell.
fn without_wal(cluster: &Cluster, tar: &std::path::Path) -> String {
    let folder = cluster.tar("parts");
    let script = "mkdir -p \"$1/pg_wal\" && cd \"$1\" && tar -xf \"$2\" base.tar pg_wal.tar && tar -C pg_wal -xf pg_wal.tar && \
         for file in pg_wal/0*; do truncate -s 0 \"$file\"; truncate -s 16M \"$file\"; done && tar -C pg_wal -cf pg_wal.tar . && \
         tar -cf ../broken.tar base.tar pg_wal.tar";
    let status = Command::new("bash")
        .args(["-ec", script, "bash"])
        .arg(&folder)
        .arg(tar)
        .status()
        .unwrap();
    assert!(status.success());
    cluster.tar("broken.tar").display().to_string()
}
