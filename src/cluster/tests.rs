use super::*;
use crate::controller::fake::FakeController;
use crate::docker::fake::FakeRunner;
use serde_json::json;
use std::path::Path;

const OURS: &str = "0123456789abcdef0123456789abcdef";
const OTHER: &str = "ffffffffffffffffffffffffffffffff";

fn controller(dir: &Path, config: Value) -> FakeController {
    let spec = json!({
        "image": "postgres:17", "replicas": 3, "ports": ["5432"],
        "volumes": [format!("{}:/backups:rw", dir.display())],
        "env": {
            "PG_CLUSTER_ID": OURS, "PG_PORT": "5432", "PG_PRIMARY_ORDINAL": "1",
            "PG_REPLICATION_USER": "replicator", "POSTGRES_DB": "postgres", "POSTGRES_USER": "postgres",
        },
    });
    FakeController::default()
        .with_spec(Kind::Statefulset, "s/db", spec)
        .with_config("s/db", config)
}

fn record(dir: &Path, cluster: &str, rest: &str) {
    let text = format!("cluster={cluster}\nepoch=3\n{rest}\n");
    std::fs::write(dir.join(".topology"), text).unwrap();
}

fn load(controller: &FakeController) -> Cluster {
    Cluster::load(controller, &"s/db".parse().unwrap()).unwrap()
}

#[track_caller]
fn primary(cluster: &Cluster, expected: &str) {
    let primary = cluster.topology().unwrap().primary();
    assert_eq!(primary.to_string(), expected);
}

#[test]
fn the_record_decides_then_the_initial_primary() {
    let dir = tempfile::tempdir().unwrap();
    let taken_over = json!({"PG_PRIMARY_ORDINAL": "0", "PG_INITIAL_PRIMARY": "2"});
    primary(
        &load(&controller(dir.path(), json!({"PG_PRIMARY_ORDINAL": "0"}))),
        "1",
    );
    primary(&load(&controller(dir.path(), taken_over.clone())), "2");
    record(dir.path(), OTHER, "primary=0\nstate=steady");
    primary(&load(&controller(dir.path(), taken_over.clone())), "2");
    record(dir.path(), OURS, "primary=0\nstate=handover\ntarget=1");
    primary(&load(&controller(dir.path(), taken_over)), "0");
}

fn kept(cluster: &Cluster, kv: Vec<(&'static str, String)>) -> Value {
    serde_json::to_value(cluster.bookkeeping(kv)).unwrap()
}

#[test]
fn bookkeeping_heals_the_mirror_and_writes_only_what_differs() {
    let dir = tempfile::tempdir().unwrap();
    let config = json!({"PG_PRIMARY_ORDINAL": "1", "BACKUP_KEEP": "30"});
    let cluster = load(&controller(dir.path(), config.clone()));
    assert_eq!(kept(&cluster, Vec::new()), Value::Null);
    let same = vec![
        (keys::BACKUP_KEEP, "30".to_owned()),
        (keys::LINKED_READERS, String::new()),
    ];
    assert_eq!(kept(&cluster, same), Value::Null);
    record(dir.path(), OURS, "primary=2\nstate=steady");
    let cluster = load(&controller(dir.path(), config));
    let action = kept(&cluster, vec![(keys::BACKUP_KEEP, "5".to_owned())]);
    assert_eq!(
        action["kv"],
        json!({"BACKUP_KEEP": "5", "PG_PRIMARY_ORDINAL": "2"})
    );
    assert_eq!(action["skip_restart"], true);
}

#[test]
fn only_a_running_pod_can_be_used() {
    let dir = tempfile::tempdir().unwrap();
    let cluster = load(&controller(dir.path(), json!({})));
    let runner =
        FakeRunner::default().prints("docker ps", "s-db.0\trunning\t0\ns-db.1\tpaused\t1\n");
    let docker = Docker::new(&runner);
    let ask = |pod: &str| cluster.running(docker, pod.parse().unwrap());
    assert_eq!(ask("0").unwrap().container, "s-db.0");
    assert!(ask("1").unwrap_err().to_string().contains("it is paused"));
    assert!(ask("2").unwrap_err().to_string().contains("does not exist"));
    let hanging = FakeRunner::default().hangs("docker ps");
    let error = cluster
        .running(Docker::new(&hanging), Ordinal::default())
        .unwrap_err();
    assert!(
        error.to_string().contains("did not end within 3 s"),
        "{error}"
    );
}

#[test]
fn a_controller_that_is_down_is_said_with_the_next_step() {
    let dir = tempfile::tempdir().unwrap();
    let down = controller(dir.path(), json!({})).down();
    let error = Cluster::load(&down, &"s/db".parse().unwrap())
        .err()
        .unwrap();
    let error: &crate::controller::Error = error.downcast_ref().unwrap();
    assert!(error.next().starts_with("nothing was changed"));
}

#[test]
fn a_record_in_a_named_volume_cannot_be_changed() {
    let dir = tempfile::tempdir().unwrap();
    let fill: record_write::Random<'_> = &|_| Ok(());
    let on_host = load(&controller(dir.path(), json!({})));
    assert_eq!(on_host.record_writer(fill).unwrap().backups_dir, dir.path());
    let in_volume = load(&controller(Path::new("vault"), json!({})));
    let refusal = in_volume.record_writer(fill).err().unwrap();
    assert!(
        refusal.to_string().contains("docker volume vault"),
        "{refusal}"
    );
}
