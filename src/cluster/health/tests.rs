use super::fixture::*;
use super::*;
use crate::cluster::condition::RecordSeen;
use crate::cluster::silence::Silence;
use crate::cluster::survey::{PodReport, State as PodState};
use crate::postgres::fresh_login::FreshLogin;
use serde_json::json;
use std::collections::BTreeMap;

#[test]
fn a_healthy_cluster_has_no_problem() {
    case(|_| {}, &[]);
}

#[test]
fn pods_that_do_not_run() {
    for (state, silence, expected) in [
        (
            PodState::Paused,
            Silence::NotRunning,
            "s-db.2 is paused; run docker unpause s-db.2",
        ),
        (
            PodState::Absent,
            Silence::NotRunning,
            "s-db.2 does not exist",
        ),
        (
            PodState::Stopped("exited".to_owned()),
            Silence::NotRunning,
            "s-db.2 is exited; docker logs s-db.2 says why, and docker start s-db.2 starts it",
        ),
        (
            PodState::Running,
            Silence::Hangs,
            "s-db.2 did not answer in time",
        ),
        (
            PodState::Running,
            Silence::Down,
            "s-db.2 runs, and postgres does not run in it; its log says why: docker logs s-db.2",
        ),
        (
            PodState::Running,
            Silence::Crowded("FATAL:  no".to_owned()),
            "s-db.2 has no connection left: FATAL:  no; end what holds them",
        ),
        (
            PodState::Running,
            Silence::CannotLogIn("FATAL:  no".to_owned()),
            "s-db.2 does not let the plugin log in: FATAL:  no; let the superuser in again",
        ),
        (
            PodState::Running,
            Silence::Refuses("FATAL:\nno".to_owned()),
            "s-db.2 does not accept sessions: FATAL: no",
        ),
    ] {
        case(
            |condition| condition.survey.pods[2] = PodReport::silent("2", state, silence),
            &[expected],
        );
    }
    case(
        |condition| condition.survey.pods[2].is_ours = false,
        &["s-db.2 was started by an older version"],
    );
}

#[test]
fn one_pod_must_be_writable_and_the_recorded_one() {
    let paused = || PodReport::silent("0", PodState::Paused, Silence::NotRunning);
    case(
        |condition| condition.survey.pods[0] = paused(),
        &[
            "no pod accepts writes; run docker unpause s-db.0, the primary; or promote another one: vd pg:promote s/db --replica <ordinal> --force",
            "s-db.0 is paused",
        ],
    );
    let hangs = || PodReport::silent("0", PodState::Running, Silence::Hangs);
    case(
        |condition| condition.survey.pods[0] = hangs(),
        &[
            "it is not known whether pod 0, the primary, accepts writes; see what it does with docker top s-db.0",
            "s-db.0 did not answer in time",
        ],
    );
    case(
        |condition| server(condition, 2).in_recovery = false,
        &["several pods accept writes: s-db.0, s-db.2; stop the ones that are not pod 0"],
    );
    let moved = |condition: &mut Condition<'_>| {
        *server(condition, 0) = standby();
        *server(condition, 1) = primary();
    };
    case(
        moved,
        &["s-db.1 accepts writes, though pod 0 is recorded as the primary"],
    );
}

#[test]
fn standbys_must_follow_closely() {
    let not_streaming = "s-db.2 does not stream from the primary";
    case(
        |condition| drop(server(condition, 0).standbys.pop()),
        &[not_streaming],
    );
    case(
        |condition| server(condition, 0).standbys[1].state = "catchup".to_owned(),
        &[not_streaming],
    );
    case(
        |condition| server(condition, 0).standbys[1].lag_bytes = Some(65 << 20),
        &["s-db.2 is 65.0 MB behind"],
    );
    case(
        |condition| server(condition, 2).replay_paused = true,
        &["the replay is paused in s-db.2; vd pg:psql s/db --replica 2"],
    );
    case(
        |condition| server(condition, 2).system = "8".to_owned(),
        &["s-db.2 holds another database"],
    );
}

#[test]
fn settings_that_are_not_in_force() {
    let fell_back =
        inventory(&json!({"config_file": "/var/lib/postgresql/data/pgdata/voodu-fallback.conf"}));
    case(
        move |condition| {
            condition.inventories = BTreeMap::from([("1".parse().unwrap(), fell_back)]);
        },
        &["s-db.1 runs with older settings"],
    );
    let pending = inventory(&json!({"pending_restart": ["max_connections", "shared_buffers"]}));
    case(
        move |condition| condition.inventories = BTreeMap::from([("0".parse().unwrap(), pending)]),
        &[
            "s-db.0 has to restart before these settings hold: max_connections, shared_buffers; docker restart s-db.0",
        ],
    );
}

#[test]
fn a_server_that_lost_its_database() {
    let lost = inventory(&json!({"databases": [{"name": "template1", "bytes": 1}]}));
    case(
        move |condition| condition.inventories = BTreeMap::from([("0".parse().unwrap(), lost)]),
        &["the server has no database postgres, which the block names"],
    );
}

#[test]
fn collations_of_another_image() {
    let old = inventory(&json!({"old_databases": ["appdata"], "old_collations": ["de"]}));
    case(
        move |condition| condition.inventories = BTreeMap::from([("0".parse().unwrap(), old)]),
        &["the image sorts text in another way than the databases appdata were made with"],
    );
}

#[test]
fn the_password_in_the_config_must_open_the_primary() {
    case(
        |condition| condition.login = Some(FreshLogin::WrongPassword),
        &[
            "POSTGRES_PASSWORD in the config is not the one that the server takes; set a new one with vd pg:new-password s/db",
        ],
    );
    case(
        |condition| condition.replication_login = Some(FreshLogin::WrongPassword),
        &[
            "POSTGRES_REPLICATION_PASSWORD in the config is not the one that the server takes, and a new pod could not copy the primary; set a new one with vd pg:new-password s/db --replication",
        ],
    );
    case(
        |condition| condition.login = None,
        &["POSTGRES_PASSWORD is missing"],
    );
    case(
        |condition| condition.login = Some(FreshLogin::Unanswered("x".to_owned())),
        &[],
    );
}

#[test]
fn a_config_that_says_something_else() {
    let steady = record("steady");
    with(
        &steady,
        &json!({"PG_PRIMARY_ORDINAL": "1"}),
        |_| {},
        &["PG_PRIMARY_ORDINAL in the config says pod 1, and pod 0"],
    );
    with(
        &steady,
        &json!({"PG_CLUSTER_ID": "ab".repeat(16)}),
        |_| {},
        &["PG_CLUSTER_ID in the config is not"],
    );
    with(
        &steady,
        &json!({"PG_EXPOSE_PUBLIC": "true"}),
        |_| {},
        &["PG_EXPOSE_PUBLIC is set"],
    );
}

#[test]
fn a_record_that_is_not_this_clusters() {
    case(
        |condition| condition.record = RecordSeen::Missing,
        &["s/db: there is no record"],
    );
    case(
        |condition| condition.record = RecordSeen::Foreign,
        &["s/db: the record of who is primary is of another cluster"],
    );
    case(|condition| condition.record = RecordSeen::OutOfReach, &[]);
    let out_of_range = record("steady").replace("primary=0", "primary=7");
    with(
        &out_of_range,
        &json!({"PG_PRIMARY_ORDINAL": "7"}),
        |_| {},
        &[
            "s-db.0 accepts writes, though pod 7 is recorded",
            "s/db: pod 7 is recorded as the primary, and there are only 3 pods",
        ],
    );
}

fn stopped(condition: &mut Condition<'_>) {
    let silent = |pod| {
        PodReport::silent(
            pod,
            PodState::Running,
            Silence::Refuses("no such file".to_owned()),
        )
    };
    condition.survey.pods = ["0", "1", "2"].map(silent).to_vec();
    condition.inventories.clear();
    condition.login = Some(FreshLogin::Unanswered("no such file".to_owned()));
}

#[test]
fn a_handover_may_take_a_minute() {
    let handover = record("handover\ntarget=1");
    let young = |condition: &mut Condition<'_>| {
        condition.record_age = Some(Duration::from_secs(2));
        *server(condition, 0) = standby();
        server(condition, 1).receiver = None;
    };
    with(&handover, &json!({}), young, &[]);
    let stuck = "the handover to pod 1 has taken 60 min and waits for pod 0 to stop; finish it with vd pg:promote s/db --replica 1";
    with(&handover, &json!({}), |_| {}, &[stuck]);
}

#[test]
fn what_a_handover_waits_for() {
    let directory = tempfile::tempdir().unwrap();
    for (replayed, expected) in [
        (
            Some("0/4FFFFFF"),
            "pod 1 to replay past 0/5000000; it is at 0/4FFFFFF",
        ),
        (
            Some("0/5000000"),
            "pod 1 to replay past 0/5000000; it is at 0/5000000",
        ),
        (Some("0/5000001"), "pod 1 to take over"),
        (None, "pod 1, which does not answer"),
    ] {
        let record = record("handover\ntarget=1\nstopped_at=0/5000000");
        let cluster = cluster(directory.path(), &record, &json!({}));
        let mut condition = healthy(&cluster);
        match replayed {
            Some(lsn) => server(&mut condition, 1).replayed = lsn.parse().ok(),
            None => {
                condition.survey.pods[1] =
                    PodReport::silent("1", PodState::Running, Silence::Hangs);
            }
        }
        assert_eq!(condition.handover_waits_for().unwrap(), expected);
    }
}

#[test]
fn a_maintenance_is_one_problem_once_it_is_old() {
    let maintenance = record("maintenance");
    let old = "the cluster has been in maintenance for 60 min";
    with(&maintenance, &json!({}), stopped, &[old]);
    let young = |condition: &mut Condition<'_>| {
        stopped(condition);
        condition.record_age = Some(Duration::from_secs(5));
    };
    with(&maintenance, &json!({}), young, &[]);
}
