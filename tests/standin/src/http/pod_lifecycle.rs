//! Stopping and starting one pod by hand.

use std::sync::Arc;

use serde_json::json;

use super::pods::check_name;
use super::request::Request;
use super::{Answer, Reply};
use crate::controller::Controller;
use crate::manifest::{Kind, ResourceId};
use crate::refusal::Refusal;

/// Whose pod it is, and which one.
struct Identity {
    kind: Kind,
    id: ResourceId,
    ordinal: u32,
}

impl Identity {
    fn of(controller: &Controller, name: &str) -> Result<Self, Refusal> {
        let inspected = controller.engine.inspect(name)?.unwrap_or_default();
        let labels = &inspected["Config"]["Labels"];
        let label = |key: &str| labels[key].as_str().unwrap_or_default();
        let id = ResourceId::new(label("voodu.scope"), label("voodu.name"));
        let kind = Kind::exact(label("voodu.kind"));
        match (kind, label("voodu.replica_id").parse()) {
            (Some(kind), Ok(ordinal)) => Ok(Self { kind, id, ordinal }),
            _ => Err(Refusal::bad_request(format!(
                "pod {name:?} has no voodu identity (was it created by `vd apply`?); \
                 cannot persist freeze"
            ))),
        }
    }
}

/// Stops a pod and, unless told otherwise, keeps reconcile from touching it. Its probes go on.
pub(super) fn stop(controller: &Controller, request: &Request, name: &str) -> Answer {
    check_name(name)?;
    let freeze = !request.is_false("freeze");
    if freeze {
        let pod = Identity::of(controller, name)?;
        controller.engine.stop(name)?;
        controller
            .store
            .update_frozen(&pod.id, |frozen| frozen.insert(pod.ordinal))?;
    } else {
        controller.engine.stop(name)?;
    }
    Ok(Reply::Data(json!({"name": name, "freeze": freeze})))
}

/// Removes the container without ending its probes and lets reconcile create it again.
pub(super) fn start(controller: &Arc<Controller>, name: &str) -> Answer {
    check_name(name)?;
    let Ok(pod) = Identity::of(controller, name) else {
        controller.engine.start(name)?;
        return Ok(Reply::Data(
            json!({"name": name, "recreated": false, "unfroze": false}),
        ));
    };
    let unfroze = controller
        .store
        .update_frozen(&pod.id, |frozen| frozen.remove(&pod.ordinal))?;
    {
        let _turn = controller.one_at_a_time();
        controller.engine.stop(name)?;
        controller.engine.remove(name)?;
    }
    let Some(manifest) = controller.store.get(pod.kind, &pod.id) else {
        return Err(Refusal::new(
            410,
            format!(
                "manifest {}/{} no longer exists; container removed",
                pod.kind, pod.id
            ),
        ));
    };
    controller.put(manifest)?;
    Ok(Reply::Data(
        json!({"name": name, "recreated": true, "unfroze": unfroze}),
    ))
}
