//! How a cluster's port is published on the host, and how that changes with one restart of the
//! pod: the flag first, without a restart, then the manifest.

use std::io::ErrorKind;
use std::net::{Ipv4Addr, TcpListener};
use std::num::NonZeroU16;

use crate::cluster::Cluster;
use crate::docker::engine::Docker;
use crate::model::bucket::keys;
use crate::model::ordinal::Ordinal;
use crate::model::refusal::Refusal;
use crate::wire::action::Action;
use crate::wire::manifest::Manifest;

/// Who can reach the port.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Exposure {
    /// The host itself, on a random port.
    Loopback,
    /// Everybody, on the cluster's own port.
    Public,
    /// Whoever the block's own `ports` say.
    Operators,
}

impl Exposure {
    fn ports(&self, port: NonZeroU16) -> Option<Vec<String>> {
        match self {
            Self::Loopback => Some(vec![port.to_string()]),
            Self::Public => Some(vec![format!("0.0.0.0:{port}:{port}")]),
            Self::Operators => None,
        }
    }

    /// What is deployed.
    pub(crate) fn of(cluster: &Cluster) -> Self {
        let deployed = Some(&cluster.deployed.ports);
        let port = cluster.deployed.port;
        [Self::Loopback, Self::Public]
            .into_iter()
            .find(|exposure| exposure.ports(port).as_ref() == deployed)
            .unwrap_or(Self::Operators)
    }

    /// What gets a cluster there from what is deployed, with that value of the flag. The block's own
    /// ports stay.
    pub(crate) fn actions(&self, cluster: &Cluster, flag: &str) -> Vec<Action> {
        let flag = cluster.bookkeeping(vec![(keys::EXPOSE_PUBLIC, flag.to_owned())]);
        let deployed = Self::of(cluster);
        let ports = self.ports(cluster.deployed.port);
        let ports = ports.filter(|_| deployed != Self::Operators && deployed != *self);
        let manifest = ports.map(|ports| {
            let (reference, spec) = (&cluster.reference, cluster.deployed.with_ports(ports));
            let manifest = Manifest::statefulset(reference.scope(), reference.name(), spec);
            Action::apply_manifest(reference, manifest)
        });
        flag.into_iter().chain(manifest).collect()
    }
}

/// Refuses when somebody else has the cluster's port on the host. Asked before the pod is touched:
/// the platform removes the old one before docker finds out.
pub(crate) fn check_host_port(cluster: &Cluster, docker: Docker<'_>) -> anyhow::Result<()> {
    let port = cluster.deployed.port;
    let own = cluster.reference.container(Ordinal::default());
    let holders = docker.holders(port)?;
    let holder = match holders.iter().find(|holder| holder.container != own) {
        Some(other) => format!("container {}", other.container),
        // The pod gives it back when it is replaced.
        None if !holders.is_empty() => return Ok(()),
        None if is_bound(port) => "a process of this host".to_owned(),
        None => return Ok(()),
    };
    let reference = &cluster.reference;
    Err(Refusal::new(
        format!("{reference}: port {port} of the host is taken by {holder}; the pod was not touched"),
        format!(
            "stop that one (ss -ltnp shows processes), or publish another port with ports = [\"0.0.0.0:15432:{port}\"] in the block"
        ),
    )
    .into())
}

/// Only a port in use counts: any other trouble is docker's to report.
fn is_bound(port: NonZeroU16) -> bool {
    let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, port.get()));
    listener.is_err_and(|error| error.kind() == ErrorKind::AddrInUse)
}
