//! Jobs and cronjobs: one container per run, a short history, old containers collected.

mod history;

use std::collections::BTreeSet;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use crate::clock;
use crate::controller::Controller;
use crate::engine::{ContainerSpec, Labels};
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
    let job = Job::of(kind, manifest)?;
    store.update_status(kind, &job.id, |status| {
        status["image"] = Value::from(job.spec.image);
        if kind == Kind::Cronjob {
            status["schedule"] = manifest.spec["schedule"].clone();
        }
    })
}

/// A job, or the job inside a cronjob.
struct Job {
    kind: Kind,
    id: ResourceId,
    spec: PodSpec,
}

impl Job {
    fn of(kind: Kind, manifest: &Manifest) -> Result<Self> {
        let mut inner = manifest.clone();
        if kind == Kind::Cronjob {
            inner.spec = manifest.spec["job"].clone();
            for limit in ["successful_history_limit", "failed_history_limit"] {
                inner.spec[limit] = manifest.spec[limit].clone();
            }
            // The platform ignores labels here.
            inner.spec["labels"] = Value::Null;
        }
        let (id, mut spec) = (manifest.id(), PodSpec::decode(&inner)?);
        if spec.image.is_empty() {
            spec.image = format!("{}:latest", id.app_id());
        }
        Ok(Self { kind, id, spec })
    }

    /// The container of one run; its env file is written now.
    fn container(&self, controller: &Controller, run_id: &str) -> Result<ContainerSpec> {
        let (root, spec) = (&controller.root, &self.spec);
        let own = env::path(root, &self.id);
        env::write(
            &own,
            &env::merge(controller.store.bucket(&self.id), &spec.env),
        )?;
        let mut container = spec.container(Vec::new())?;
        container.name = self.id.container(run_id);
        container.labels = self.labels(run_id);
        container.env_files = env::files_from(root, &self.id.scope, &spec.env_from)?;
        container.env_files.push(own.to_string_lossy().into_owned());
        Ok(container)
    }

    fn labels(&self, run_id: &str) -> Labels {
        let mut all = labels(self.kind, &self.id, run_id);
        all.push(("voodu.created_at".to_owned(), clock::now()));
        all.push(("voodu.role".to_owned(), self.kind.to_string()));
        let own = self.spec.labels.iter();
        all.extend(
            own.filter(|(key, _)| !RESERVED_LABELS.contains(&key.as_str()))
                .map(|(key, value)| (key.clone(), value.clone())),
        );
        all
    }
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
        let job = Job::of(kind, &manifest)?;
        let mut run = Run::started(run_id());
        let container = job.container(self, &run.id)?;
        self.remember(&job, &run)?;
        match self.run_container(&container) {
            Ok(code) => run.finish(code),
            Err(error) => run.break_off(&format!("{error:#}")),
        }
        self.remember(&job, &run)?;
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

    fn remember(&self, job: &Job, run: &Run) -> Result<()> {
        let limits = Limits::of(&job.spec);
        self.store.update_status(job.kind, &job.id, |status| {
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
