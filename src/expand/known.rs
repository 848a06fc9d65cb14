//! A cluster that exists, and whose config came empty. To the plugin a config that the controller could not
//! read looks like the one of a first apply, and new passwords and a new identity would take the place
//! of those that the data have.

use std::path::Path;

use crate::docker::runner::Failure;
use crate::model::bucket::keys;
use crate::model::ordinal::Ordinal;
use crate::model::refusal::{Refusal, Result};
use crate::model::resource_ref::ResourceRef;
use crate::model::topology_record::TopologyRecord;

/// Whether docker has a volume of that name.
pub(crate) type FindVolume<'a> = &'a dyn Fn(&str) -> std::result::Result<bool, Failure>;

/// What is known of a cluster on its host.
pub(super) struct Known<'a> {
    pub(super) cluster: &'a ResourceRef,
    pub(super) replicas: u16,
    pub(super) record: &'a TopologyRecord,
    /// Where the record lies.
    pub(super) dir: &'a Path,
}

impl Known<'_> {
    /// A record outlives its cluster, and so is no obstacle to a new one once no pod has a volume.
    pub(super) fn check_gone(&self, find_volume: FindVolume<'_>) -> Result<()> {
        let named = self.record.needed_pods();
        let pods = named.chain(Ordinal::all(self.replicas));
        for volume in pods.map(|pod| self.cluster.data_volume(pod)) {
            match find_volume(&volume) {
                Ok(false) => {}
                Ok(true) => return Err(self.exists(&format!("the volume {volume} exists"))),
                Err(failure) => {
                    let why = format!("whether it has data is not known: {failure}");
                    return Err(self.exists(&why));
                }
            }
        }
        Ok(())
    }

    fn exists(&self, data: &str) -> Refusal {
        let (cluster, id, dir) = (self.cluster, &self.record.cluster, self.dir.display());
        let key = keys::CLUSTER_ID;
        Refusal::new(
            format!(
                "{cluster}: its config came empty, but {dir} has the record of cluster {id}, and {data}; nothing was changed"
            ),
            format!(
                "apply again; if the config was deleted: vd config {cluster} set {key}={id}, vd pg:new-password {cluster}, the same with --replication, and apply; to start over: vd delete --prune, and remove the record"
            ),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;

    /// What is asked of docker, and whether the apply goes on.
    fn checked(record: &str, replicas: u16, there: &str) -> (Vec<String>, Result<()>) {
        let id = "0123456789abcdef0123456789abcdef";
        let record = format!("cluster={id}\nepoch=2\n{record}\n").parse();
        let known = Known {
            cluster: &ResourceRef::new("s", "db").unwrap(),
            replicas,
            record: &record.unwrap(),
            dir: Path::new("/b/s/db"),
        };
        let asked = RefCell::<Vec<String>>::default();
        let outcome = known.check_gone(&|name: &str| {
            asked.borrow_mut().push(name.to_owned());
            Ok(name == there)
        });
        (asked.into_inner(), outcome)
    }

    #[test]
    fn the_volume_of_any_pod_is_one_of_an_existing_cluster() {
        let (_, outcome) = checked("primary=0\nstate=steady", 3, "voodu-s-db-data-2");
        let refusal = outcome.unwrap_err();
        let text = refusal.to_string();
        assert!(
            text.contains("of cluster 0123456789abcdef0123456789abcdef, and the volume voodu-s-db-data-2 exists"),
            "{text}"
        );
        // The block may have fewer pods than there are.
        let (asked, outcome) = checked("primary=4\nstate=steady", 1, "voodu-s-db-data-4");
        assert_eq!(asked, ["voodu-s-db-data-4"]);
        assert!(outcome.is_err());
    }

    #[test]
    fn a_record_without_data_is_what_is_left_of_an_old_cluster() {
        let (asked, outcome) = checked("primary=0\nstate=steady", 2, "voodu-other-db-data-0");
        assert_eq!(outcome, Ok(()));
        assert!(asked.contains(&"voodu-s-db-data-1".to_owned()), "{asked:?}");
    }
}
