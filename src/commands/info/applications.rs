//! The applications' URLs: whether each has those of today.

use crate::cluster::Cluster;
use crate::cluster::health::Problem;
use crate::cluster::relink::outdated;
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
    let outdated = outdated(controller, consumers, &wiring);
    let problem = |(consumer, link)| {
        Problem::new(
            format!("{consumer} does not have the URLs of today"),
            format!("give it those with {link}"),
        )
    };
    outdated.into_iter().map(problem).collect()
}
