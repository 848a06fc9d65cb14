//! Deployments, as far as a consumer of a database needs them: numbered containers that are
//! replaced when their spec or environment changed.

use std::sync::Arc;

use anyhow::Result;
use serde_json::Value;

use super::pods::{self, PodPlan};
use super::rollout::{self, Facts, Reason};
use crate::controller::Controller;
use crate::event::Event;
use crate::manifest::{Kind, Manifest};

impl Controller {
    pub(super) fn reconcile_deployment(self: &Arc<Self>, manifest: &Manifest) -> Result<()> {
        let mut plan = PodPlan::new(self, Kind::Deployment, manifest)?;
        if plan.spec.image.is_empty() {
            plan.spec.image = format!("{}:latest", plan.id.app_id());
        }
        let env_changed = plan.write_env(self)?;
        let status = self
            .store
            .status(Kind::Deployment, &plan.id)
            .unwrap_or_default();
        if status["spec_hash"].as_str() != Some(&plan.hash) {
            plan.release = Some(pods::release_id());
        }
        let reason = rollout::decide(Facts {
            previous_hash: status["spec_hash"].as_str(),
            hash: &plan.hash,
            image_changed: false,
            env_changed,
        });
        self.replace_replicas(&plan, reason)?;
        self.store
            .update_status(Kind::Deployment, &plan.id, |status| {
                status["image"] = Value::from(plan.spec.image.as_str());
                status["spec_hash"] = Value::from(plan.hash.as_str());
                status["replicas"] = Value::from(plan.spec.wanted());
            })
    }

    /// Replaces every replica of a deployment.
    pub(crate) fn restart_deployment(self: &Arc<Self>, manifest: &Manifest) -> Result<()> {
        let _turn = self.one_at_a_time();
        let plan = PodPlan::new(self, Kind::Deployment, manifest)?;
        plan.write_env(self)?;
        self.replace_replicas(&plan, Some(Reason::Asked))
    }

    fn replace_replicas(self: &Arc<Self>, plan: &PodPlan, reason: Option<Reason>) -> Result<()> {
        let wanted: Vec<String> = (0..plan.spec.wanted()).map(|n| n.to_string()).collect();
        let live = self.pods(Kind::Deployment, &plan.id)?;
        for pod in &live {
            if !wanted.iter().any(|n| pod.label("voodu.replica_id") == n) {
                self.remove_container(&pod.name)?;
                self.record(Event::Removed {
                    container: pod.name.clone(),
                });
            }
        }
        for replica in &wanted {
            let container = plan.id.container(replica);
            let exists = live.iter().any(|pod| pod.name == container);
            match (exists, reason) {
                (false, _) => {
                    plan.create(self, replica, &[])?;
                    self.record(Event::Created { container });
                }
                (true, Some(reason)) => {
                    self.remove_container(&container)?;
                    plan.create(self, replica, &[])?;
                    let reason = reason.to_string();
                    self.record(Event::Rolled { container, reason });
                }
                (true, None) => {}
            }
        }
        Ok(())
    }
}
