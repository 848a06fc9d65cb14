//! The docker daemon stops and starts under running pods.

use std::path::Path;
use std::process::Command;

use crate::support::{Cluster, Plan, docker_ok};

fn run(program: &str, arguments: &[&str]) {
    let status = Command::new(program).args(arguments).status().unwrap();
    assert!(status.success(), "{program} {arguments:?}");
}

/// Ends the daemon as its service manager or a reboot would, and brings it back.
pub fn restart_daemon() {
    let pid = std::fs::read_to_string("/var/run/docker.pid").expect("a daemon with a pid file");
    let process = Path::new("/proc").join(pid.trim());
    run("kill", &["-TERM", pid.trim()]);
    while process.exists() {
        std::thread::sleep(std::time::Duration::from_millis(200));
    }
    let provision = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/provision.sh");
    run("bash", &[provision.to_str().unwrap()]);
}

#[test]
#[ignore = "restarts the docker daemon under everything that runs on it; make faults runs it"]
fn pods_come_back_in_their_roles_after_the_daemons_restart() {
    let Some(cluster) = Cluster::up(Plan {
        probes: true,
        ..Plan::default()
    }) else {
        return;
    };
    cluster.sql(0, "CREATE TABLE t AS SELECT 1 AS i");
    cluster.wait_until_caught_up(0);
    restart_daemon();
    cluster.wait_until_formed();
    assert_eq!(cluster.sql(2, "SELECT i FROM t"), "1");

    // And once more with another primary, and without the shared record.
    docker_ok(&["stop", &cluster.pod(0)]);
    cluster.move_record_with(1, "clean=0\n");
    cluster.wait_until_primary(1);
    docker_ok(&["start", &cluster.pod(0)]);
    cluster.wait_until_formed_around(1);
    std::fs::remove_file(cluster.backups().join(".topology")).unwrap();
    restart_daemon();
    cluster.wait_until_formed_around(1);
    assert!(
        cluster.record().contains("primary=1\n"),
        "{}",
        cluster.record()
    );
}
