//! The applications that carry a URL of a cluster in their own config. Those are the linked ones,
//! whatever the cluster's own list says: two links at the same moment, or a list that was changed by
//! hand, leave one out, and the next rotation would lock it out. So the applications' configs decide,
//! and the list is their mirror. Nothing else could be the truth: the config is what a process
//! reads its URL from, and only an operator writes it.

use std::time::{Duration, Instant};

use crate::cluster::Cluster;
use crate::cluster::wiring::{Marks, Origin};
use crate::controller::{Controller, Error, Kind, Layers};
use crate::model::connection::{READ_URL, is_balanced};
use crate::model::consumers::{Consumers, Reads};
use crate::model::resource_ref::ResourceRef;

/// Each application is a question to the controller.
const PATIENCE: Duration = Duration::from_secs(3);

/// What was found beside the list.
#[derive(Debug, Default)]
pub(crate) struct Carriers {
    /// Applications that are not in the list, with the reads that their config has.
    pub(crate) untracked: Vec<(ResourceRef, Reads)>,
    /// Why there may be more.
    pub(crate) unseen: Option<String>,
}

impl Carriers {
    /// Looks at every application that the controller stores and that is not in the list.
    pub(crate) fn find(
        controller: &dyn Controller,
        cluster: &Cluster,
        tracked: &Consumers,
    ) -> Self {
        let mut found = Self::default();
        if let Err(problem) = found.look(controller, cluster, tracked) {
            found.unseen = Some(problem);
        }
        found
    }

    /// The list and what was found beside it.
    pub(crate) fn with(&self, tracked: &Consumers) -> Consumers {
        let mut all = tracked.clone();
        for (consumer, reads) in &self.untracked {
            all.link(consumer.clone(), *reads);
        }
        all
    }

    /// What an operator is told of it.
    pub(crate) fn notes(&self) -> Vec<String> {
        let found = self.untracked.iter().map(|(consumer, _)| {
            format!("{consumer} has a URL of this cluster and was not in its list; it is now")
        });
        found.chain(self.unseen()).collect()
    }

    /// That there may be more.
    pub(crate) fn unseen(&self) -> Option<String> {
        let problem = self.unseen.as_ref()?;
        Some(format!(
            "whether an application outside the list has a URL of this cluster is not known: {problem}"
        ))
    }

    fn look(
        &mut self,
        controller: &dyn Controller,
        cluster: &Cluster,
        tracked: &Consumers,
    ) -> Result<(), String> {
        let (marks, began) = (Marks::of(cluster), Instant::now());
        let mut stored = Vec::new();
        for kind in Kind::ALL {
            stored.extend(controller.resources(kind).map_err(words)?);
        }
        // One config can feed several kinds of that name.
        stored.sort();
        stored.dedup();
        let others = stored
            .into_iter()
            .filter(|it| *it != cluster.reference && tracked.get(it).is_none());
        for application in others {
            if began.elapsed() > PATIENCE {
                return Err("the controller answers too slowly".to_owned());
            }
            let own = controller
                .config(&application, Layers::Own)
                .map_err(words)?;
            let ours = marks.with(Origin::Link, &own);
            if ours.is_empty() {
                continue;
            }
            let read = ours
                .contains(&READ_URL)
                .then(|| own.get(READ_URL)?.as_str())
                .flatten();
            let reads = match read {
                None => Reads::No,
                Some(url) if is_balanced(url) => Reads::Balanced,
                Some(_) => Reads::InOrder,
            };
            self.untracked.push((application, reads));
        }
        Ok(())
    }
}

#[allow(clippy::needless_pass_by_value)]
fn words(error: Error) -> String {
    error.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::controller::fake::FakeController;
    use serde_json::{Value, json};

    const URL: &str = "postgres://postgres:old@db-0.s.voodu:5432/postgres";

    fn stored() -> FakeController {
        let spec = json!({
            "image": "postgres:17", "replicas": 2, "volumes": ["vault:/backups"],
            "env": {
                "PG_CLUSTER_ID": "ab".repeat(16), "PG_PORT": "5432", "PG_PRIMARY_ORDINAL": "0",
                "PG_REPLICATION_USER": "replicator", "POSTGRES_DB": "postgres", "POSTGRES_USER": "postgres",
            },
        });
        let read = |query: &str| URL.replace("db-0", "db-1") + "?target_session_attrs=any" + query;
        let apps: [(&str, Value); 6] = [
            ("s/tracked", json!({"DATABASE_URL": URL})),
            ("s/plain", json!({"DATABASE_URL": URL})),
            (
                "t/reads",
                json!({"DATABASE_URL": URL, "DATABASE_READ_URL": read("")}),
            ),
            (
                "t/balanced",
                json!({"DATABASE_URL": URL, "DATABASE_READ_URL": read("&load_balance_hosts=random")}),
            ),
            (
                "s/other",
                json!({"DATABASE_URL": "postgres://postgres:x@db-0.t.voodu:5432/postgres"}),
            ),
            ("s/none", json!({})),
        ];
        let mut controller = FakeController::default().with_spec(Kind::Statefulset, "s/db", spec);
        for (name, config) in apps {
            controller = controller
                .with_spec(Kind::Deployment, name, json!({}))
                .with_spec(Kind::Cronjob, name, json!({}))
                .with_config(name, config);
        }
        controller
    }

    fn find(controller: &FakeController) -> Carriers {
        let cluster = Cluster::load(&stored(), &"s/db".parse().unwrap()).unwrap();
        let mut tracked = Consumers::default();
        tracked.link("s/tracked".parse().unwrap(), Reads::No);
        Carriers::find(controller, &cluster, &tracked)
    }

    #[test]
    fn those_with_a_url_of_the_cluster_are_found_with_what_they_asked_for() {
        let found = find(&stored());
        let names: Vec<_> = found
            .untracked
            .iter()
            .map(|(name, reads)| (name.to_string(), *reads))
            .collect();
        let expected = [
            ("s/plain", Reads::No),
            ("t/balanced", Reads::Balanced),
            ("t/reads", Reads::InOrder),
        ];
        assert_eq!(
            names,
            expected.map(|(name, reads)| (name.to_owned(), reads))
        );
        assert_eq!(found.unseen, None);
    }

    #[test]
    fn a_controller_that_does_not_tell_leaves_it_unknown() {
        let broken = find(&stored().broken("s/none"));
        assert!(broken.unseen.is_some() && broken.notes()[0].contains("is not known"));
        assert!(find(&stored().down()).unseen.is_some());
    }
}
