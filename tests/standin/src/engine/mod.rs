//! What runs containers, behind one trait: docker itself, or a memory that only keeps track.
//! Knows containers, volumes and labels; nothing about manifests.

mod docker;
mod memory;
mod run_args;

use std::collections::BTreeMap;

use anyhow::Result;

pub use docker::DockerEngine;
pub use memory::MemoryEngine;
pub use run_args::{ContainerSpec, FileLimit, Network};

/// The bridge every managed container joins.
pub const BRIDGE: &str = "voodu0";

/// Labels as written on containers and volumes.
pub type Labels = Vec<(String, String)>;

/// A container as `docker ps -a` knows it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Container {
    /// Its name.
    pub name: String,
    /// The image it was created from.
    pub image: String,
    /// Whether its process is alive.
    pub running: bool,
    /// Docker's words, for instance `Up 3 minutes`.
    pub status: String,
    /// The platform's labels.
    pub labels: BTreeMap<String, String>,
}

impl Container {
    /// One label's value, empty when absent.
    pub fn label(&self, key: &str) -> &str {
        self.labels.get(key).map_or("", String::as_str)
    }

    /// The number of a statefulset's pod.
    pub fn ordinal(&self) -> Option<u32> {
        self.label("voodu.replica_id").parse().ok()
    }
}

/// The container runtime.
pub trait Engine: Send + Sync {
    /// Creates and starts a container; the one thing that must look exactly like the platform.
    fn run(&self, spec: &ContainerSpec) -> Result<()>;

    /// Every container, running or not, that carries all of these labels.
    fn containers(&self, labels: &[(&str, &str)]) -> Result<Vec<Container>>;

    /// `docker inspect` of one container, or nothing when there is none.
    fn inspect(&self, name: &str) -> Result<Option<serde_json::Value>>;

    /// Stops with the container's own grace period.
    fn stop(&self, name: &str) -> Result<()>;

    /// Starts a stopped container with the env of its creation.
    fn start(&self, name: &str) -> Result<()>;

    /// Stops and starts, also a stopped container.
    fn restart(&self, name: &str) -> Result<()>;

    /// Removes a container, forcibly.
    fn remove(&self, name: &str) -> Result<()>;

    /// Removes a container at once, with the volumes that have no name.
    fn discard(&self, name: &str) -> Result<()>;

    /// Waits for the end of a container and answers its exit code.
    fn wait(&self, name: &str) -> Result<i32>;

    /// Runs a command inside; whether it exited with 0.
    fn exec(&self, name: &str, command: &[String]) -> Result<bool>;

    /// Stdout and stderr so far, all of it or the last lines.
    fn logs(&self, name: &str, tail: Option<&str>) -> Result<String>;

    /// Creates a volume unless it exists; existing labels are never updated.
    fn ensure_volume(&self, name: &str, labels: &Labels) -> Result<()>;

    /// The names of all volumes that carry these labels.
    fn volumes(&self, labels: &[(&str, &str)]) -> Result<Vec<String>>;

    /// Removes a volume.
    fn remove_volume(&self, name: &str) -> Result<()>;

    /// Whether the image's tag now means another image than the container was made from.
    fn image_changed(&self, container: &str, image: &str) -> Result<bool>;
}
