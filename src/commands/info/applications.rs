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
    let outdated = outdated.into_iter().map(|(consumer, link)| {
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
    outdated.chain(untracked).collect()
}
