//! The spec of a statefulset, deployment or job, decoded as strictly as the reconciler does:
//! a wrong type is an error here and nowhere earlier.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{ports, resources};
use crate::engine::{BRIDGE, ContainerSpec, Network};
use crate::manifest::Manifest;
use crate::probes::Probes;
use crate::store::Vars;
use crate::wire::wire;

wire! {
    /// What containers are made from.
    PodSpec {
        image: String,
        replicas: i64,
        command: Vec<String>,
        env: Vars,
        env_from: Vec<String>,
        ports: Vec<String>,
        volumes: Vec<String>,
        volume_claims: Vec<VolumeClaim>,
        network: String,
        networks: Vec<String>,
        network_mode: String,
        restart: String,
        probes: Option<Probes>,
        resources: Option<Resources>,
        logs: Option<Logs>,
        extra_hosts: Vec<String>,
        cap_add: Vec<String>,
        build_args: Vars,
        ulimits: Vars,
        docker_options: Vec<String>,
        inits: Vec<Init>,
        labels: Vars,
        successful_history_limit: i64,
        failed_history_limit: i64,
        #[serde(rename = "_asset_digests")]
        asset_digests: BTreeMap<String, String>,
    }
}

wire! {
    /// A volume per pod.
    VolumeClaim { name: String, mount_path: String, size: String, }
}

wire! {
    /// Limits of cpu and memory.
    Resources { limits: Option<Limits>, }
}

wire! {
    /// The limits themselves, in the spec's spelling.
    Limits { cpu: String, memory: String, }
}

wire! {
    /// How much log is kept.
    Logs { max_size: String, max_files: i64, }
}

wire! {
    /// A container that runs before each pod.
    Init {
        name: String,
        image: String,
        command: Vec<String>,
        timeout: String,
        retries: u32,
        resources: Option<Resources>,
        ulimits: Option<Vars>,
        docker_options: Option<Vec<String>>,
    }
}

impl PodSpec {
    /// Decodes a manifest's spec and fills in the platform's defaults.
    pub(crate) fn decode(manifest: &Manifest) -> Result<Self> {
        let kind = &manifest.kind;
        let mut spec: Self = serde_json::from_value(manifest.spec.clone())
            .with_context(|| format!("decode {kind} spec"))?;
        spec.apply_network_defaults()
            .with_context(|| manifest.reference())?;
        for port in &mut spec.ports {
            *port = ports::normalise(port);
        }
        for claim in &spec.volume_claims {
            if claim.name.is_empty() || claim.mount_path.is_empty() {
                bail!(
                    "{}: volume claims need name and mount_path",
                    manifest.reference()
                );
            }
        }
        Ok(spec)
    }

    fn apply_network_defaults(&mut self) -> Result<()> {
        match self.network_mode.as_str() {
            "" => {
                if self.networks.is_empty() && !self.network.is_empty() {
                    self.networks.push(self.network.clone());
                }
                if !self.networks.iter().any(|network| network == BRIDGE) {
                    self.networks.push(BRIDGE.to_owned());
                }
                Ok(())
            }
            "host" | "none" if self.networks.is_empty() && self.network.is_empty() => Ok(()),
            mode @ ("host" | "none") => {
                bail!("network_mode={mode:?} is mutually exclusive with network/networks")
            }
            mode => bail!("network_mode={mode:?} not supported"),
        }
    }

    /// How many pods are wanted.
    pub(crate) fn wanted(&self) -> u32 {
        u32::try_from(self.replicas).unwrap_or(0).max(1)
    }

    /// Docker's `--cpus` and `--memory`.
    pub(crate) fn limits(resources: Option<&Resources>) -> Result<(String, Option<u64>)> {
        let limits = resources.and_then(|resources| resources.limits.clone());
        let limits = limits.unwrap_or_default();
        Ok((
            resources::cpus(&limits.cpu)?,
            resources::memory(&limits.memory)?,
        ))
    }

    /// The container that follows from the spec alone: no name, labels, env or ports yet.
    pub(crate) fn container(&self, aliases: Vec<String>) -> Result<ContainerSpec> {
        let (cpus, memory) = Self::limits(self.resources.as_ref())?;
        let network = if self.network_mode.is_empty() {
            Network::Bridges {
                networks: self.networks.clone(),
                aliases,
            }
        } else {
            Network::Mode(self.network_mode.clone())
        };
        Ok(ContainerSpec {
            image: self.image.clone(),
            command: self.command.clone(),
            network,
            extra_hosts: self.extra_hosts.clone(),
            cap_add: self.cap_add.clone(),
            volumes: self.volumes.clone(),
            ulimits: self.ulimits.clone(),
            cpus,
            memory,
            log: self.log(),
            docker_options: self.docker_options.clone(),
            ..ContainerSpec::default()
        })
    }

    /// Size and number of log files.
    fn log(&self) -> (String, u32) {
        let logs = self.logs.clone().unwrap_or_default();
        let size = if logs.max_size.is_empty() {
            "10m".to_owned()
        } else {
            logs.max_size
        };
        let files = u32::try_from(logs.max_files).unwrap_or(0);
        (size, if files == 0 { 3 } else { files })
    }

    /// The hash whose change replaces every pod: what a container is made of, asset digests
    /// included, before asset paths are filled in.
    pub(crate) fn hash(&self) -> String {
        let sorted = |list: &[String]| {
            let mut list = list.to_vec();
            list.sort();
            list
        };
        let mut claims = self.volume_claims.clone();
        claims.sort_by(|a, b| a.name.cmp(&b.name));
        let hashed: Value = json!({
            "image": self.image, "command": self.command, "ports": self.ports,
            "volumes": self.volumes, "env": self.env, "networks": sorted(&self.networks),
            "network_mode": self.network_mode, "restart": self.restart,
            "extra_hosts": sorted(&self.extra_hosts), "cap_add": sorted(&self.cap_add),
            "build_args": self.build_args, "ulimits": self.ulimits,
            "docker_options": self.docker_options, "resources": self.resources,
            "logs": self.logs, "volume_claims": claims, "inits": self.inits,
            "probes": self.probes, "assets": self.asset_digests,
        });
        hex::encode(Sha256::digest(hashed.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(spec: Value) -> Result<PodSpec> {
        PodSpec::decode(&Manifest {
            kind: "statefulset".to_owned(),
            scope: "s".to_owned(),
            name: "db".to_owned(),
            spec,
            metadata: None,
        })
    }

    #[test]
    fn wrong_types_are_refused_by_the_reconciler() {
        for spec in [
            json!({"ports": [5432]}),
            json!({"resources": {"limits": {"cpu": 2}}}),
            json!({"probes": {"liveness": {"tcp_socket": {"port": "5432"}}}}),
            json!({"replicas": 1.5}),
            json!({"env": {"A": 1}}),
        ] {
            let error = decode(spec.clone()).unwrap_err();
            assert_eq!(error.to_string(), "decode statefulset spec", "{spec}");
        }
        assert!(decode(json!({"ports": null, "unknown": 1})).is_ok());
    }

    #[test]
    fn networks_always_include_the_bridge() {
        assert_eq!(decode(json!({})).unwrap().networks, ["voodu0"]);
        let own = decode(json!({"network": "mine"})).unwrap();
        assert_eq!(own.networks, ["mine", "voodu0"]);
        assert!(decode(json!({"network_mode": "host", "network": "mine"})).is_err());
        assert!(decode(json!({"network_mode": "container:x"})).is_err());
    }

    #[test]
    fn the_hash_covers_what_a_pod_is_made_of_and_nothing_else() {
        let hash = |spec| decode(spec).unwrap().hash();
        let base = json!({"image": "a", "env": {"A": "1"}});
        for (key, value) in [
            ("replicas", json!(3)),
            ("env_from", json!(["x"])),
            ("health_check", json!("x")),
            ("labels", json!({"a": "b"})),
        ] {
            let mut other = base.clone();
            other[key] = value;
            assert_eq!(hash(base.clone()), hash(other), "{key}");
        }
        for (key, value) in [
            ("image", json!("b")),
            ("env", json!({"A": "2"})),
            ("ports", json!(["1"])),
            ("volumes", json!(["a:b"])),
            ("docker_options", json!(["--init"])),
            ("probes", json!({})),
            ("_asset_digests", json!({"a.b": "c"})),
        ] {
            let mut other = base.clone();
            other[key] = value;
            assert_ne!(hash(base.clone()), hash(other), "{key}");
        }
    }

    #[test]
    fn defaults_of_logs_and_replicas() {
        let spec = decode(json!({"replicas": 0, "logs": {"max_files": 5}})).unwrap();
        assert_eq!((spec.log(), spec.wanted()), (("10m".to_owned(), 5), 1));
    }
}
