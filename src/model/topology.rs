//! The pods of a cluster, and which of them is the primary.

use crate::model::ordinal::Ordinal;
use crate::model::refusal::{Refusal, Result};
use crate::model::resource_ref::ResourceRef;

/// A primary and its standbys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Topology {
    cluster: ResourceRef,
    replicas: u16,
    primary: Ordinal,
}

impl Topology {
    /// Checks that the primary is one of the pods.
    pub(crate) fn new(cluster: ResourceRef, replicas: u16, primary: Ordinal) -> Result<Self> {
        if primary.exists_with(replicas) {
            return Ok(Self {
                cluster,
                replicas,
                primary,
            });
        }
        Err(Refusal::new(
            format!(
                "{cluster}: pod {primary} is recorded as the primary, and there are only {}",
                pods(replicas)
            ),
            "apply the block with enough replicas for it",
        ))
    }

    /// The cluster.
    pub(crate) fn cluster(&self) -> &ResourceRef {
        &self.cluster
    }

    /// The primary's ordinal.
    pub(crate) fn primary(&self) -> Ordinal {
        self.primary
    }

    /// Every pod, the primary among them.
    pub(crate) fn members(&self) -> impl Iterator<Item = Ordinal> {
        Ordinal::all(self.replicas)
    }

    /// Every pod but the primary.
    pub(crate) fn standbys(&self) -> impl Iterator<Item = Ordinal> {
        self.members().filter(|pod| *pod != self.primary)
    }

    /// A pod that an operator named, when it is one of the cluster's.
    pub(crate) fn member(&self, pod: Ordinal) -> Result<Ordinal> {
        if pod.exists_with(self.replicas) {
            return Ok(pod);
        }
        let last = self.members().last().unwrap_or_default();
        Err(Refusal::new(
            format!(
                "{}: there is no pod {pod}, the cluster has {}",
                self.cluster,
                pods(self.replicas)
            ),
            format!("use a number from 0 to {last}"),
        ))
    }
}

fn pods(replicas: u16) -> String {
    match replicas {
        1 => "1 pod".to_owned(),
        many => format!("{many} pods"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn topology(replicas: u16, primary: &str) -> Result<Topology> {
        let cluster = ResourceRef::new("clowk-lp", "db")?;
        Topology::new(cluster, replicas, primary.parse().unwrap())
    }

    #[test]
    fn standbys_are_all_pods_but_the_primary() {
        let topology = topology(3, "1").unwrap();
        let standbys: Vec<_> = topology.standbys().map(|pod| pod.to_string()).collect();
        assert_eq!(standbys, ["0", "2"]);
        assert_eq!(topology.members().count(), 3);
        assert!(
            super::tests::topology(1, "0")
                .unwrap()
                .standbys()
                .next()
                .is_none()
        );
    }

    #[test]
    fn a_pod_out_of_range_is_refused() {
        assert!(topology(3, "3").is_err());
        let topology = topology(3, "0").unwrap();
        assert!(topology.member("2".parse().unwrap()).is_ok());
        let refusal = topology.member("3".parse().unwrap()).unwrap_err();
        assert_eq!(
            refusal.to_string(),
            "clowk-lp/db: there is no pod 3, the cluster has 3 pods"
        );
        assert_eq!(refusal.next(), "use a number from 0 to 2");
    }
}
