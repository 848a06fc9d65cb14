//! From a `postgres` block to an asset, a statefulset and the first apply's config. Pure: the same
//! request, surroundings and random bytes give the same reply, byte for byte.

mod assets;
mod blocks;
mod checks;
mod docker_options;
mod env;
mod image;
mod inits;
mod mounts;
mod on_probe;
mod passthrough;
mod ports;
mod probes;
mod scale;
mod secrets;
mod shape;
mod templates;

use std::path::PathBuf;

use anyhow::Context as _;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::model::bucket::Bucket;
use crate::model::cluster_spec::ClusterSpec;
use crate::model::refusal::Result;
use crate::model::resource_ref::ResourceRef;
use crate::wire::action::Action;
use crate::wire::expand_request::ExpandRequest;
use crate::wire::manifest::Manifest;
use env::Identity;
use mounts::Mounts;
pub(crate) use scale::ReadRecord;
pub(crate) use secrets::Fresh;
use secrets::Kept;
pub(crate) use templates::defaults_text;

/// What `expand` needs besides the request.
pub(crate) struct Surroundings<'a> {
    pub(crate) backups_root: PathBuf,
    pub(crate) read_record: ReadRecord<'a>,
    pub(crate) fresh: Fresh,
}

/// The reply's `data`.
#[derive(Debug, Serialize)]
pub(crate) struct Expansion {
    manifests: [Manifest; 2],
    actions: Vec<Action>,
}

/// Expands a request. A refusal changes nothing.
pub(crate) fn expand(
    request: &ExpandRequest,
    surroundings: &Surroundings<'_>,
) -> anyhow::Result<Expansion> {
    let cluster = ResourceRef::new(&request.scope, &request.name)?;
    let way_out = format!("to delete the cluster, vd delete {cluster} works without the file");
    let planned = plan(request, &cluster, surroundings);
    let plan = planned.map_err(|refusal| refusal.or(&way_out))?;
    let asset = assets::spec(&plan.spec).context("render the pods' files")?;
    let (scope, name) = (cluster.scope(), cluster.name());
    Ok(Expansion {
        manifests: [
            Manifest::asset(scope, name, asset),
            Manifest::statefulset(scope, name, Value::Object(plan.statefulset)),
        ],
        actions: plan.actions,
    })
}

struct Plan {
    spec: ClusterSpec,
    statefulset: Map<String, Value>,
    actions: Vec<Action>,
}

/// Every check, in a fixed order, so that of several wrong fields the same one is named each time.
fn plan(
    request: &ExpandRequest,
    cluster: &ResourceRef,
    surroundings: &Surroundings<'_>,
) -> Result<Plan> {
    let block = &request.spec;
    passthrough::refuse_unknown(block)?;
    let spec = ClusterSpec::parse(block)?;
    let mut statefulset = passthrough::convert_all(block, spec.replicas)?;
    let image = image::image(block, cluster)?;
    let their_env = env::operators(block, cluster)?;
    let mounts = Mounts::merge(block, cluster, &surroundings.backups_root)?;
    let docker_options = docker_options::docker_options(block)?;
    let inits = inits::inits(block)?;
    let probes = probes::probes(block, &spec)?;
    on_probe::check(block)?;
    let bucket = Bucket::read(&request.config, cluster)?;
    let ports = ports::ports(block, &spec, bucket.exposed, cluster)?;
    let kept = secrets::keep(
        &bucket,
        spec.password.as_ref(),
        cluster,
        &surroundings.fresh,
    )?;
    let backups_dir = mounts.backups_dir();
    let record = backups_dir
        .map(|dir| (surroundings.read_record)(&dir))
        .transpose()?;
    scale::check(spec.replicas, &bucket, record.flatten().as_ref(), cluster)?;

    let mut env = env::ours(&identity(cluster, &spec, &kept));
    env.extend(their_env);
    let mut default = |name: &str, value: Value| {
        statefulset.entry(name).or_insert(value);
    };
    default("command", assets::command());
    default("health_check", health_check(&spec).into());
    default("image", image.into());
    default("replicas", spec.replicas.into());
    default("env", serde_json::json!(env));
    default("ports", ports.into());
    default("volumes", mounts.volumes.into());
    default("volume_claims", mounts.claims.into());
    default("docker_options", docker_options.into());
    default("probes", probes);
    if !inits.is_empty() {
        default("inits", inits.into());
    }
    Ok(Plan {
        spec,
        statefulset,
        actions: kept.actions,
    })
}

fn identity<'a>(cluster: &'a ResourceRef, spec: &'a ClusterSpec, kept: &'a Kept) -> Identity<'a> {
    Identity {
        cluster,
        spec,
        password: &kept.password,
        replication_password: &kept.replication_password,
        cluster_id: &kept.cluster_id,
        initial_primary: kept.initial_primary,
    }
}

/// Without effect on today's platform, which has probes for this.
fn health_check(spec: &ClusterSpec) -> String {
    format!(
        "pg_isready -U {} -d {} -p {}",
        spec.user, spec.database, spec.port
    )
}
