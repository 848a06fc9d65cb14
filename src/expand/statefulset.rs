//! The statefulset: the operator's fields, each checked, over our defaults.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Map, Value, json};

use crate::expand::mounts::Mounts;
use crate::expand::{assets, docker_options, env, image, inits, on_probe, passthrough, probes};
use crate::model::cluster_spec::ClusterSpec;
use crate::model::refusal::Result;
use crate::model::resource_ref::ResourceRef;

/// A checked block, before the bucket is looked at.
pub(super) struct Block {
    pub(super) spec: ClusterSpec,
    pub(super) mounts: Mounts,
    /// What the operator wrote for the statefulset and nothing of ours is merged with.
    passed: Map<String, Value>,
    image: String,
    env: BTreeMap<String, String>,
    docker_options: Vec<String>,
    inits: Vec<Value>,
    probes: Value,
}

impl Block {
    /// Checks every field in a fixed order, so that of several wrong ones the same one is named
    /// each time.
    pub(super) fn check(
        fields: &Map<String, Value>,
        cluster: &ResourceRef,
        backups_root: &Path,
    ) -> Result<Self> {
        passthrough::refuse_unknown(fields)?;
        let spec = ClusterSpec::parse(fields)?;
        let block = Self {
            passed: passthrough::convert_all(fields, spec.replicas)?,
            image: image::image(fields, cluster)?,
            env: env::operators(fields, cluster)?,
            mounts: Mounts::merge(fields, cluster, backups_root)?,
            docker_options: docker_options::docker_options(fields)?,
            inits: inits::inits(fields)?,
            probes: probes::probes(fields, &spec)?,
            spec,
        };
        on_probe::check(fields)?;
        Ok(block)
    }

    /// Puts the statefulset's spec together. Of the fields that are passed the operator's wins.
    pub(super) fn statefulset(
        self,
        our_env: BTreeMap<String, String>,
        ports: Vec<String>,
    ) -> Value {
        let mut env = our_env;
        env.extend(self.env);
        let mut statefulset = Map::from_iter([
            ("command".to_owned(), assets::command()),
            ("docker_options".to_owned(), self.docker_options.into()),
            ("env".to_owned(), json!(env)),
            ("health_check".to_owned(), health_check(&self.spec).into()),
            ("image".to_owned(), self.image.into()),
            ("ports".to_owned(), ports.into()),
            ("probes".to_owned(), self.probes),
            ("replicas".to_owned(), self.spec.replicas.into()),
            ("volume_claims".to_owned(), self.mounts.claims.into()),
            ("volumes".to_owned(), self.mounts.volumes.into()),
        ]);
        if !self.inits.is_empty() {
            statefulset.insert("inits".to_owned(), self.inits.into());
        }
        statefulset.extend(self.passed);
        Value::Object(statefulset)
    }
}

/// Without effect on today's platform, which has probes for this.
fn health_check(spec: &ClusterSpec) -> String {
    let ClusterSpec {
        user,
        database,
        port,
        ..
    } = spec;
    format!("pg_isready -U {user} -d {database} -p {port}")
}
