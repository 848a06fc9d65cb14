//! The host ports that a container publishes, as `docker ps` prints them.

use std::ops::RangeInclusive;

/// A container and its TCP ports on the host, whatever the interface.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Published {
    pub(crate) container: String,
    pub(crate) ports: PortSet,
}

/// Ranges, because docker prints neighbours as one.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct PortSet(Vec<RangeInclusive<u16>>);

impl PortSet {
    /// Whether the port is one of them.
    pub(crate) fn contains(&self, port: u16) -> bool {
        self.0.iter().any(|range| range.contains(&port))
    }
}

/// Reads `name<TAB>0.0.0.0:5000-5001->80-81/tcp, :::5000->80/tcp, 5432/tcp`.
pub(super) fn published(line: &str) -> Option<Published> {
    let (container, list) = line.split_once('\t')?;
    let entries = list.split(", ").filter_map(|entry| entry.split_once("->"));
    let host = entries
        .filter(|(_, inside)| inside.ends_with("/tcp"))
        .map(|(outside, _)| range(outside.rsplit(':').next()?));
    Some(Published {
        container: container.to_owned(),
        ports: PortSet(host.collect::<Option<_>>()?),
    })
}

fn range(text: &str) -> Option<RangeInclusive<u16>> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    Some(first.parse().ok()?..=last.parse().ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_of_every_spelling() {
        let line = "x\t0.0.0.0:5000-5002->80-82/tcp, [::]:5000-5002->80-82/tcp, :::6000->1/tcp, 127.0.0.1:7000->1/udp, 5432/tcp";
        let ports = published(line).unwrap().ports;
        for (port, expected) in [
            (5000, true),
            (5002, true),
            (5003, false),
            (6000, true),
            (7000, false),
            (5432, false),
        ] {
            assert_eq!(ports.contains(port), expected, "{port}");
        }
        assert_eq!(published("x\t").unwrap().ports, PortSet(Vec::new()));
        assert_eq!(published("x"), None);
        assert_eq!(published("x\t0.0.0.0:y->1/tcp"), None);
    }
}
