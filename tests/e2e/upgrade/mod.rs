//! A running cluster of the release whose pods read format 1 of the record, and its roll to today's.

use serde_json::json;
use voodu_standin::{ApplyOptions, Kind};

use crate::support::{Cluster, Load, Plan, docker_ok, eventually, holds};

/// A running cluster whose pods run the scripts of that release.
fn earlier(major: u16, replicas: u16) -> Option<Cluster> {
    let cluster = Cluster::up(Plan {
        major,
        replicas,
        ..Plan::default()
    })?;
    // What its plugin made of the block, as far as the pods see it.
    let of = |kind| cluster.platform.manifest(kind, &cluster.scope, "db");
    let mut asset = of(Kind::Asset).expect("an asset");
    let mut statefulset = of(Kind::Statefulset).expect("a statefulset");
    let files = &mut asset.spec["files"];
    files["entrypoint"] = json!(include_str!("format-1/entrypoint"));
    files["streaming_conf"] = json!(include_str!("format-1/streaming.conf"));
    files["init_replication_sh"] = json!(include_str!("format-1/init"));
    let env = statefulset.spec["env"].as_object_mut().expect("variables");
    assert!(env.remove("PG_RECORD_FORMAT").is_some());
    let bucket = cluster.platform.bucket(&cluster.scope, "db");
    cluster
        .platform
        .destroy(&cluster.scope, "db", true)
        .expect("delete");
    std::fs::remove_file(cluster.backups().join(".topology")).expect("remove the record");
    cluster
        .platform
        .seed_bucket(&cluster.scope, "db", &bucket)
        .expect("the passwords");
    cluster
        .platform
        .apply(vec![asset, statefulset], ApplyOptions::default())
        .expect("apply");
    cluster.wait_until_formed();
    cluster.sql(0, "CREATE TABLE t AS SELECT 1 AS i");
    cluster.wait_until_caught_up(0);
    assert!(!cluster.record().contains("timeline="));
    Some(cluster)
}

impl Cluster {
    /// What the controller's API answers to a POST without a body.
    fn post(&self, path: &str) {
        let url = format!("{}{path}", self.platform.url());
        let answer = ureq::post(&url).send_empty().expect("an answer");
        assert!(answer.status().is_success(), "{path}: {answer:?}");
    }

    /// Applies today's block and keeps these pods as they are.
    fn roll_all_but(&self, kept: &[u16]) {
        for pod in kept {
            self.post(&format!("/pods/{}/stop", self.pod(*pod)));
            docker_ok(&["start", &self.pod(*pod)]);
        }
        let rolled = self.apply().changes.rolled.len();
        assert_eq!(rolled, usize::from(self.plan.replicas) - kept.len());
    }

    fn roll(&self, pod: u16) {
        let before = self.container_id(pod);
        self.post(&format!("/pods/{}/start", self.pod(pod)));
        eventually(60, "a new container", || {
            let now = docker_ok(&[
                "ps",
                "-aq",
                "--no-trunc",
                "--filter",
                &format!("name={}$", self.pod(pod)),
            ]);
            holds(!now.is_empty() && now != before, || now.clone())
        });
    }
}

/// Writers go on through the whole roll, standbys first and the primary last.
#[test]
fn a_cluster_is_rolled_pod_by_pod_on_17() {
    rolled_pod_by_pod(17);
}

#[test]
fn a_cluster_is_rolled_pod_by_pod_on_15() {
    rolled_pod_by_pod(15);
}

fn rolled_pod_by_pod(major: u16) {
    let Some(cluster) = earlier(major, 3) else {
        return;
    };
    let earlier_pods = |cluster: &Cluster, pods: &[&str]| {
        let refused = cluster.refused("promote", &["--replica", "1"]);
        let named = pods.iter().any(|pod| refused.contains(pod));
        assert!(named && refused.contains("vd apply"), "{refused}");
    };
    earlier_pods(&cluster, &["db.0"]);
    let load = Load::start(&cluster);
    load.await_writes(20);
    cluster.roll_all_but(&[0, 1]);
    cluster.wait_until_formed();
    earlier_pods(&cluster, &["db.0"]);
    // A pod of either kind may write the record again when it is lost, and each reads it.
    std::fs::remove_file(cluster.backups().join(".topology")).expect("remove the record");
    eventually(30, "a record", || {
        holds(cluster.record().contains("primary=0\n"), || {
            cluster.record()
        })
    });
    assert!(
        !cluster.record().contains("timeline="),
        "{}",
        cluster.record()
    );
    cluster.roll(1);
    cluster.wait_until_formed();
    earlier_pods(&cluster, &["db.0"]);
    load.await_writes(20);
    cluster.roll(0);
    cluster.wait_until_formed();
    load.await_writes(20);
    let seen = load.stop();
    assert_eq!(seen.writers(), [0]);
    assert_eq!(seen.lost(&cluster, 0).len(), 0);
    assert!(cluster.apply().changes.is_empty());

    // The first change of roles brings the record's new format, and each pod follows.
    for target in [2, 0] {
        let printed = cluster.promote(target, &[]);
        assert!(printed.contains("nothing was lost"), "{printed}");
        cluster.wait_until_formed_around(target);
    }
    let record = cluster.record();
    assert!(
        record.contains("timeline=3\n") && record.contains("clean=2@"),
        "{record}"
    );
    for pod in 0..3 {
        let log = cluster.log(pod);
        assert!(
            !log.contains("cloning") && !log.contains("rewinding"),
            "pod {pod}: {log}"
        );
    }
}

/// The primary is lost with its volume while only one standby runs today's script.
#[test]
fn a_primary_that_is_lost_in_the_middle_of_the_roll_has_a_successor() {
    let Some(cluster) = earlier(17, 3) else {
        return;
    };
    cluster.roll_all_but(&[0, 1]);
    cluster.wait_until_formed();
    cluster.sql(0, "INSERT INTO t VALUES (2)");
    cluster.wait_until_caught_up(0);
    docker_ok(&["rm", "-f", &cluster.pod(0)]);
    docker_ok(&[
        "volume",
        "rm",
        &format!("voodu-{}-db-data-0", cluster.scope),
    ]);
    let refused = cluster.pg("promote", &["--replica", "2", "--force"]);
    assert!(
        refused.status == 1 && refused.stderr.contains("vd apply"),
        "{refused:?}"
    );
    // What the message says.
    cluster.roll(1);
    eventually(30, "pod 1", || {
        cluster
            .in_recovery(1)
            .and_then(|it| holds(it == "t", || it))
    });
    cluster.promote(2, &["--force"]);
    // Pod 0 was kept by a stop, which `vd restart` lifts.
    let scope = &cluster.scope;
    cluster.post(&format!("/restart?kind=statefulset&scope={scope}&name=db"));
    cluster.apply();
    cluster.wait_until_formed_around(2);
    cluster.wait_until_caught_up(2);
    for pod in 0..3 {
        assert_eq!(cluster.sql(pod, "SELECT count(*) FROM t"), "2");
    }
}
