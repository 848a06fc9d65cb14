use super::*;
use crate::controller::Kind;
use crate::controller::fake::FakeController;
use crate::docker::fake::FakeRunner;
use crate::expand::{ENTRYPOINT, RECORD_FORMAT};
use serde_json::json;
use std::time::Duration;

const PRIMARY: &str = r#"{"in_recovery": false, "timeline": 1, "system": "7", "written": "0/5000148", "received": null,
 "replayed": null, "replay_paused": false, "replay_delay": 0, "receiver": null, "standbys": []}"#;

fn cluster(replicas: u16) -> Cluster {
    let spec = json!({
        "image": "postgres:17", "replicas": replicas, "ports": ["5432"], "volumes": ["vault:/backups"],
        "env": {
            "PG_CLUSTER_ID": "ab".repeat(16), "PG_PORT": "5432", "PG_PRIMARY_ORDINAL": "0",
            "PG_REPLICATION_USER": "replicator", "POSTGRES_DB": "postgres", "POSTGRES_USER": "postgres",
        },
    });
    let controller = FakeController::default().with_spec(Kind::Statefulset, "s/db", spec);
    Cluster::load(&controller, &"s/db".parse().unwrap()).unwrap()
}

fn container(name: &str, state: &str, command: &[&str], id: &str) -> String {
    of_release(name, state, command, id, RECORD_FORMAT)
}

fn of_release(name: &str, state: &str, command: &[&str], id: &str, format: &str) -> String {
    let address = if state == "running" { "172.18.0.2" } else { "" };
    let container = json!({
        "name": format!("/{name}"), "state": state, "command": command, "cluster_id": id, "record_format": format,
        "address": address,
    });
    format!("{container}\n")
}

fn one_line(json: &str) -> String {
    json.replace('\n', "")
}

#[test]
fn each_pod_is_told_by_what_docker_and_its_server_say() {
    let ours = ["bash", ENTRYPOINT];
    let inspected = [
        container("s-db.0", "running", &ours, "ab"),
        container("s-db.1", "paused", &ours, "ab"),
        container("s-db.2", "running", &ours, ""),
    ];
    let runner = FakeRunner::default()
        .answers("docker inspect", 1, &inspected.concat(), "Error: No such container: s-db.3\n")
        .prints("docker exec -i s-db.0", &format!("{}\n{{\"size\": 5}}\n{{\"cut", one_line(PRIMARY)))
        .answers("docker exec -i s-db.1", 1, "", "Error response from daemon: Container s-db.1 is paused\n")
        .answers("docker exec -i s-db.2", 80, "", "psql: error: connection to server failed\nFATAL:  the database system is starting up\n")
        .answers("docker exec -i s-db.3", 1, "", "Error: No such container: s-db.3\n");
    let survey = Survey::take_with(&cluster(4), Docker::new(&runner), "SELECT 1;").unwrap();
    let states: Vec<_> = survey
        .pods
        .iter()
        .map(|pod| (pod.state.to_string(), pod.is_ours))
        .collect();
    let expected = [
        ("running", true),
        ("paused", true),
        ("running", false),
        ("absent", false),
    ];
    assert_eq!(
        states,
        expected.map(|(state, ours)| (state.to_owned(), ours))
    );
    let [primary, paused, starting, absent] = &survey.pods[..] else {
        panic!("{survey:?}")
    };
    assert_eq!(primary.more, *json!({"size": 5}).as_object().unwrap());
    assert_eq!(paused.server, Err(Silence::NotRunning));
    assert_eq!(
        starting.server,
        Err(Silence::NotReady(
            "FATAL:  the database system is starting up".to_owned()
        ))
    );
    assert_eq!(
        (&absent.server, &absent.address),
        (&Err(Silence::NotRunning), &None)
    );
    assert_eq!(
        survey
            .writable()
            .map(|pod| &pod.container[..])
            .collect::<Vec<_>>(),
        ["s-db.0"]
    );
}

#[test]
fn a_container_of_an_earlier_release_is_not_ours() {
    let ours = ["bash", ENTRYPOINT];
    let older = json!({"name": "/s-db.3", "state": "running", "command": ours, "cluster_id": "ab", "address": ""});
    let inspected = [
        of_release("s-db.0", "running", &ours, "ab", RECORD_FORMAT),
        of_release("s-db.1", "running", &ours, "ab", ""),
        of_release("s-db.2", "running", &ours, "ab", "3"),
        format!("{older}\n"),
    ];
    let runner = FakeRunner::default()
        .prints("docker inspect", &inspected.concat())
        .prints("docker exec", &one_line(PRIMARY));
    let survey = Survey::take(&cluster(4), Docker::new(&runner)).unwrap();
    let ours: Vec<_> = survey.pods.iter().map(|pod| pod.is_ours).collect();
    assert_eq!(ours, [true, false, false, false]);
}

#[test]
fn a_server_that_hangs_hides_nothing_of_the_others() {
    let ours = ["bash", ENTRYPOINT];
    let inspected = ["s-db.0", "s-db.1"].map(|name| container(name, "running", &ours, "ab"));
    let runner = FakeRunner::default()
        .prints("docker inspect", &inspected.concat())
        .hangs("docker exec -i s-db.0")
        .prints("docker exec -i s-db.1", &one_line(PRIMARY));
    let survey = Survey::take(&cluster(2), Docker::new(&runner)).unwrap();
    assert_eq!(survey.pods[0].server, Err(Silence::Hangs));
    assert!(survey.pods[1].server().is_some());
}

#[test]
fn without_docker_nothing_is_known() {
    let runner = FakeRunner::default()
        .answers(
            "docker inspect",
            1,
            "",
            "Cannot connect to the Docker daemon\n",
        )
        .answers(
            "docker exec",
            1,
            "",
            "Cannot connect to the Docker daemon\n",
        );
    let failure = Survey::take(&cluster(1), Docker::new(&runner)).unwrap_err();
    assert!(failure.to_string().contains("Cannot connect"), "{failure}");
}

#[test]
fn a_pod_that_hangs_is_asked_again_while_there_is_time() {
    let ours = ["bash", ENTRYPOINT];
    let runner = || {
        FakeRunner::default()
            .prints(
                "docker inspect",
                &container("s-db.0", "running", &ours, "ab"),
            )
            .hangs("docker exec -i s-db.0")
            .once()
            .prints("docker exec -i s-db.0", &one_line(PRIMARY))
    };
    let hurried = runner();
    let survey = Survey::take(&cluster(1), Docker::new(&hurried)).unwrap();
    assert_eq!(survey.pods[0].server, Err(Silence::Hangs));
    let patient = runner();
    let docker = Docker::new(&patient).patient(Duration::from_secs(20));
    let survey = Survey::take(&cluster(1), docker).unwrap();
    assert!(survey.pods[0].server().is_some());
    let asked = patient.invocations();
    let limits: Vec<_> = asked
        .iter()
        .filter(|asked| asked.argv[1] == "exec")
        .map(|asked| asked.time().as_secs_f64().ceil())
        .collect();
    assert_eq!(limits, [3.0, 20.0]);
    // An operator may have dropped the cluster's database.
    assert!(
        asked
            .iter()
            .any(|asked| asked.argv.contains(&"postgres postgres".to_owned()))
    );
}
