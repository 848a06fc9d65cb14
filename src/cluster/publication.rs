//! The applications' URLs after another pod became the primary. What they are made of, the password,
//! the primary and the list of applications, is read right before they are published: a handover takes
//! seconds, in which each of them can change.

use std::time::Duration;

use crate::cluster::Cluster;
use crate::cluster::carriers::Carriers;
use crate::cluster::proof::{PATIENCE, prove};
use crate::cluster::relink::{Relinked, relink};
use crate::cluster::wiring::Wiring;
use crate::controller::Controller;
use crate::docker::engine::Docker;
use crate::model::ordinal::Ordinal;
use crate::model::refusal::Refusal;
use crate::model::resource_ref::ResourceRef;
use crate::model::topology::Topology;
use crate::wire::action::Restart;

/// One publication.
pub(crate) struct Publication<'a> {
    pub(crate) cluster: &'a ResourceRef,
    pub(crate) controller: &'a dyn Controller,
    pub(crate) docker: Docker<'a>,
    pub(crate) restart: Restart,
}

/// What it would be with today's password and applications.
#[derive(Default)]
pub(crate) struct Foreseen {
    pub(crate) carriers: Carriers,
    pub(crate) relinked: Relinked,
}

impl Publication<'_> {
    /// The URLs with that pod as the primary. What stands in their way is known before anything
    /// changes, and does not stop a promotion that is forced.
    pub(crate) fn foresee(
        &self,
        cluster: &Cluster,
        target: Ordinal,
        force: bool,
    ) -> anyhow::Result<Foreseen> {
        let consumers = cluster.consumers();
        let known = consumers.and_then(|consumers| Ok((cluster.connection()?, consumers)));
        let (connection, tracked) = match known {
            Ok(known) => known,
            Err(refusal) if force => {
                return Ok(Foreseen {
                    relinked: unlinked(&refusal),
                    ..Foreseen::default()
                });
            }
            Err(refusal) => return Err(refusal.into()),
        };
        let topology = Topology::new(self.cluster.clone(), cluster.deployed.replicas, target)?;
        let wiring = Wiring {
            connection,
            topology,
        };
        let carriers = Carriers::find(self.controller, cluster, &tracked);
        let consumers = carriers.with(&tracked);
        let mut relinked = relink(self.controller, &consumers, &wiring, self.restart);
        relinked.notes.splice(0..0, carriers.notes());
        Ok(Foreseen { carriers, relinked })
    }

    /// The URLs of now, and after them the cluster's own keys: until those are right, `info` says that
    /// something is left to do. `again` is the command that finishes what cannot be done now.
    pub(crate) fn publish(&self, carriers: &Carriers, left: Duration, again: &str) -> Relinked {
        self.attempt(carriers, left).unwrap_or_else(|error| {
            let next = error.downcast_ref().map(Refusal::next);
            let next = next.map_or_else(String::new, |next| format!("{next}; "));
            Relinked {
                notes: vec![format!(
                    "the applications keep the URLs that they have: {error:#}; {next}then finish with {again}"
                )],
                ..Relinked::default()
            }
        })
    }

    fn attempt(&self, carriers: &Carriers, left: Duration) -> anyhow::Result<Relinked> {
        let mut cluster = Cluster::load(self.controller, self.cluster)?;
        let consumers = cluster.consumers();
        let known = consumers.and_then(|tracked| cluster.connection().map(|_| tracked));
        let consumers = match known {
            Ok(tracked) => carriers.with(&tracked),
            // Nothing but an operator mends it, and the primary is what it is.
            Err(refusal) => return Ok(with_mirror(unlinked(&refusal), &cluster, Vec::new())),
        };
        if consumers.is_empty() {
            return Ok(with_mirror(Relinked::default(), &cluster, Vec::new()));
        }
        let proof = prove(
            &mut cluster,
            self.controller,
            self.docker,
            left.min(PATIENCE),
        )?;
        let wiring = Wiring::of(&cluster)?;
        let mut relinked = relink(self.controller, &consumers, &wiring, self.restart);
        relinked.notes.splice(0..0, carriers.notes());
        relinked.notes.extend(proof.note(&cluster));
        Ok(with_mirror(relinked, &cluster, consumers.kv().into()))
    }
}

fn with_mirror(
    mut relinked: Relinked,
    cluster: &Cluster,
    keys: Vec<(&'static str, String)>,
) -> Relinked {
    relinked.actions.extend(cluster.bookkeeping(keys));
    relinked
}

/// No URLs for any application, and why.
fn unlinked(refusal: &Refusal) -> Relinked {
    Relinked {
        notes: vec![format!(
            "the applications keep the URLs that they have: {refusal}; {}",
            refusal.next()
        )],
        ..Relinked::default()
    }
}
