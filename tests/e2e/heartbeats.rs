//! The pods' scripts leave signs of life, and what is said of those that do not.

use std::fs;
use std::process::Command;

use crate::support::{Cluster, Plan, docker_ok, eventually, holds};

fn signal(cluster: &Cluster, pod: u16, signal: &str) {
    let process = docker_ok(&["inspect", "--format", "{{.State.Pid}}", &cluster.pod(pod)]);
    let killed = Command::new("kill").args([signal, process.trim()]).status();
    assert!(killed.unwrap().success());
}

#[test]
fn a_script_that_stands_still_and_a_directory_that_was_replaced_are_named() {
    let Some(cluster) = Cluster::up(Plan {
        replicas: 2,
        ..Plan::default()
    }) else {
        return;
    };
    let info = || cluster.pg("info", &["--check"]);
    let path = |pod: u16| cluster.backups().join(format!(".pod-{pod}"));
    eventually(20, "the heartbeats", || {
        let roles = [0, 1].map(|pod| fs::read_to_string(path(pod)).unwrap_or_default());
        holds(
            roles[0].ends_with("epoch=1\nrole=primary\n") && roles[1].ends_with("role=standby\n"),
            || format!("{roles:?}"),
        )
    });
    assert_eq!(info().status, 0, "{:?}", info());

    signal(&cluster, 0, "-STOP");
    // As if a minute had passed.
    let left = fs::read_to_string(path(0)).unwrap();
    let uptime = left.lines().find_map(|line| line.strip_prefix("uptime="));
    let uptime: u64 = uptime.unwrap().parse().unwrap();
    let older = format!("uptime={}", uptime.saturating_sub(120));
    fs::write(path(0), left.replace(&format!("uptime={uptime}"), &older)).unwrap();
    let name = cluster.pod(0);
    let found = info();
    assert_eq!(found.status, 1, "{found:?}");
    assert!(
        found
            .stdout
            .contains(&format!("the script of {name} has stood still for 2 min")),
        "{found:?}"
    );
    let refused = cluster.refused("promote", &["--replica", "1"]);
    assert!(
        refused.contains(&format!("docker restart {name}")),
        "{refused}"
    );
    assert!(
        !cluster.record().contains("handover"),
        "{}",
        cluster.record()
    );
    signal(&cluster, 0, "-CONT");
    eventually(20, "the end of the problem", || {
        let found = info();
        holds(found.status == 0, || format!("{found:?}"))
    });

    let directory = cluster.backups();
    let aside = directory.with_extension("aside");
    fs::rename(&directory, &aside).unwrap();
    fs::create_dir(&directory).unwrap();
    let found = info();
    assert_eq!(found.status, 1, "{found:?}");
    let sees = "sees another backups directory than this host";
    assert_eq!(found.stdout.matches(sees).count(), 2, "{found:?}");
    // The record is not there either, so a handover is refused for that already.
    fs::copy(aside.join(".topology"), directory.join(".topology")).unwrap();
    for words in [&["--replica", "1"][..], &["--replica", "1", "--force"]] {
        let refused = cluster.refused("promote", words);
        assert!(refused.contains(sees), "{refused}");
    }
    // What the refusal says: the pods bind the new directory.
    for pod in [1, 0] {
        docker_ok(&["restart", &cluster.pod(pod)]);
    }
    eventually(30, "the end of the problem", || {
        let found = info();
        holds(found.status == 0, || format!("{found:?}"))
    });
    cluster.promote(1, &[]);
    fs::remove_dir_all(aside).unwrap();
}
