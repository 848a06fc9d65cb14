//! Jobs and cronjobs: one container per run, a short history, old containers collected.

mod history;

use std::collections::BTreeSet;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use crate::clock;
use crate::controller::Controller;
use crate::engine::{ContainerSpec, Labels, Network};
use crate::env;
use crate::event::Event;
use crate::manifest::{Kind, Manifest, ResourceId};
use crate::reconcile::{PodSpec, labels, owned_by};
use crate::store::Store;

use history::Limits;
pub(crate) use history::Run;

const RESERVED_LABELS: [&str; 9] = [
    "createdby",
    "voodu.kind",
    "voodu.scope",
    "voodu.name",
    "voodu.replica_id",
    "voodu.manifest_hash",
    "voodu.created_at",
    "voodu.release_id",
    "voodu.replica_ordinal",
];

/// A fresh suffix for a run's container.
fn run_id() -> String {
    hex::encode(rand::random::<[u8; 2]>())
}

/// Notes in the status that a job exists; storing one does not run it.
pub(crate) fn register(store: &Store, kind: Kind, manifest: &Manifest) -> Result<()> {
    let (spec, schedule) = job_spec(kind, manifest)?;
    store.update_status(kind, &manifest.id(), |status| {
        status["image"] = Value::from(spec.image);
        if let Some(schedule) = schedule {
            status["schedule"] = schedule;
        }
    })
}

/// The spec of a job, or of the job inside a cronjob, and the cronjob's schedule.
fn job_spec(kind: Kind, manifest: &Manifest) -> Result<(PodSpec, Option<Value>)> {
    let mut inner = manifest.clone();
    let mut schedule = None;
    if kind == Kind::Cronjob {
        inner.spec = manifest.spec["job"].clone();
        for limit in ["successful_history_limit", "failed_history_limit"] {
            inner.spec[limit] = manifest.spec[limit].clone();
        }
        // The platform ignores labels here.
        inner.spec["labels"] = Value::Null;
        schedule = Some(manifest.spec["schedule"].clone());
    }
    let mut spec = PodSpec::decode(&inner)?;
    if spec.image.is_empty() {
        spec.image = format!("{}:latest", manifest.id().app_id());
    }
    Ok((spec, schedule))
}

impl Controller {
    /// Runs a stored job or cronjob to its end. A run that failed is an answer, not an error.
    pub(crate) fn run_to_end(self: &Arc<Self>, kind: Kind, id: &ResourceId) -> Result<Run> {
        let Some(manifest) = self.store.get(kind, id) else {
            bail!("{kind}/{} not found — apply it first", id.app_id());
        };
        if kind == Kind::Cronjob && manifest.spec["suspend"] == true {
            return Ok(Run::never());
        }
        let (spec, _) = job_spec(kind, &manifest)?;
        let limits = Limits::of(&spec);
        let mut run = Run::started(run_id());
        let container = self.job_container(kind, id, &spec, &run.id)?;
        self.remember(kind, id, &run, limits)?;
        match self.run_container(&container) {
            Ok(code) => run.finish(code),
            Err(error) => run.break_off(&format!("{error:#}")),
        }
        self.remember(kind, id, &run, limits)?;
        self.collect_old_runs(kind, id)?;
        self.record(Event::RunFinished {
            resource: manifest.reference(),
            run_id: run.id.clone(),
            exit_code: run.exit_code,
        });
        Ok(run)
    }

    fn run_container(&self, container: &ContainerSpec) -> Result<i32> {
        self.engine.run(container).context("spawn")?;
        self.engine.wait(&container.name)
    }

    fn job_container(
        &self,
        kind: Kind,
        id: &ResourceId,
        spec: &PodSpec,
        run_id: &str,
    ) -> Result<ContainerSpec> {
        let own = env::path(&self.root, id);
        env::write(&own, &env::merge(self.store.bucket(id), &spec.env))?;
        let mut env_files = env::files_from(&self.root, &id.scope, &spec.env_from)?;
        env_files.push(own.to_string_lossy().into_owned());
        let (cpus, memory) = PodSpec::limits(spec.resources.as_ref())?;
        let network = if spec.network_mode.is_empty() {
            Network::Bridges {
                networks: spec.networks.clone(),
                aliases: Vec::new(),
            }
        } else {
            Network::Mode(spec.network_mode.clone())
        };
        Ok(ContainerSpec {
            name: id.container(run_id),
            image: spec.image.clone(),
            command: spec.command.clone(),
            labels: job_labels(kind, id, spec, run_id),
            network,
            extra_hosts: spec.extra_hosts.clone(),
            cap_add: spec.cap_add.clone(),
            env_files,
            volumes: spec.volumes.clone(),
            ulimits: spec.ulimits.clone(),
            cpus,
            memory,
            log: spec.log(),
            docker_options: spec.docker_options.clone(),
            ..ContainerSpec::default()
        })
    }

    fn remember(&self, kind: Kind, id: &ResourceId, run: &Run, limits: Limits) -> Result<()> {
        self.store.update_status(kind, id, |status| {
            let history = history::with(&status["history"], run, limits);
            status["history"] = history;
            status["last_run"] = json!(run);
        })
    }

    /// Removes stopped containers of runs that the history no longer holds.
    fn collect_old_runs(&self, kind: Kind, id: &ResourceId) -> Result<()> {
        let status = self.store.status(kind, id).unwrap_or_default();
        let kept: BTreeSet<&str> = status["history"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|run| run["run_id"].as_str())
            .collect();
        for container in self.engine.containers(&owned_by(kind, id))? {
            let run_id = container.label("voodu.replica_id");
            if !container.running && !kept.contains(run_id) {
                self.remove_container(&container.name)?;
            }
        }
        Ok(())
    }
}

fn job_labels(kind: Kind, id: &ResourceId, spec: &PodSpec, run_id: &str) -> Labels {
    let mut all = labels(kind, id, run_id);
    all.push(("voodu.created_at".to_owned(), clock::now()));
    all.push(("voodu.role".to_owned(), kind.to_string()));
    let own = spec.labels.iter();
    all.extend(
        own.filter(|(key, _)| !RESERVED_LABELS.contains(&key.as_str()))
            .map(|(key, value)| (key.clone(), value.clone())),
    );
    all
}
