use serde_json::json;

use super::*;

fn open() -> (tempfile::TempDir, Store) {
    let root = tempfile::tempdir().unwrap();
    let store = Store::open(root.path()).unwrap();
    (root, store)
}

fn manifest(kind: &str, scope: &str, name: &str) -> Manifest {
    Manifest {
        kind: kind.to_owned(),
        scope: scope.to_owned(),
        name: name.to_owned(),
        spec: json!({"scope": scope}),
        metadata: None,
    }
}

fn vars(pairs: &[(&str, &str)]) -> Vars {
    pairs
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect()
}

#[test]
fn scope_is_required_except_for_assets() {
    let (_root, store) = open();
    for kind in ["deployment", "statefulset", "job", "cronjob", "ingress"] {
        let error = store.put(manifest(kind, "", "db")).unwrap_err();
        let expected = format!("{kind}/db: scope is required");
        assert!(error.message.starts_with(&expected), "{error}");
    }
    assert!(store.put(manifest("asset", "", "db")).is_ok());
    assert!(store.put(manifest("postgres", "s", "db")).is_err());
}

#[test]
fn assets_of_two_scopes_share_one_manifest() {
    let (_root, store) = open();
    store.put(manifest("asset", "a", "db")).unwrap();
    store.put(manifest("asset", "b", "db")).unwrap();
    let found = store.get(Kind::Asset, &ResourceId::new("a", "db")).unwrap();
    assert_eq!(found.scope, "b");
    assert!(
        store
            .delete(Kind::Asset, &ResourceId::new("a", "db"))
            .unwrap()
    );
    assert!(store.list(Some(Kind::Asset)).is_empty());
}

#[test]
fn the_app_bucket_wins_and_an_empty_value_deletes() {
    let (_root, store) = open();
    let id = ResourceId::new("s", "db");
    let scope = ResourceId::new("s", "");
    store
        .patch_bucket(&scope, &vars(&[("A", "scope"), ("B", "scope")]))
        .unwrap();
    store
        .patch_bucket(&id, &vars(&[("A", "app"), ("C", "app")]))
        .unwrap();
    store.patch_bucket(&id, &vars(&[("C", "")])).unwrap();
    assert_eq!(store.bucket(&id), vars(&[("A", "app"), ("B", "scope")]));
    assert_eq!(store.own_bucket(&id), vars(&[("A", "app")]));
    store.wipe_bucket(&id).unwrap();
    assert_eq!(store.bucket(&id), vars(&[("A", "scope"), ("B", "scope")]));
}

#[test]
fn a_new_process_on_the_same_root_continues() {
    let (root, store) = open();
    let id = ResourceId::new("s", "db");
    store.put(manifest("statefulset", "s", "db")).unwrap();
    store.patch_bucket(&id, &vars(&[("A", "1")])).unwrap();
    store
        .update_status(Kind::Statefulset, &id, |status| {
            status["replicas"] = 3.into();
        })
        .unwrap();
    store.update_frozen(&id, |frozen| frozen.insert(2)).unwrap();
    let again = Store::open(root.path()).unwrap();
    assert_eq!(again.list(None), store.list(None));
    assert_eq!(again.bucket(&id), vars(&[("A", "1")]));
    assert_eq!(
        again.status(Kind::Statefulset, &id),
        Some(json!({"replicas": 3}))
    );
    assert!(again.frozen(&id).contains(&2));
}
