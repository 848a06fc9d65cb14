//! A healthy cluster of three pods, and what is found when something of it is changed.

use super::*;
use crate::cluster::Cluster;
use crate::cluster::condition::RecordSeen;
use crate::cluster::room::Rooms;
use crate::cluster::survey::PodReport;
use crate::cluster::survey::Survey;
use crate::controller::Kind;
use crate::controller::fake::FakeController;
use crate::postgres::fresh_login::FreshLogin;
use crate::postgres::inventory::Inventory;
use crate::postgres::server::Receiver;
use crate::postgres::server::{Follower, Server};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;

const ID: &str = "0123456789abcdef0123456789abcdef";

/// The cluster `s/db` of three pods whose record and config are in order, but for these changes.
pub(super) fn cluster(directory: &Path, record: &str, config: &Value) -> Cluster {
    let spec = json!({
        "image": "postgres:17", "replicas": 3, "ports": ["5432"],
        "volumes": [format!("{}:/backups:rw", directory.display())],
        "env": {
            "PG_CLUSTER_ID": ID, "PG_PORT": "5432", "PG_PRIMARY_ORDINAL": "0",
            "PG_REPLICATION_USER": "replicator", "POSTGRES_DB": "postgres", "POSTGRES_USER": "postgres",
        },
    });
    std::fs::write(directory.join(".topology"), record).unwrap();
    let mut bucket =
        json!({"POSTGRES_PASSWORD": "hunter2", "PG_CLUSTER_ID": ID, "PG_PRIMARY_ORDINAL": "0"});
    for (key, value) in config.as_object().unwrap() {
        bucket[key] = value.clone();
    }
    let controller = FakeController::default()
        .with_spec(Kind::Statefulset, "s/db", spec)
        .with_config("s/db", bucket);
    Cluster::load(&controller, &"s/db".parse().unwrap()).unwrap()
}

pub(super) fn record(state: &str) -> String {
    format!("cluster={ID}\nepoch=3\nprimary=0\nstate={state}\n")
}

pub(super) fn primary() -> Server {
    let row = |pod| Follower {
        name: format!("voodu-postgres-standby-{pod}"),
        state: "streaming".to_owned(),
        lag_bytes: Some(0),
        ..Follower::default()
    };
    Server {
        standbys: vec![row(1), row(2)],
        written: "0/5000000".parse().ok(),
        ..Server::default()
    }
}

pub(super) fn standby() -> Server {
    let receiver = Receiver {
        state: "streaming".to_owned(),
        host: None,
    };
    Server {
        in_recovery: true,
        receiver: Some(receiver),
        replayed: "0/5000000".parse().ok(),
        ..Server::default()
    }
}

pub(super) fn healthy(cluster: &Cluster) -> Condition<'_> {
    let pods = vec![
        PodReport::answering("0", primary()),
        PodReport::answering("1", standby()),
        PodReport::answering("2", standby()),
    ];
    let inventories = pods.iter().map(|pod| (pod.ordinal, Inventory::default()));
    Condition {
        inventories: inventories.collect(),
        prospects: BTreeMap::new(),
        rooms: Rooms::new(),
        survey: Survey { pods },
        record: RecordSeen::Ours,
        record_age: Some(Duration::from_secs(3_600)),
        record_ahead: None,
        login: Some(FreshLogin::Accepted),
        replication_login: Some(FreshLogin::Accepted),
        cluster,
    }
}

/// The problems of a cluster that is healthy but for a change.
#[track_caller]
pub(super) fn case(change: impl FnOnce(&mut Condition<'_>), expected: &[&str]) {
    with(&record("steady"), &json!({}), change, expected);
}

#[track_caller]
pub(super) fn with(
    record: &str,
    config: &Value,
    change: impl FnOnce(&mut Condition<'_>),
    expected: &[&str],
) {
    let directory = tempfile::tempdir().unwrap();
    let cluster = cluster(directory.path(), record, config);
    let mut condition = healthy(&cluster);
    change(&mut condition);
    let problems = problems(&condition, ByteSize(64 << 20));
    let found: Vec<_> = problems.iter().map(ToString::to_string).collect();
    assert_eq!(found.len(), expected.len(), "{found:#?}");
    for (found, expected) in found.iter().zip(expected) {
        assert!(
            found.starts_with(expected) && found.contains("; "),
            "{found}, not {expected}"
        );
        assert!(
            found.lines().count() == 1 && !found.contains("hunter"),
            "{found}"
        );
    }
}

pub(super) fn server<'a>(condition: &'a mut Condition<'_>, pod: usize) -> &'a mut Server {
    condition.survey.pods[pod].server.as_mut().unwrap()
}

pub(super) fn inventory(fields: &Value) -> Inventory {
    serde_json::from_value(fields.clone()).unwrap()
}
