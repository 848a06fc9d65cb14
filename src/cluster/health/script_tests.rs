//! The pods' scripts, what a handover waits for, and a record of a time that has not come.

use super::fixture::{case, cluster, healthy, record, server, standby, with};
use crate::cluster::pulse::Pulse;
use crate::cluster::silence::Silence;
use crate::cluster::survey::{PodReport, State as PodState};
use serde_json::json;
use std::time::Duration;

#[test]
fn a_script_that_stands_still() {
    case(
        |condition| condition.survey.pods[1].pulse = Pulse::Still(Some(Duration::from_secs(300))),
        &[
            "the script of s-db.1 has stood still for 5 min: its process 1 does not act on the record; docker restart s-db.1",
        ],
    );
    case(
        |condition| condition.survey.pods[0].pulse = Pulse::Still(None),
        &["the script of s-db.0 stands still: its process 1 leaves no sign of life"],
    );
}

#[test]
fn a_directory_that_was_replaced_under_the_pods() {
    case(
        |condition| {
            for pod in &mut condition.survey.pods {
                pod.pulse = Pulse::Elsewhere;
            }
        },
        &[
            "s-db.0 sees another backups directory than this host",
            "s-db.1 sees another backups directory than this host",
            "s-db.2 sees another backups directory than this host",
        ],
    );
}

#[test]
fn a_record_from_the_future_is_not_in_passing() {
    let undated = |condition: &mut crate::cluster::condition::Condition<'_>| {
        condition.record_age = None;
        condition.record_ahead = Some(Duration::from_secs(3 * 86_400));
        *server(condition, 0) = standby();
        server(condition, 1).receiver = None;
    };
    let handover = record("handover\ntarget=1");
    let found = [
        "the handover to pod 1 has taken an unknown time and waits for pod 0 to stop",
        "the topology record ",
    ];
    let directory = tempfile::tempdir().unwrap();
    let cluster = super::fixture::cluster(directory.path(), &handover, &json!({}));
    let mut condition = super::fixture::healthy(&cluster);
    undated(&mut condition);
    let problems = super::problems(&condition, crate::model::byte_size::ByteSize(64 << 20));
    for (problem, expected) in problems.iter().zip(found) {
        assert!(problem.to_string().starts_with(expected), "{problem}");
    }
    assert!(
        problems[1].what.contains("is dated 3 d in the future"),
        "{}",
        problems[1]
    );
    assert!(problems[1].next.contains("touch "), "{}", problems[1]);
    let maintenance = record("maintenance");
    with(
        &maintenance,
        &json!({}),
        |condition| {
            condition.record_age = None;
            for pod in &mut condition.survey.pods {
                pod.server = Err(crate::cluster::silence::Silence::Hangs);
            }
        },
        &["the cluster has been in maintenance for an unknown time"],
    );
}

#[test]
fn a_pod_that_a_handover_waits_for_is_started_by_a_command() {
    let directory = tempfile::tempdir().unwrap();
    for (state, pod, word, expected) in [
        (
            "handover\ntarget=1",
            0,
            "exited",
            "pod 0, and s-db.0 is exited (docker start s-db.0)",
        ),
        ("handover\ntarget=1", 0, "restarting", "pod 0 to stop"),
        (
            "handover\ntarget=1\nstopped_at=0/5000000",
            1,
            "exited",
            "pod 1, and s-db.1 is exited (docker start s-db.1)",
        ),
    ] {
        let record = record(state);
        let cluster = cluster(directory.path(), &record, &json!({}));
        let mut condition = healthy(&cluster);
        let stopped = PodState::Stopped(word.to_owned());
        condition.survey.pods[pod] =
            PodReport::silent(&pod.to_string(), stopped, Silence::NotRunning);
        assert_eq!(condition.handover_waits_for().unwrap(), expected);
    }
}
