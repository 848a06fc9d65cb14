//! From a `postgres` block to an asset, a statefulset and the first apply's config. Pure: the same
//! request, surroundings and random bytes give the same reply, byte for byte.

mod assets;
mod blocks;
mod checks;
mod docker_options;
mod env;
mod image;
mod inits;
mod known;
mod mounts;
mod on_probe;
mod option_mounts;
mod passthrough;
mod ports;
mod probes;
mod scale;
mod secrets;
mod shape;
mod statefulset;
mod templates;
mod volume;

use std::path::PathBuf;

use anyhow::Context as _;
use serde::Serialize;

use crate::model::bucket::Bucket;
use crate::model::refusal::Result;
use crate::model::resource_ref::ResourceRef;
use crate::wire::action::Action;
use crate::wire::expand_request::ExpandRequest;
use crate::wire::manifest::Manifest;
pub(crate) use assets::ENTRYPOINT;
#[cfg(test)]
pub(crate) use env::PGDATA;
pub(crate) use env::RECORD_FORMAT;
pub(crate) use known::FindVolume;
use known::Known;
pub(crate) use scale::ReadRecord;
pub(crate) use secrets::Fresh;
use secrets::Kept;
use statefulset::Block;
pub(crate) use templates::defaults_text;

/// What `expand` needs besides the request.
pub(crate) struct Surroundings<'a> {
    pub(crate) backups_root: PathBuf,
    pub(crate) read_record: ReadRecord<'a>,
    pub(crate) find_volume: FindVolume<'a>,
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
    let checked = check(request, &cluster, surroundings);
    let (block, kept, ports) = checked.map_err(|refusal| refusal.or(&way_out))?;
    let asset = assets::spec(&block.spec).context("render the pods' files")?;
    let env = env::ours(&kept.identity(&cluster, &block.spec));
    let (scope, name) = (cluster.scope(), cluster.name());
    Ok(Expansion {
        manifests: [
            Manifest::asset(scope, name, asset),
            Manifest::statefulset(scope, name, block.statefulset(env, ports)),
        ],
        actions: kept.actions,
    })
}

/// Every check: the block, then the bucket, then both against the cluster that runs.
fn check(
    request: &ExpandRequest,
    cluster: &ResourceRef,
    surroundings: &Surroundings<'_>,
) -> Result<(Block, Kept, Vec<String>)> {
    let fields = &request.spec;
    let block = Block::check(fields, cluster, &surroundings.backups_root)?;
    let bucket = Bucket::read(&request.config, cluster)?;
    let ports = ports::ports(fields, &block.spec, bucket.exposed, cluster)?;
    let kept = secrets::keep(
        &bucket,
        block.spec.password.as_ref(),
        cluster,
        &surroundings.fresh,
    )?;
    let dir = block.mounts.backups_dir();
    let record = match &dir {
        Some(dir) => (surroundings.read_record)(dir)?,
        None => None,
    };
    if let (true, Some(dir), Some(record)) = (request.config.is_empty(), &dir, &record) {
        let known = Known {
            cluster,
            replicas: block.spec.replicas,
            record,
            dir,
        };
        known.check_gone(surroundings.find_volume)?;
    }
    scale::check(block.spec.replicas, &bucket, record.as_ref(), cluster)?;
    Ok((block, kept, ports))
}
