//! The `docker run` line, flag for flag in the platform's order.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{BRIDGE, Labels};

/// Everything a container is made of.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContainerSpec {
    /// The container's name.
    pub name: String,
    /// The image.
    pub image: String,
    /// What follows the image.
    pub command: Vec<String>,
    /// In the order they are written.
    pub labels: Labels,
    /// No `--restart` when empty.
    pub restart: String,
    /// How it is connected.
    pub network: Network,
    /// More `--add-host` after the platform's own.
    pub extra_hosts: Vec<String>,
    /// Capabilities to add.
    pub cap_add: Vec<String>,
    /// Already normalised.
    pub ports: Vec<String>,
    /// In order; the last one wins.
    pub env_files: Vec<String>,
    /// Written sorted, as `-e`.
    pub env: BTreeMap<String, String>,
    /// In order.
    pub volumes: Vec<String>,
    /// Overrides of the platform's defaults.
    pub ulimits: BTreeMap<String, String>,
    /// Docker's `--cpus`, or empty.
    pub cpus: String,
    /// Bytes, or nothing.
    pub memory: Option<u64>,
    /// `max-size` and `max-file` of the log.
    pub log: (String, u32),
    /// Whether a terminal is allocated.
    pub tty: bool,
    /// Raw arguments before the image.
    pub docker_options: Vec<String>,
}

/// The networks of a container.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Network {
    /// Bridges, the platform's own among them, and the names on them.
    Bridges {
        /// The first is joined by `docker run`, the others afterwards.
        networks: Vec<String>,
        /// Names other containers can use.
        aliases: Vec<String>,
    },
    /// `host` or `none`.
    Mode(String),
}

impl Default for Network {
    fn default() -> Self {
        Self::Bridges {
            networks: vec![BRIDGE.to_owned()],
            aliases: Vec::new(),
        }
    }
}

/// The machine's hard limit of open files; docker refuses a `nofile` above it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileLimit(pub u64);

impl FileLimit {
    /// No limit at all.
    pub const NONE: Self = Self(u64::MAX);

    /// Reads the limit this process runs under.
    pub fn of_this_machine() -> Self {
        let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
        Self::from_limits(&limits)
    }

    fn from_limits(text: &str) -> Self {
        let hard = text
            .lines()
            .find_map(|line| line.strip_prefix("Max open files"))
            .and_then(|rest| rest.split_whitespace().nth(1))
            .and_then(|hard| hard.parse().ok());
        hard.map_or(Self::NONE, Self)
    }

    fn cap(self, limit: &str) -> String {
        let cap = |part: &str| match part.parse::<u64>() {
            Ok(number) => number.min(self.0).to_string(),
            Err(_) => part.to_owned(),
        };
        limit.split(':').map(cap).collect::<Vec<_>>().join(":")
    }
}

impl ContainerSpec {
    /// The arguments of `docker` that create this container.
    pub fn run_args(&self, limit: FileLimit) -> Vec<String> {
        let mut args = Arguments::default();
        args.words(&["run", "-d", "--name", &self.name]);
        for (key, value) in &self.labels {
            args.pair("--label", format!("{key}={value}"));
        }
        if !self.restart.is_empty() {
            args.pair("--restart", &self.restart);
        }
        self.network_args(&mut args);
        for file in &self.env_files {
            args.pair("--env-file", file);
        }
        for (key, value) in &self.env {
            args.pair("-e", format!("{key}={value}"));
        }
        for volume in &self.volumes {
            args.pair("-v", volume);
        }
        for (name, value) in self.effective_ulimits(limit) {
            args.pair("--ulimit", format!("{name}={value}"));
        }
        self.resource_args(&mut args);
        args.0.extend(filled(&self.docker_options).cloned());
        args.0.push(self.image.clone());
        args.0.extend(self.command.iter().cloned());
        args.0
    }

    /// The `docker network connect` calls that follow `docker run`.
    pub fn connect_args(&self) -> Vec<Vec<String>> {
        let Network::Bridges { networks, aliases } = &self.network else {
            return Vec::new();
        };
        let connect = |network: &String| {
            let mut args = Arguments::default();
            args.words(&["network", "connect"]);
            for alias in aliases {
                args.pair("--alias", alias);
            }
            args.words(&[network, &self.name]);
            args.0
        };
        networks.iter().skip(1).map(connect).collect()
    }

    fn network_args(&self, args: &mut Arguments) {
        if let Network::Bridges { .. } = self.network {
            args.pair("--add-host", "host.docker.internal:host-gateway");
            for host in filled(&self.extra_hosts) {
                args.pair("--add-host", host);
            }
        }
        for capability in filled(&self.cap_add) {
            args.pair("--cap-add", capability);
        }
        match &self.network {
            Network::Mode(mode) => args.pair("--network", mode),
            Network::Bridges { networks, aliases } => {
                if let Some(first) = networks.first() {
                    args.pair("--network", first);
                }
                for alias in aliases {
                    args.pair("--network-alias", alias);
                }
                for port in &self.ports {
                    args.pair("-p", port);
                }
            }
        }
    }

    fn effective_ulimits(&self, limit: FileLimit) -> BTreeMap<String, String> {
        let mut ulimits = BTreeMap::from([
            ("nofile".to_owned(), "65536:65536".to_owned()),
            ("nproc".to_owned(), "4096:4096".to_owned()),
        ]);
        ulimits.extend(self.ulimits.clone());
        if let Some(nofile) = ulimits.get_mut("nofile") {
            *nofile = limit.cap(nofile);
        }
        ulimits
    }

    fn resource_args(&self, args: &mut Arguments) {
        if !self.cpus.is_empty() {
            args.pair("--cpus", &self.cpus);
        }
        if let Some(bytes) = self.memory {
            args.pair("--memory", bytes.to_string());
        }
        let (size, files) = &self.log;
        if !size.is_empty() && *files > 0 {
            args.pair("--log-opt", format!("max-size={size}"));
            args.pair("--log-opt", format!("max-file={files}"));
        }
        if self.tty {
            args.words(&["-t"]);
        }
    }
}

fn filled(texts: &[String]) -> impl Iterator<Item = &String> {
    texts.iter().filter(|text| !text.is_empty())
}

#[derive(Default)]
struct Arguments(Vec<String>);

impl Arguments {
    fn words(&mut self, words: &[&str]) {
        self.0.extend(words.iter().map(ToString::to_string));
    }

    fn pair(&mut self, flag: &str, value: impl Into<String>) {
        self.0.push(flag.to_owned());
        self.0.push(value.into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nofile_is_capped_to_the_hard_limit() {
        let limits = "Limit  Soft Limit Hard Limit Units\nMax open files  1024  20000  files\n";
        let limit = FileLimit::from_limits(limits);
        assert_eq!(limit, FileLimit(20000));
        assert_eq!(limit.cap("65536:65536"), "20000:20000");
        assert_eq!(limit.cap("1024:65536"), "1024:20000");
        assert_eq!(FileLimit::from_limits(""), FileLimit::NONE);
    }

    #[test]
    fn further_networks_are_connected_afterwards() {
        let spec = ContainerSpec {
            name: "c".to_owned(),
            network: Network::Bridges {
                networks: vec!["mine".to_owned(), BRIDGE.to_owned()],
                aliases: vec!["db.s".to_owned()],
            },
            ..ContainerSpec::default()
        };
        assert_eq!(
            spec.connect_args(),
            [["network", "connect", "--alias", "db.s", "voodu0", "c"]]
        );
        assert!(
            spec.run_args(FileLimit::NONE)
                .join(" ")
                .contains("--network mine")
        );
    }

    #[test]
    fn the_host_network_has_no_aliases_ports_or_hosts() {
        let spec = ContainerSpec {
            name: "c".to_owned(),
            image: "i".to_owned(),
            network: Network::Mode("host".to_owned()),
            ports: vec!["1:1".to_owned()],
            extra_hosts: vec!["a:b".to_owned()],
            ..ContainerSpec::default()
        };
        assert_eq!(
            spec.run_args(FileLimit::NONE).join(" "),
            "run -d --name c --network host --ulimit nofile=65536:65536 --ulimit nproc=4096:4096 i"
        );
    }
}
