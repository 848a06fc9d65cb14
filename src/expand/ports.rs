//! The ports that docker publishes: the operator's list, or ours.

use std::collections::BTreeSet;
use std::net::IpAddr;

use serde_json::{Map, Value};

use crate::expand::shape::{ANYTHING, texts};
use crate::model::cluster_spec::ClusterSpec;
use crate::model::excerpt::excerpt;
use crate::model::field;
use crate::model::refusal::{Refusal, Result};
use crate::model::resource_ref::ResourceRef;

/// The list for the statefulset. Ours is the bare port, which the platform publishes on a random
/// port of the loopback interface, or the public one when the bucket says so.
pub(super) fn ports(
    block: &Map<String, Value>,
    spec: &ClusterSpec,
    exposed: bool,
    cluster: &ResourceRef,
) -> Result<Vec<String>> {
    if let Some(value) = field::present(block, "ports") {
        return operators(&texts("ports", value, ANYTHING)?, spec.replicas);
    }
    let port = spec.port;
    if !exposed {
        return Ok(vec![port.to_string()]);
    }
    if spec.replicas > 1 {
        return Err(Refusal::new(
            format!(
                "replicas: the cluster is exposed, and {} pods cannot share the host's port {port}",
                spec.replicas
            ),
            format!(
                "run vd pg:unexpose {cluster}, or write ports = [\"0.0.0.0::{port}\"] for random public ports"
            ),
        ));
    }
    Ok(vec![format!("0.0.0.0:{port}:{port}")])
}

/// An invalid entry takes the database down: voodu removes the old pod before docker refuses the
/// new one.
fn operators(ports: &[String], replicas: u16) -> Result<Vec<String>> {
    let mut taken = BTreeSet::new();
    for (index, text) in ports.iter().enumerate() {
        let name = format!("ports[{index}]");
        let Some(entry) = Entry::parse(text) else {
            return Err(Refusal::new(
                format!("{name}: docker cannot publish {}", excerpt(text)),
                "write \"5432\" (loopback, random host port), \"5433:5432\" (loopback) or \"0.0.0.0:5433:5432\"",
            ));
        };
        let Some(host_port) = entry.host_port else {
            continue;
        };
        if replicas > 1 {
            return Err(Refusal::new(
                format!("{name}: {replicas} pods cannot share the host's port {host_port}"),
                format!(
                    "leave the host port out: \"{}\", or \"0.0.0.0::{}\" for a random public one",
                    entry.container_port, entry.container_port
                ),
            ));
        }
        if !taken.insert((entry.address, host_port, entry.protocol)) {
            return Err(Refusal::new(
                format!("{name}: the host's port {host_port} is already taken by an entry before"),
                "choose another host port",
            ));
        }
    }
    Ok(ports.to_vec())
}

/// `P`, `H:P`, `IP:H:P` or `IP::P`, and `/tcp` or `/udp` behind it.
struct Entry<'a> {
    address: &'a str,
    host_port: Option<u16>,
    container_port: u16,
    protocol: &'a str,
}

impl<'a> Entry<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let (text, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
        if !matches!(protocol, "tcp" | "udp" | "sctp") {
            return None;
        }
        let (rest, container_port) = text.rsplit_once(':').unwrap_or(("", text));
        let (address, host_port) = match rest.rsplit_once(':') {
            _ if rest.is_empty() && text.contains(':') => return None,
            None => ("127.0.0.1", rest),
            Some((address, host_port)) => (address, host_port),
        };
        let bare = address
            .strip_prefix('[')
            .and_then(|ip| ip.strip_suffix(']'));
        bare.unwrap_or(address).parse::<IpAddr>().ok()?;
        Some(Self {
            address,
            host_port: match host_port {
                "" => None,
                number => Some(port(number)?),
            },
            container_port: port(container_port)?,
            protocol,
        })
    }
}

fn port(text: &str) -> Option<u16> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|port| digits && *port > 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn ports_of(block: &Value, exposed: bool) -> Result<Vec<String>> {
        let block = block.as_object().unwrap();
        let cluster = ResourceRef::new("clowk-lp", "db")?;
        ports(block, &ClusterSpec::parse(block)?, exposed, &cluster)
    }

    #[test]
    fn our_ports() {
        assert_eq!(ports_of(&json!({}), false).unwrap(), ["5432"]);
        let exposed = ports_of(&json!({"port": 5433}), true).unwrap();
        assert_eq!(exposed, ["0.0.0.0:5433:5433"]);
        let refusal = ports_of(&json!({"replicas": 2}), true).unwrap_err();
        assert!(refusal.next().contains("vd pg:unexpose clowk-lp/db"));
    }

    #[test]
    fn the_operators_list_wins() {
        let given =
            json!({"ports": [5432, "0.0.0.0:5433:5432", "[::]:5434:5432", "5435:5432/tcp"]});
        let ports = ports_of(&given, true).unwrap();
        assert_eq!(
            ports,
            [
                "5432",
                "0.0.0.0:5433:5432",
                "[::]:5434:5432",
                "5435:5432/tcp"
            ]
        );
        assert!(ports_of(&json!({"ports": []}), false).unwrap().is_empty());
        let random = json!({"replicas": 3, "ports": ["5432", "0.0.0.0::5432"]});
        assert!(ports_of(&random, true).is_ok());
    }

    #[test]
    fn what_would_take_the_database_down_is_refused() {
        for entry in [
            "0.0.0.0:5432",
            "localhost:5432:5432",
            "5432:",
            ":5432",
            "",
            "a",
            "0",
            "70000",
            "5432/icmp",
            "1:2:3:4",
            "+5432",
            "5432 ",
            "5000-5010",
            "$(id)",
        ] {
            let refusal = ports_of(&json!({"ports": [entry]}), false).unwrap_err();
            assert!(refusal.to_string().starts_with("ports[0]:"), "{entry}");
        }
        assert!(ports_of(&json!({"ports": ["1:5432", "1:5433"]}), false).is_err());
        assert!(ports_of(&json!({"replicas": 2, "ports": ["5433:5432"]}), false).is_err());
        assert!(ports_of(&json!({"ports": "5432"}), false).is_err());
    }
}
