//! From a decoded spec to the container of one pod.

use std::sync::Arc;

use anyhow::Result;

use super::pod_spec::PodSpec;
use crate::assets;
use crate::clock;
use crate::controller::Controller;
use crate::engine::{Container, Labels};
use crate::env;
use crate::event::Event;
use crate::manifest::{Kind, Manifest, ResourceId};
use crate::store::Vars;

/// The address containers are told; nothing listens there on the platform's default either.
const CONTROLLER_URL: &str = "http://host.docker.internal:8686";

/// Everything the pods of one resource share.
pub(super) struct PodPlan {
    pub(super) kind: Kind,
    pub(super) id: ResourceId,
    pub(super) spec: PodSpec,
    pub(super) hash: String,
    pub(super) release: Option<String>,
    pub(super) env_files: Vec<String>,
}

/// A fresh name for a release.
pub(super) fn release_id() -> String {
    hex::encode(rand::random::<[u8; 4]>())
}

/// The labels every managed container starts with.
pub(crate) fn labels(kind: Kind, id: &ResourceId, replica: &str) -> Labels {
    let mut labels = Labels::new();
    let mut label = |key: &str, value: &str| {
        if !value.is_empty() {
            labels.push((key.to_owned(), value.to_owned()));
        }
    };
    label("createdby", "voodu");
    label("voodu.kind", kind.as_str());
    label("voodu.scope", &id.scope);
    label("voodu.name", &id.name);
    label("voodu.replica_id", replica);
    labels
}

/// The label filter that finds a resource's containers.
pub(crate) fn owned_by(kind: Kind, id: &ResourceId) -> Vec<(&'static str, &str)> {
    let mut filter = vec![
        ("voodu.kind", kind.as_str()),
        ("voodu.name", id.name.as_str()),
    ];
    if !id.scope.is_empty() {
        filter.push(("voodu.scope", id.scope.as_str()));
    }
    filter
}

impl PodPlan {
    /// Decodes a manifest and fills in asset paths and env files; the hash is taken before.
    pub(super) fn new(controller: &Controller, kind: Kind, manifest: &Manifest) -> Result<Self> {
        let id = manifest.id();
        let mut spec = PodSpec::decode(manifest)?;
        if spec.restart.is_empty() {
            "unless-stopped".clone_into(&mut spec.restart);
        }
        if spec.asset_digests.is_empty() {
            spec.asset_digests = assets::digests(&controller.store, &manifest.spec)?;
        }
        let hash = spec.hash();
        resolve_assets(controller, &mut spec)?;
        let mut env_files = env::files_from(&controller.root, &id.scope, &spec.env_from)?;
        let own = env::path(&controller.root, &id);
        env_files.push(own.to_string_lossy().into_owned());
        Ok(Self {
            kind,
            id,
            spec,
            hash,
            release: None,
            env_files,
        })
    }

    /// Writes the merged environment; says whether it changed.
    pub(super) fn write_env(&self, controller: &Controller) -> Result<bool> {
        let merged = env::merge(controller.store.bucket(&self.id), &self.spec.env);
        let resolved = merged
            .into_iter()
            .map(|(key, value)| {
                let value = assets::resolve(&controller.root, &controller.store, &value)?;
                Ok((key, value))
            })
            .collect::<Result<Vars>>()?;
        env::write(&env::path(&controller.root, &self.id), &resolved)
    }

    /// The labels of a pod, or of a container that runs before it: that one carries the pod's
    /// identity, no release, and an ordinal that is always 0.
    pub(super) fn labels(&self, replica: &str, role: &str) -> Labels {
        let of_pod = role == self.kind.as_str();
        let mut labels = labels(self.kind, &self.id, replica);
        let mut label = |key: &str, value: &str| labels.push((key.to_owned(), value.to_owned()));
        label("voodu.manifest_hash", &self.hash);
        label("voodu.created_at", &clock::now());
        if let Some(release) = self.release.as_ref().filter(|_| of_pod) {
            label("voodu.release_id", release);
        }
        if self.kind == Kind::Statefulset {
            label("voodu.replica_ordinal", if of_pod { replica } else { "0" });
        }
        label("voodu.role", role);
        labels
    }

    /// Runs the init containers, then the pod itself, then its probes.
    pub(super) fn create(
        &self,
        controller: &Arc<Controller>,
        replica: &str,
        claims: &[String],
    ) -> Result<()> {
        let mut container = self.spec.container(self.aliases(replica))?;
        container.name = self.id.container(replica);
        container.env_files.clone_from(&self.env_files);
        container.env = self.env(replica);
        container.volumes.extend(claims.iter().cloned());
        self.run_inits(controller, replica, &container)?;
        container.labels = self.labels(replica, self.kind.as_str());
        container.restart.clone_from(&self.spec.restart);
        container.ports.clone_from(&self.spec.ports);
        controller.engine.run(&container)?;
        if let (true, Some(probes)) = (controller.probing, &self.spec.probes) {
            let pod = (&self.id, container.name.as_str());
            controller.runners.start(controller, pod, probes);
        }
        Ok(())
    }

    fn aliases(&self, replica: &str) -> Vec<String> {
        let (scope, name) = (self.id.scope.to_lowercase(), self.id.name.to_lowercase());
        let names = match self.kind {
            Kind::Statefulset => vec![format!("{name}-{replica}"), name],
            _ => vec![name],
        };
        let dns = |name: String| {
            let full = if scope.is_empty() {
                name
            } else {
                format!("{name}.{scope}")
            };
            [full.clone(), format!("{full}.voodu")]
        };
        names.into_iter().flat_map(dns).collect()
    }

    fn env(&self, replica: &str) -> Vars {
        let mut env = Vars::new();
        let mut set = |key: &str, value: &str| env.insert(key.to_owned(), value.to_owned());
        set("VOODU_SCOPE", &self.id.scope);
        set("VOODU_NAME", &self.id.name);
        if self.kind == Kind::Statefulset {
            set("VOODU_CONTROLLER_URL", CONTROLLER_URL);
            set("VOODU_REPLICA_ORDINAL", replica);
            set("VOODU_REPLICA_ID", replica);
        }
        env.extend(self.spec.env.clone());
        env
    }
}

fn resolve_assets(controller: &Controller, spec: &mut PodSpec) -> Result<()> {
    let texts = std::iter::once(&mut spec.image)
        .chain(&mut spec.command)
        .chain(&mut spec.volumes)
        .chain(&mut spec.ports)
        .chain(spec.env.values_mut());
    for text in texts {
        *text = assets::resolve(&controller.root, &controller.store, text)?;
    }
    Ok(())
}

impl Controller {
    /// A resource's containers, highest ordinal first.
    pub(crate) fn pods(&self, kind: Kind, id: &ResourceId) -> Result<Vec<Container>> {
        let mut pods = self.engine.containers(&owned_by(kind, id))?;
        pods.retain(|pod| pod.label("voodu.scope") == id.scope);
        pods.sort_by(|a, b| b.ordinal().cmp(&a.ordinal()).then(b.name.cmp(&a.name)));
        Ok(pods)
    }

    /// Ends a pod's probes, stops it, removes it.
    pub(crate) fn remove_container(&self, name: &str) -> Result<()> {
        self.runners.stop(name);
        if self.engine.inspect(name)?.is_none() {
            return Ok(());
        }
        self.engine.stop(name)?;
        self.engine.remove(name)
    }

    /// Removes every container of a resource, highest ordinal first.
    pub(super) fn remove_containers(&self, kind: Kind, id: &ResourceId) -> Result<()> {
        for pod in self.pods(kind, id)? {
            self.remove_container(&pod.name)?;
            self.record(Event::Removed {
                container: pod.name,
            });
        }
        Ok(())
    }
}
