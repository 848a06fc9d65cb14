//! Statefulsets: numbered pods with volumes, replaced from the highest number down, never
//! waiting for one to become ready.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use anyhow::{Result, bail};
use serde_json::{Value, json};

use super::pods::{self, PodPlan, owned_by};
use super::rollout::{self, Facts, Reason};
use crate::clock;
use crate::controller::Controller;
use crate::delete::Data;
use crate::engine::Container;
use crate::event::Event;
use crate::manifest::{Kind, Manifest, ResourceId};
use crate::refusal::Refusal;

const KEPT_RELEASES: usize = 10;

/// What deleting one pod did.
#[derive(Debug, Default, serde::Serialize)]
pub(crate) struct PodDeletion {
    #[serde(skip_serializing_if = "String::is_empty")]
    container_removed: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    volumes_removed: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<String>,
}

impl Controller {
    pub(super) fn reconcile_statefulset(self: &Arc<Self>, manifest: &Manifest) -> Result<()> {
        let mut plan = PodPlan::new(self, Kind::Statefulset, manifest)?;
        if plan.spec.image.is_empty() {
            bail!("{}: image is required", manifest.reference());
        }
        let env_changed = plan.write_env(self)?;
        let status = self.store.status(Kind::Statefulset, &plan.id);
        let previous = status.unwrap_or_default();
        let previous_hash = previous["spec_hash"].as_str();
        let live = self.pods(Kind::Statefulset, &plan.id)?;
        let same_spec = previous_hash == Some(&plan.hash);
        let image_changed = match live.first() {
            Some(pod) if same_spec => self
                .engine
                .image_changed(&pod.name, &plan.spec.image)
                .unwrap_or(false),
            _ => false,
        };
        let reason = rollout::decide(Facts {
            previous_hash,
            hash: &plan.hash,
            image_changed,
            env_changed,
        });
        let rescaled = previous["replicas"]
            .as_u64()
            .is_some_and(|replicas| replicas != u64::from(plan.spec.wanted()));
        let release = !same_spec || image_changed || rescaled;
        plan.release = release.then(pods::release_id);
        self.create_missing(&plan, &live)?;
        self.scale_down(&plan)?;
        self.roll_for(&plan, reason)?;
        self.finish(&plan, manifest)
    }

    fn create_missing(self: &Arc<Self>, plan: &PodPlan, live: &[Container]) -> Result<()> {
        let present: BTreeSet<u32> = live.iter().filter_map(Container::ordinal).collect();
        let frozen = self.store.frozen(&plan.id);
        let wanted = plan.spec.wanted();
        for ordinal in 0..wanted {
            if present.contains(&ordinal) || frozen.contains(&ordinal) {
                continue;
            }
            self.create_pod(plan, ordinal)?;
            self.record(Event::Created {
                container: plan.id.container(&ordinal.to_string()),
            });
            if ordinal + 1 < wanted {
                thread::sleep(self.pause);
            }
        }
        Ok(())
    }

    fn scale_down(&self, plan: &PodPlan) -> Result<()> {
        for pod in self.pods(Kind::Statefulset, &plan.id)? {
            if pod.ordinal().is_some_and(|n| n >= plan.spec.wanted()) {
                self.remove_container(&pod.name)?;
                self.record(Event::Removed {
                    container: pod.name,
                });
            }
        }
        Ok(())
    }

    /// A failed roll for a new spec is an error and tried again at the next event; one for a
    /// new environment is only logged, and lost.
    fn roll_for(self: &Arc<Self>, plan: &PodPlan, reason: Option<Reason>) -> Result<()> {
        match reason {
            None => Ok(()),
            Some(reason) => match self.roll(plan, reason) {
                Err(error) if reason == Reason::Environment => {
                    self.warn(&format!("{}: {error:#}", plan.id));
                    Ok(())
                }
                outcome => outcome,
            },
        }
    }

    fn roll(self: &Arc<Self>, plan: &PodPlan, reason: Reason) -> Result<()> {
        let frozen = self.store.frozen(&plan.id);
        let live = self.pods(Kind::Statefulset, &plan.id)?;
        let count = live.len();
        for (at, pod) in live.into_iter().enumerate() {
            let Some(ordinal) = pod.ordinal().filter(|n| !frozen.contains(n)) else {
                continue;
            };
            self.remove_container(&pod.name)?;
            self.create_pod(plan, ordinal)?;
            self.record(Event::Rolled {
                container: pod.name,
                reason: reason.to_string(),
            });
            if at + 1 < count {
                thread::sleep(self.pause);
            }
        }
        Ok(())
    }

    fn create_pod(self: &Arc<Self>, plan: &PodPlan, ordinal: u32) -> Result<()> {
        let mut mounts = Vec::new();
        for claim in &plan.spec.volume_claims {
            let volume = format!("voodu-{}-{}-{ordinal}", plan.id.app_id(), claim.name);
            let mut labels = vec![
                ("createdby".to_owned(), "voodu".to_owned()),
                ("voodu.kind".to_owned(), "statefulset".to_owned()),
                ("voodu.name".to_owned(), plan.id.name.clone()),
                ("voodu.replica_ordinal".to_owned(), ordinal.to_string()),
                ("voodu.claim".to_owned(), claim.name.clone()),
            ];
            if !plan.id.scope.is_empty() {
                labels.push(("voodu.scope".to_owned(), plan.id.scope.clone()));
            }
            self.engine.ensure_volume(&volume, &labels)?;
            mounts.push(format!("{volume}:{}", claim.mount_path));
        }
        plan.create(self, &ordinal.to_string(), &mounts)
    }

    fn finish(&self, plan: &PodPlan, manifest: &Manifest) -> Result<()> {
        let record = plan.release.as_ref().map(|id| {
            let now = clock::now();
            json!({"id": id, "spec_hash": plan.hash, "image": plan.spec.image,
                "status": "succeeded", "started_at": now, "ended_at": now,
                "spec_snapshot": manifest.spec})
        });
        self.store
            .update_status(Kind::Statefulset, &plan.id, |status| {
                status["image"] = Value::from(plan.spec.image.as_str());
                status["spec_hash"] = Value::from(plan.hash.as_str());
                status["replicas"] = Value::from(plan.spec.wanted());
                if let Some(record) = record {
                    let mut releases = status["releases"].as_array().cloned().unwrap_or_default();
                    releases.insert(0, record);
                    releases.truncate(KEPT_RELEASES);
                    status["releases"] = Value::Array(releases);
                }
            })
    }

    /// Replaces every existing pod, whatever it looks like.
    pub(crate) fn restart_statefulset(self: &Arc<Self>, manifest: &Manifest) -> Result<()> {
        let _turn = self.one_at_a_time();
        let plan = PodPlan::new(self, Kind::Statefulset, manifest)?;
        if self.pods(Kind::Statefulset, &plan.id)?.is_empty() {
            bail!(
                "statefulset/{} has no live replicas to restart",
                plan.id.app_id()
            );
        }
        plan.write_env(self)?;
        self.roll(&plan, Reason::Asked)
    }

    /// Removes one pod, its volumes too if asked, and reconciles the whole statefulset.
    pub(crate) fn delete_pod(
        self: &Arc<Self>,
        id: &ResourceId,
        ordinal: u32,
        data: Data,
    ) -> Result<PodDeletion, Refusal> {
        let manifest = self.store.get(Kind::Statefulset, id).ok_or_else(|| {
            Refusal::not_found(format!(
                "statefulset/{id} not found (per-pod delete is statefulset-only)"
            ))
        })?;
        let mut done = PodDeletion::default();
        let container = id.container(&ordinal.to_string());
        {
            let _turn = self.one_at_a_time();
            match self.remove_container(&container) {
                Ok(()) => done.container_removed = container,
                Err(error) => done.errors.push(format!("{error:#}")),
            }
            if data == Data::Prune {
                let (removed, errors) = self.remove_volumes(id, Some(ordinal));
                done.volumes_removed = removed;
                done.errors.extend(errors);
            }
        }
        self.reconcile(&manifest);
        let status = self.store.status(Kind::Statefulset, id).unwrap_or_default();
        if let Some(error) = status["last_reconcile_error"].as_str() {
            done.errors.push(error.to_owned());
        }
        Ok(done)
    }

    /// Removes the volumes of a statefulset or of one of its pods; answers those that are gone
    /// and what went wrong.
    pub(crate) fn remove_volumes(
        &self,
        id: &ResourceId,
        ordinal: Option<u32>,
    ) -> (Vec<String>, Vec<String>) {
        let ordinal = ordinal.map(|ordinal| ordinal.to_string());
        let mut filter = owned_by(Kind::Statefulset, id);
        if let Some(ordinal) = &ordinal {
            filter.push(("voodu.replica_ordinal", ordinal));
        }
        let (mut removed, mut errors) = (Vec::new(), Vec::new());
        let volumes = self.engine.volumes(&filter).unwrap_or_else(|error| {
            errors.push(format!("{error:#}"));
            Vec::new()
        });
        for volume in volumes {
            match self.remove_volume(&volume) {
                Ok(()) => removed.push(volume),
                Err(error) => errors.push(format!("{error:#}")),
            }
        }
        (removed, errors)
    }

    fn remove_volume(&self, volume: &str) -> Result<()> {
        const PAUSES: [u64; 3] = [50, 250, 1000];
        for pause in PAUSES {
            if self.engine.remove_volume(volume).is_ok() {
                return Ok(());
            }
            thread::sleep(Duration::from_millis(pause));
        }
        self.engine.remove_volume(volume)
    }
}
