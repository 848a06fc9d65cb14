use serde_json::{Value, json};

use super::*;

const ID: &str = "0123456789abcdef0123456789abcdef";

fn kept(config: &Value, chosen: Option<&str>) -> Result<Kept> {
    let cluster = ResourceRef::new("clowk-lp", "db")?;
    let bucket = Bucket::read(config.as_object().unwrap(), &cluster)?;
    let chosen = chosen
        .map(|text| Secret::chosen("password", text))
        .transpose()?;
    let fresh = Fresh::from_random([1; 32], [2; 32], [3; 16]);
    keep(&bucket, chosen.as_ref(), &cluster, &fresh)
}

fn sets(kept: &Kept) -> Vec<Value> {
    let actions = kept
        .actions
        .iter()
        .map(|action| serde_json::to_value(action).unwrap());
    actions.map(|action| action["kv"].clone()).collect()
}

#[test]
fn the_first_apply_remembers_everything() {
    let kept = kept(&json!({}), None).unwrap();
    assert_eq!(
        sets(&kept),
        [
            json!({"POSTGRES_PASSWORD": "01".repeat(32)}),
            json!({"POSTGRES_REPLICATION_PASSWORD": "02".repeat(32)}),
            json!({"PG_CLUSTER_ID": "03".repeat(16), "PG_PRIMARY_ORDINAL": "0", "BACKUP_KEEP": "30"}),
        ]
    );
}

#[test]
fn a_later_apply_emits_nothing() {
    let config = json!({
        "POSTGRES_PASSWORD": "a", "POSTGRES_REPLICATION_PASSWORD": "b", "PG_CLUSTER_ID": ID,
        "PG_PRIMARY_ORDINAL": "2",
    });
    let kept = kept(&config, Some("a")).unwrap();
    assert!(kept.actions.is_empty());
    assert_eq!(kept.initial_primary, Ordinal::default());
}

#[test]
fn a_cluster_that_is_taken_over_keeps_its_primary() {
    let config = json!({
        "POSTGRES_PASSWORD": "a", "POSTGRES_REPLICATION_PASSWORD": "b",
        "PG_PRIMARY_ORDINAL": "1", "BACKUP_KEEP": "7",
    });
    let kept = kept(&config, None).unwrap();
    assert_eq!(kept.initial_primary.to_string(), "1");
    let id = kept.cluster_id.to_string();
    assert_eq!(
        sets(&kept),
        [json!({"PG_CLUSTER_ID": id, "PG_INITIAL_PRIMARY": "1"})]
    );
}

#[test]
fn an_initial_primary_that_is_known_wins_over_the_mirror() {
    let config = json!({"PG_INITIAL_PRIMARY": "1", "PG_PRIMARY_ORDINAL": "2"});
    let kept = kept(&config, None).unwrap();
    assert_eq!(kept.initial_primary.to_string(), "1");
    assert!(sets(&kept)[2].get("PG_INITIAL_PRIMARY").is_none());
}

#[test]
fn the_initial_primary_outlives_every_promotion() {
    let config = json!({
        "POSTGRES_PASSWORD": "a", "POSTGRES_REPLICATION_PASSWORD": "b", "PG_CLUSTER_ID": ID,
        "PG_PRIMARY_ORDINAL": "2", "PG_INITIAL_PRIMARY": "1",
    });
    assert_eq!(
        kept(&config, None).unwrap().initial_primary.to_string(),
        "1"
    );
}

#[test]
fn a_password_in_the_block_seeds_an_empty_bucket_only() {
    let seeded = kept(&json!({}), Some("mine")).unwrap();
    assert_eq!(sets(&seeded)[0], json!({"POSTGRES_PASSWORD": "mine"}));
    let refusal = kept(&json!({"POSTGRES_PASSWORD": "other"}), Some("mine"))
        .err()
        .unwrap();
    let text = format!("{refusal} {}", refusal.next());
    assert!(text.contains("vd pg:new-password clowk-lp/db"), "{text}");
    assert!(!text.contains("mine") && !text.contains("other"), "{text}");
}

#[test]
fn a_password_that_is_gone_is_not_replaced() {
    for (there, gone) in [
        ("POSTGRES_REPLICATION_PASSWORD", "POSTGRES_PASSWORD"),
        ("POSTGRES_PASSWORD", "POSTGRES_REPLICATION_PASSWORD"),
    ] {
        let refusal = kept(&json!({there: "a", "PG_CLUSTER_ID": ID}), None)
            .err()
            .unwrap();
        assert!(refusal.to_string().starts_with(gone), "{refusal}");
    }
}
