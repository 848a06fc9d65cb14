//! The pods that must not be scaled away: the current primary, and the one that takes over.

use std::path::Path;

use crate::model::bucket::Bucket;
use crate::model::ordinal::Ordinal;
use crate::model::refusal::{Refusal, Result};
use crate::model::resource_ref::ResourceRef;
use crate::model::topology_record::TopologyRecord;

/// Reads the topology record in a cluster's backups directory; `None` when there is none that can
/// be read.
pub(crate) type ReadRecord<'a> = &'a dyn Fn(&Path) -> Result<Option<TopologyRecord>>;

/// Refuses a number of replicas that would remove the primary. This cluster's record decides, else
/// the bucket; the record of another cluster says nothing about this one.
pub(super) fn check(
    replicas: u16,
    bucket: &Bucket,
    record: Option<&TopologyRecord>,
    cluster: &ResourceRef,
) -> Result<()> {
    let ours = record.filter(|record| bucket.cluster_id.as_ref() == Some(&record.cluster));
    let needed: Vec<Ordinal> = match ours {
        Some(record) => record.needed_pods().collect(),
        None => bucket.primary.into_iter().collect(),
    };
    let Some(removed) = needed.iter().find(|pod| !pod.exists_with(replicas)) else {
        return Ok(());
    };
    let role = if Some(removed) == needed.first() {
        "the current primary"
    } else {
        "about to become the primary"
    };
    Err(Refusal::new(
        format!("replicas: {replicas} would remove pod {removed}, which is {role}"),
        format!("promote a lower ordinal first: vd pg:promote {cluster} --replica 0"),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    const OURS: &str = "0123456789abcdef0123456789abcdef";
    const OTHER: &str = "ffffffffffffffffffffffffffffffff";

    fn checked(replicas: u16, config: &Value, record: Option<(&str, &str)>) -> Result<()> {
        let cluster = ResourceRef::new("clowk-lp", "db")?;
        let bucket = Bucket::read(config.as_object().unwrap(), &cluster)?;
        let record = record.map(|(id, rest)| {
            let text = format!("cluster={id}\nepoch=2\n{rest}\n");
            text.parse::<TopologyRecord>().unwrap()
        });
        check(replicas, &bucket, record.as_ref(), &cluster)
    }

    #[test]
    fn the_record_decides() {
        let config = json!({"PG_CLUSTER_ID": OURS, "PG_PRIMARY_ORDINAL": "0"});
        let record = Some((OURS, "primary=2\nstate=steady"));
        assert!(checked(3, &config, record).is_ok());
        let refusal = checked(2, &config, record).unwrap_err();
        assert!(refusal.to_string().contains("remove pod 2"), "{refusal}");
        assert!(refusal.next().contains("promote a lower ordinal first"));
    }

    #[test]
    fn without_a_record_of_ours_the_bucket_does() {
        let config = json!({"PG_CLUSTER_ID": OURS, "PG_PRIMARY_ORDINAL": "1"});
        assert!(checked(1, &config, None).is_err());
        assert!(checked(2, &config, Some((OTHER, "primary=2\nstate=steady"))).is_ok());
        assert!(checked(1, &json!({}), Some((OTHER, "primary=2\nstate=steady"))).is_ok());
    }

    #[test]
    fn a_handover_keeps_both_pods() {
        let config = json!({"PG_CLUSTER_ID": OURS});
        let record = Some((OURS, "primary=0\nstate=handover\ntarget=2"));
        let refusal = checked(2, &config, record).unwrap_err();
        assert!(refusal.to_string().contains("about to become"), "{refusal}");
    }
}
