//! Init containers: run to their end before each pod, with the pod's own mounts and env.

use std::sync::Arc;

use anyhow::{Context, Result, bail};

use super::pod_spec::{Init, PodSpec};
use super::pods::PodPlan;
use crate::controller::Controller;
use crate::engine::ContainerSpec;

impl PodPlan {
    /// Runs all init containers in order; the first that fails keeps the pod from starting.
    pub(super) fn run_inits(
        &self,
        controller: &Arc<Controller>,
        replica: &str,
        pod: &ContainerSpec,
    ) -> Result<()> {
        for init in &self.spec.inits {
            let container = self.init_container(init, replica, pod)?;
            let mut outcome = Ok(());
            for _ in 0..=init.retries {
                outcome = run(controller, &container);
                if outcome.is_ok() {
                    break;
                }
            }
            outcome.with_context(|| format!("init container {:?}", init.name))?;
        }
        Ok(())
    }

    fn init_container(
        &self,
        init: &Init,
        replica: &str,
        pod: &ContainerSpec,
    ) -> Result<ContainerSpec> {
        let mut container = pod.clone();
        container.name = format!("{}-init-{}-{replica}", self.id.app_id(), init.name);
        container.labels = self.labels(replica, "init");
        container.command.clone_from(&init.command);
        if !init.image.is_empty() {
            container.image.clone_from(&init.image);
        }
        if let Some(ulimits) = &init.ulimits {
            container.ulimits.clone_from(ulimits);
        }
        if let Some(options) = &init.docker_options {
            container.docker_options.clone_from(options);
        }
        (container.cpus, container.memory) = PodSpec::limits(init.resources.as_ref())?;
        container.tty = true;
        Ok(container)
    }
}

/// A failed one is left behind for its logs, carrying the pod's identity.
fn run(controller: &Arc<Controller>, container: &ContainerSpec) -> Result<()> {
    controller.remove_container(&container.name)?;
    controller.engine.run(container)?;
    match controller.engine.wait(&container.name)? {
        0 => controller.remove_container(&container.name),
        code => bail!("container exited {code}"),
    }
}
