//! The applications' URLs: whether each has those of today.

use crate::cluster::Cluster;
use crate::cluster::carriers::Carriers;
use crate::cluster::health::Problem;
use crate::cluster::relink::{link, outdated};
use crate::cluster::wiring::Wiring;
use crate::controller::Controller;
use crate::model::consumers::Consumers;

/// What is wrong with them. Without a password or a primary there are no URLs to compare with, and
/// that is a problem of its own.
pub(super) fn problems(
    controller: &dyn Controller,
    cluster: &Cluster,
    consumers: &Consumers,
) -> Vec<Problem> {
    let Ok(wiring) = Wiring::of(cluster) else {
        return Vec::new();
    };
    // While the record is missing, which pod the URLs should name is not known.
    let names_a_primary = cluster.record.is_some() || cluster.deployed.backups_dir().is_none();
    let outdated = names_a_primary.then(|| outdated(controller, consumers, &wiring));
    let outdated = outdated.unwrap_or_default();
    let again = || {
        format!(
            "see the controller's log, and run vd pg:info {} again",
            cluster.reference
        )
    };
    let unknown = outdated.unknown();
    let outdated = outdated.found.into_iter().map(|(consumer, link)| {
        Problem::new(
            format!("{consumer} does not have the URLs of today"),
            format!("give it those with {link}"),
        )
    });
    let carriers = Carriers::find(controller, cluster, consumers);
    let untracked = carriers.untracked.iter().map(|(consumer, reads)| {
        Problem::new(
            format!("{consumer} has a URL of this cluster and is not in its list of applications"),
            format!(
                "put it there with {}, or take the URL away with vd pg:unlink {} {consumer}",
                link(&wiring, consumer, *reads),
                cluster.reference
            ),
        )
    });
    let unseen = unknown.into_iter().chain(carriers.unseen());
    let unseen = unseen.map(|what| Problem::new(what, again()));
    outdated.chain(untracked).chain(unseen).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::controller::Kind;
    use crate::controller::fake::FakeController;
    use crate::model::consumers::Reads;
    use serde_json::json;

    fn stored() -> FakeController {
        let spec = json!({
            "image": "postgres:17", "replicas": 1, "volumes": ["vault:/backups"],
            "env": {
                "PG_CLUSTER_ID": "ab".repeat(16), "PG_PORT": "5432", "PG_PRIMARY_ORDINAL": "0",
                "PG_REPLICATION_USER": "replicator", "POSTGRES_DB": "postgres", "POSTGRES_USER": "postgres",
            },
        });
        let url = json!({"DATABASE_URL": "postgres://postgres:new@db-0.s.voodu:5432/postgres"});
        let mut controller = FakeController::default()
            .with_spec(Kind::Statefulset, "s/db", spec)
            .with_config("s/db", json!({"POSTGRES_PASSWORD": "new"}));
        for name in ["s/a", "s/b", "s/c"] {
            controller = controller
                .with_spec(Kind::Deployment, name, json!({}))
                .with_config(name, url.clone());
        }
        controller
    }

    fn found(controller: &FakeController) -> Vec<String> {
        let cluster = Cluster::load(&stored(), &"s/db".parse().unwrap()).unwrap();
        let mut consumers = Consumers::default();
        for name in ["s/a", "s/b", "s/c"] {
            consumers.link(name.parse().unwrap(), Reads::No);
        }
        let problems = problems(controller, &cluster, &consumers);
        problems.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn an_application_that_cannot_be_looked_at_is_not_one_that_is_well() {
        assert_eq!(found(&stored()), Vec::<String>::new());
        let next = "; see the controller's log, and run vd pg:info s/db again";
        let one = found(&stored().broken("s/b"));
        let unread = "whether s/b has today's URLs is not known: ";
        assert!(one.len() == 1 && one[0].starts_with(unread), "{one:?}");
        assert!(one[0].ends_with(next), "{one:?}");
        let two = found(&stored().broken("s/a").broken("s/c"));
        let unread = "whether s/a, s/c have today's URLs is not known: ";
        assert!(two.len() == 1 && two[0].starts_with(unread), "{two:?}");
        let all = found(&stored().down());
        let unread = "whether s/a, s/b, s/c have today's URLs is not known: ";
        let unseen = "whether an application outside the list has a URL of this cluster is not ";
        assert!(all.len() == 2 && all[0].starts_with(unread), "{all:?}");
        assert!(all[1].starts_with(unseen), "{all:?}");
    }
}
