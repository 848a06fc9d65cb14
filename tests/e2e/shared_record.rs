//! Whatever lies in the record's place: never executed, never trusted, put right where possible.

use std::fs;

use crate::support::{Cluster, Plan, docker_ok, eventually, holds};

const FOREIGN: &str =
    "cluster=ffffffffffffffffffffffffffffffff\nepoch=99\nprimary=1\nstate=steady\n";

#[test]
fn a_running_cluster_puts_its_record_back() {
    let Some(cluster) = Cluster::up(Plan {
        replicas: 2,
        ..Plan::default()
    }) else {
        return;
    };
    let record = cluster.record();
    let started = [0, 1].map(|pod| cluster.started_at(pod));
    let path = cluster.backups().join(".topology");
    let hostile = format!(
        "{record}$(touch /backups/pwned)\n`touch /backups/pwned`\n; touch /backups/pwned\n"
    );
    for text in [
        "",
        "garbage",
        &record[..record.len() - 3],
        &hostile,
        &record.replace("epoch=1", "epoch=a[$(touch /backups/pwned)]"),
    ] {
        cluster.write_record(text);
        eventually(15, "the record's return", || {
            holds(cluster.record() == record, || cluster.record())
        });
    }
    fs::remove_file(&path).unwrap();
    eventually(15, "the record's return", || {
        holds(cluster.record() == record, || cluster.record())
    });
    fs::remove_file(&path).unwrap();
    std::os::unix::fs::symlink("/etc/passwd", &path).unwrap();
    eventually(15, "the link's removal", || {
        holds(!path.is_symlink() && cluster.record() == record, || {
            cluster.record()
        })
    });
    assert!(!cluster.backups().join("pwned").exists());
    assert_eq!([0, 1].map(|pod| cluster.started_at(pod)), started);
    cluster.wait_until_formed();
}

#[test]
fn another_clusters_record_stops_no_running_pod_and_starts_none() {
    let Some(cluster) = Cluster::up(Plan {
        replicas: 2,
        ..Plan::default()
    }) else {
        return;
    };
    let record = cluster.record();
    cluster.write_record(FOREIGN);
    cluster.wait_for_log(0, &["not one of this cluster"]);
    cluster.wait_until_formed();
    assert_eq!(cluster.record(), FOREIGN, "it is not ours to replace");

    docker_ok(&["restart", &cluster.pod(0)]);
    cluster.wait_for_log(
        0,
        &["the shared record /backups/.topology is of another cluster"],
    );
    cluster.write_record(&record);
    cluster.wait_until_formed();
}

#[test]
fn maintenance_stops_postgres_and_its_end_starts_it() {
    let Some(cluster) = Cluster::up(Plan {
        replicas: 2,
        ..Plan::default()
    }) else {
        return;
    };
    let started = [0, 1].map(|pod| cluster.started_at(pod));
    let steady = cluster.record();
    cluster.write_record(
        &steady
            .replace("epoch=1", "epoch=2")
            .replace("steady", "maintenance"),
    );
    for pod in [0, 1] {
        eventually(15, "the stop", || match cluster.in_recovery(pod) {
            Ok(role) => Err(role),
            Err(_)
                if cluster
                    .log(pod)
                    .contains("postgres is stopped during maintenance") =>
            {
                Ok(())
            }
            Err(reason) => Err(reason),
        });
    }
    cluster.write_record(&steady.replace("epoch=1", "epoch=3"));
    cluster.wait_until_formed();
    assert_eq!([0, 1].map(|pod| cluster.started_at(pod)), started);
}
