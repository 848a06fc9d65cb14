//! The primary's pod is never scaled away.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{Answer, CLUSTER_ID, config, config_with, plugin, request, run};

/// Expands with a backups root of this test's own.
fn expand_below(root: &TempDir, spec: &Value, config: &Value) -> Answer {
    let mut command = plugin();
    command.arg("expand").env("VOODU_BACKUPS_ROOT", root.path());
    run(command.write_stdin(request(spec, config).to_string()))
}

/// A backups root whose cluster has that record.
fn root_with(record: &str) -> TempDir {
    let root = tempfile::tempdir().unwrap();
    write_record(&root.path().join("clowk-lp/db"), record);
    root
}

fn write_record(dir: &Path, record: &str) {
    fs::create_dir_all(dir).unwrap();
    fs::write(dir.join(".topology"), record).unwrap();
}

fn steady(cluster: &str, primary: u16) -> String {
    format!("cluster={cluster}\nepoch=3\nprimary={primary}\nstate=steady\n")
}

#[test]
fn the_record_names_the_primary_that_must_stay() {
    let root = root_with(&steady(CLUSTER_ID, 2));
    let error = expand_below(&root, &json!({"replicas": 2}), &config()).error();
    assert!(
        error.contains("pod 2") && error.contains("promote a lower ordinal first"),
        "{error}"
    );
    assert!(error.contains("vd delete clowk-lp/db"), "{error}");
    assert_eq!(
        expand_below(&root, &json!({"replicas": 3}), &config()).code,
        0
    );
}

#[test]
fn the_record_wins_over_the_bucket() {
    let root = root_with(&steady(CLUSTER_ID, 0));
    let stale = config_with(&json!({"PG_PRIMARY_ORDINAL": "2"}));
    assert_eq!(expand_below(&root, &json!({}), &stale).code, 0);
}

#[test]
fn another_clusters_record_is_ignored() {
    let root = root_with(&steady(&"f".repeat(32), 2));
    assert_eq!(expand_below(&root, &json!({}), &config()).code, 0);
}

#[test]
fn without_a_record_the_bucket_decides() {
    let root = tempfile::tempdir().unwrap();
    let promoted = config_with(&json!({"PG_PRIMARY_ORDINAL": "1"}));
    assert!(
        expand_below(&root, &json!({}), &promoted)
            .error()
            .contains("pod 1")
    );
    assert_eq!(
        expand_below(&root, &json!({"replicas": 2}), &promoted).code,
        0
    );
}

#[test]
fn a_record_that_is_none_is_an_error_that_names_the_file() {
    let root = root_with("primary=0\n");
    let path = root.path().join("clowk-lp/db/.topology");
    let error = expand_below(&root, &json!({}), &config()).error();
    assert!(error.contains(path.to_str().unwrap()), "{error}");

    fs::remove_file(&path).unwrap();
    let secret = root.path().join("secret");
    fs::write(&secret, steady(CLUSTER_ID, 0)).unwrap();
    symlink(&secret, &path).unwrap();
    let error = expand_below(&root, &json!({}), &config()).error();
    assert!(error.contains("symbolic link"), "{error}");
}

#[test]
fn the_record_is_read_where_the_pods_mount_it() {
    let elsewhere = tempfile::tempdir().unwrap();
    write_record(elsewhere.path(), &steady(CLUSTER_ID, 1));
    let root = tempfile::tempdir().unwrap();
    let spec = json!({"volumes": [format!("{}:/backups", elsewhere.path().display())]});
    assert!(
        expand_below(&root, &spec, &config())
            .error()
            .contains("pod 1")
    );
    let named = json!({"volumes": ["dumps:/backups"]});
    assert_eq!(expand_below(&root, &named, &config()).code, 0);
}

#[test]
fn the_backups_root_moves_the_mount_as_well() {
    let root = tempfile::tempdir().unwrap();
    let volumes = expand_below(&root, &json!({}), &config()).statefulset()["volumes"].clone();
    let expected = format!("{}/clowk-lp/db:/backups:rw", root.path().display());
    assert_eq!(volumes[4], expected);
    for bad in ["relative", "/a:b", "/a\nb"] {
        let mut command = plugin();
        command.arg("expand").env("VOODU_BACKUPS_ROOT", bad);
        let answer = run(command.write_stdin(request(&json!({}), &config()).to_string()));
        assert!(answer.error().contains("VOODU_BACKUPS_ROOT"), "{bad:?}");
    }
}
