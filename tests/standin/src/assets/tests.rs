use std::os::unix::fs::PermissionsExt;

use super::references::collect;
use super::*;

fn asset(scope: &str, files: &Value) -> Manifest {
    Manifest {
        kind: "asset".to_owned(),
        scope: scope.to_owned(),
        name: "db".to_owned(),
        spec: json!({ "files": files }),
        metadata: None,
    }
}

fn open() -> (tempfile::TempDir, Store) {
    let root = tempfile::tempdir().unwrap();
    let store = Store::open(root.path()).unwrap();
    (root, store)
}

#[test]
fn files_are_written_readable_and_undeclared_ones_removed() {
    let (root, store) = open();
    materialise(root.path(), &store, &asset("s", &json!({"old": "x"}))).unwrap();
    let encoded = json!({"_source": "file", "content": "aGk="});
    let digests = materialise(root.path(), &store, &asset("s", &json!({"conf": encoded}))).unwrap();
    let path = root.path().join("assets/s/db/conf");
    assert_eq!(fs::read(&path).unwrap(), b"hi");
    assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o644);
    assert!(!root.path().join("assets/s/db/old").exists());
    let status = store
        .status(Kind::Asset, &ResourceId::new("s", "db"))
        .unwrap();
    assert_eq!(status["files"]["conf"], digests["conf"]);
}

#[test]
fn keys_and_identities_that_are_paths_are_refused() {
    let (root, store) = open();
    for manifest in [
        asset("s", &json!({"a.b": "x"})),
        asset("../evil", &json!({"a": "x"})),
    ] {
        assert!(materialise(root.path(), &store, &manifest).is_err());
    }
}

#[test]
fn references_are_read_with_and_without_scope() {
    let found = collect("${asset.s.db.conf}:/x ${asset.db.k} ${asset.a b.c} ${asset.one}");
    let names: Vec<String> = found.iter().map(ToString::to_string).collect();
    assert_eq!(names, ["s.db.conf", "db.k"]);
}

#[test]
fn a_consumer_is_stamped_and_a_dangling_reference_refused() {
    let (root, store) = open();
    let consumer = |reference: &str| Manifest {
        kind: "statefulset".to_owned(),
        scope: "s".to_owned(),
        name: "db".to_owned(),
        spec: json!({"volumes": [reference]}),
        metadata: None,
    };
    let mut batch = [
        asset("s", &json!({"conf": "hi"})),
        consumer("${asset.s.db.conf}:/x"),
    ];
    stamp(root.path(), &store, &mut batch).unwrap();
    assert_eq!(
        batch[1].spec["_asset_digests"],
        json!({"s.db.conf": hex::encode(Sha256::digest("hi"))})
    );
    let error = stamp(root.path(), &store, &mut [consumer("${asset.s.db.no}:/x")]).unwrap_err();
    assert_eq!(
        format!("{error:#}"),
        "statefulset/s/db: unresolved asset reference \"s.db.no\" \
         (not in this apply, and never written)"
    );
}

#[test]
fn resolving_needs_the_stored_manifest_of_that_name() {
    let (root, store) = open();
    let text = "${asset.s.db.conf}:/x:ro";
    assert!(resolve(root.path(), &store, text).is_err());
    store.put(asset("other", &json!({}))).unwrap();
    assert_eq!(
        resolve(root.path(), &store, text).unwrap(),
        format!("{}/assets/s/db/conf:/x:ro", root.path().display())
    );
}
