//! What a cluster keeps in its bucket: reused when it is there, chosen on the first apply.

use crate::expand::env::Identity;
use crate::model::bucket::{Bucket, keys};
use crate::model::cluster_id::ClusterId;
use crate::model::cluster_spec::ClusterSpec;
use crate::model::defaults;
use crate::model::ordinal::Ordinal;
use crate::model::refusal::{Refusal, Result};
use crate::model::resource_ref::ResourceRef;
use crate::model::secret::Secret;
use crate::wire::action::Action;

/// Secrets and an identity made of random bytes, for what the bucket lacks.
pub(crate) struct Fresh {
    password: Secret,
    replication_password: Secret,
    cluster_id: ClusterId,
}

impl Fresh {
    /// Makes them of bytes that nobody can guess.
    pub(crate) fn from_random(password: [u8; 32], replication: [u8; 32], id: [u8; 16]) -> Self {
        Self {
            password: Secret::from_random(password),
            replication_password: Secret::from_random(replication),
            cluster_id: ClusterId::from_random(id),
        }
    }
}

/// The secrets and the identity of a cluster, and how to remember the new ones.
pub(super) struct Kept {
    pub(super) password: Secret,
    pub(super) replication_password: Secret,
    pub(super) cluster_id: ClusterId,
    pub(super) initial_primary: Ordinal,
    pub(super) actions: Vec<Action>,
}

impl Kept {
    /// What the pods of the cluster are told.
    pub(super) fn identity<'a>(
        &'a self,
        cluster: &'a ResourceRef,
        spec: &'a ClusterSpec,
    ) -> Identity<'a> {
        Identity {
            cluster,
            spec,
            password: &self.password,
            replication_password: &self.replication_password,
            cluster_id: &self.cluster_id,
            initial_primary: self.initial_primary,
        }
    }
}

/// Reuses what the bucket holds. On the first apply the identity is stored last, in one step: a
/// bucket that has it has the passwords as well.
pub(super) fn keep(
    bucket: &Bucket,
    chosen: Option<&Secret>,
    cluster: &ResourceRef,
    fresh: &Fresh,
) -> Result<Kept> {
    let mut actions = Vec::new();
    let mut remember = |kv: Vec<(&'static str, String)>| {
        actions.push(Action::config_set(cluster.scope(), cluster.name(), kv));
    };
    let password = password(bucket, chosen, cluster, fresh)?;
    if bucket.password.is_none() {
        remember(vec![(keys::PASSWORD, password.expose().to_owned())]);
    }
    let replication_password = replication_password(bucket, cluster, fresh)?;
    if bucket.replication_password.is_none() {
        let value = replication_password.expose().to_owned();
        remember(vec![(keys::REPLICATION_PASSWORD, value)]);
    }
    let cluster_id = bucket
        .cluster_id
        .as_ref()
        .unwrap_or(&fresh.cluster_id)
        .clone();
    if bucket.cluster_id.is_none() {
        remember(identity(bucket, &cluster_id));
    }
    Ok(Kept {
        password,
        replication_password,
        cluster_id,
        initial_primary: initial_primary(bucket),
        actions,
    })
}

/// The primary that a cluster without a topology record starts with. Constant over its life.
fn initial_primary(bucket: &Bucket) -> Ordinal {
    let taken_over = bucket.primary.filter(|_| bucket.cluster_id.is_none());
    bucket.initial_primary.or(taken_over).unwrap_or_default()
}

/// The keys of a new identity, each only if it is absent. A bucket that names a primary without
/// an identity belongs to a cluster that is taken over, or was prepared by hand.
fn identity(bucket: &Bucket, cluster_id: &ClusterId) -> Vec<(&'static str, String)> {
    let mut kv = vec![(keys::CLUSTER_ID, cluster_id.to_string())];
    match bucket.primary {
        None => kv.push((keys::PRIMARY_ORDINAL, initial_primary(bucket).to_string())),
        Some(primary) if bucket.initial_primary.is_none() => {
            kv.push((keys::INITIAL_PRIMARY, primary.to_string()));
        }
        Some(_) => {}
    }
    if !bucket.has_backup_keep {
        kv.push((keys::BACKUP_KEEP, defaults::BACKUP_KEEP.to_owned()));
    }
    kv
}

fn password(
    bucket: &Bucket,
    chosen: Option<&Secret>,
    cluster: &ResourceRef,
    fresh: &Fresh,
) -> Result<Secret> {
    match (&bucket.password, chosen) {
        (Some(kept), Some(chosen)) if kept != chosen => Err(Refusal::new(
            "password: differs from the one in force, and writing it here does not change the role",
            format!("remove it from the block or run vd pg:new-password {cluster}"),
        )),
        (Some(kept), _) => Ok(kept.clone()),
        (None, Some(chosen)) => Ok(chosen.clone()),
        (None, None) if bucket.cluster_id.is_some() => Err(lost(keys::PASSWORD, cluster, "")),
        (None, None) => Ok(fresh.password.clone()),
    }
}

fn replication_password(bucket: &Bucket, cluster: &ResourceRef, fresh: &Fresh) -> Result<Secret> {
    match &bucket.replication_password {
        Some(kept) => Ok(kept.clone()),
        None if bucket.cluster_id.is_some() => {
            Err(lost(keys::REPLICATION_PASSWORD, cluster, " --replication"))
        }
        None => Ok(fresh.replication_password.clone()),
    }
}

/// A new password here would be one that the role does not have.
fn lost(key: &str, cluster: &ResourceRef, flag: &str) -> Refusal {
    Refusal::new(
        format!("{key} is gone from the config, though the cluster exists"),
        format!(
            "put it back with vd config {cluster} set {key}=…, or run vd pg:new-password {cluster}{flag}"
        ),
    )
}

#[cfg(test)]
#[path = "secrets_tests.rs"]
mod tests;
