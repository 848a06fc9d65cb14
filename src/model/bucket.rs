//! A typed view of the cluster's config bucket, as far as `expand` reads it. Garbage is an error,
//! never a default.

use std::str::FromStr;

use serde_json::{Map, Value};

use crate::model::cluster_id::ClusterId;
use crate::model::excerpt::excerpt;
use crate::model::field;
use crate::model::ordinal::Ordinal;
use crate::model::refusal::{Refusal, Result};
use crate::model::resource_ref::ResourceRef;
use crate::model::secret::Secret;

/// The names of the keys.
pub(crate) mod keys {
    pub(crate) const PASSWORD: &str = "POSTGRES_PASSWORD";
    pub(crate) const REPLICATION_PASSWORD: &str = "POSTGRES_REPLICATION_PASSWORD";
    pub(crate) const CLUSTER_ID: &str = "PG_CLUSTER_ID";
    pub(crate) const PRIMARY_ORDINAL: &str = "PG_PRIMARY_ORDINAL";
    /// The primary of a cluster at the moment it was taken over.
    pub(crate) const INITIAL_PRIMARY: &str = "PG_INITIAL_PRIMARY";
    pub(crate) const EXPOSE_PUBLIC: &str = "PG_EXPOSE_PUBLIC";
    pub(crate) const BACKUP_KEEP: &str = "BACKUP_KEEP";
    pub(crate) const BACKUP_MAX_AGE: &str = "BACKUP_MAX_AGE";
    pub(crate) const BACKUP_COMPRESS: &str = "BACKUP_COMPRESS";
    pub(crate) const LINKED_CONSUMERS: &str = "POSTGRES_LINKED_CONSUMERS";
    pub(crate) const LINKED_READERS: &str = "POSTGRES_LINKED_READERS";
    pub(crate) const LINKED_BALANCED: &str = "POSTGRES_LINKED_BALANCED";

    /// The keys that change in normal operation. Every bucket key reaches the pods' environment,
    /// so these are pinned there with a constant value, or each change would restart the pods.
    pub(crate) const PINNED: &[&str] = &[
        BACKUP_COMPRESS,
        BACKUP_KEEP,
        BACKUP_MAX_AGE,
        EXPOSE_PUBLIC,
        LINKED_BALANCED,
        LINKED_CONSUMERS,
        LINKED_READERS,
        REPLICATION_PASSWORD,
    ];
}

/// What the bucket says.
#[derive(Debug)]
pub(crate) struct Bucket {
    pub(crate) password: Option<Secret>,
    pub(crate) replication_password: Option<Secret>,
    /// Set by the first apply, after both passwords: with it the cluster is known.
    pub(crate) cluster_id: Option<ClusterId>,
    /// Mirrors the topology record; before the first apply, what the cluster starts with.
    pub(crate) primary: Option<Ordinal>,
    pub(crate) initial_primary: Option<Ordinal>,
    pub(crate) exposed: bool,
    /// Whether a retention is set; its value is judged where it is used.
    pub(crate) has_backup_keep: bool,
}

impl Bucket {
    /// Reads the bucket of that cluster.
    pub(crate) fn read(config: &Map<String, Value>, cluster: &ResourceRef) -> Result<Self> {
        let vars = Vars { config, cluster };
        Ok(Self {
            password: vars.secret(keys::PASSWORD)?,
            replication_password: vars.secret(keys::REPLICATION_PASSWORD)?,
            cluster_id: vars.parsed(keys::CLUSTER_ID, "32 lower-case hex digits")?,
            primary: vars.parsed(keys::PRIMARY_ORDINAL, "a pod's number such as 0")?,
            initial_primary: vars.parsed(keys::INITIAL_PRIMARY, "a pod's number such as 0")?,
            exposed: vars.exposed()?,
            has_backup_keep: vars.text(keys::BACKUP_KEEP)?.is_some(),
        })
    }
}

impl Bucket {
    /// Reads the bucket of a cluster that runs. What somebody spoilt there by hand counts as not
    /// there: the commands that put it right have to go on, and `info` names it.
    pub(crate) fn of_running(config: &Map<String, Value>, cluster: &ResourceRef) -> Self {
        let vars = Vars { config, cluster };
        Self {
            password: vars.secret(keys::PASSWORD).ok().flatten(),
            replication_password: vars.secret(keys::REPLICATION_PASSWORD).ok().flatten(),
            cluster_id: vars.parsed(keys::CLUSTER_ID, "").ok().flatten(),
            primary: vars.parsed(keys::PRIMARY_ORDINAL, "").ok().flatten(),
            initial_primary: vars.parsed(keys::INITIAL_PRIMARY, "").ok().flatten(),
            exposed: vars.exposed().unwrap_or_default(),
            has_backup_keep: vars
                .text(keys::BACKUP_KEEP)
                .is_ok_and(|keep| keep.is_some()),
        }
    }
}

/// The variables of a cluster's bucket.
pub(crate) struct Vars<'a> {
    pub(crate) config: &'a Map<String, Value>,
    pub(crate) cluster: &'a ResourceRef,
}

impl Vars<'_> {
    /// A key's value; the bucket does not store empty ones.
    pub(crate) fn text(&self, key: &str) -> Result<Option<&str>> {
        match field::present(self.config, key) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.as_str()).filter(|text| !text.is_empty())),
            Some(other) => Err(Refusal::new(
                format!(
                    "{key} in the config: expected a string, got {}",
                    field::type_of(other)
                ),
                format!("set it again with vd config {} set {key}=…", self.cluster),
            )),
        }
    }

    /// A password that the pods can take.
    pub(crate) fn secret(&self, key: &str) -> Result<Option<Secret>> {
        let Some(text) = self.text(key)? else {
            return Ok(None);
        };
        let secret = Secret::chosen(&format!("{key} in the config"), text);
        secret.map(Some).map_err(|refusal| {
            let cluster = self.cluster;
            let flag = if key == keys::REPLICATION_PASSWORD {
                " --replication"
            } else {
                ""
            };
            Refusal::new(
                refusal.to_string(),
                format!(
                    "vd pg:new-password {cluster}{flag} sets another one; before the first apply: vd config {cluster} set {key}=…"
                ),
            )
        })
    }

    /// A key's value as what it should be; garbage is refused.
    pub(crate) fn parsed<T: FromStr>(&self, key: &str, expected: &str) -> Result<Option<T>> {
        let Some(text) = self.text(key)? else {
            return Ok(None);
        };
        text.parse().map(Some).map_err(|_| {
            Refusal::new(
                format!(
                    "{key} in the config: expected {expected}, got {}",
                    excerpt(text)
                ),
                format!(
                    "put the right value back with vd config {} set {key}=…",
                    self.cluster
                ),
            )
        })
    }

    fn exposed(&self) -> Result<bool> {
        match self.text(keys::EXPOSE_PUBLIC)? {
            None | Some("false") => Ok(false),
            Some("true") => Ok(true),
            Some(other) => Err(Refusal::new(
                format!(
                    "{} in the config: expected true or false, got {}",
                    keys::EXPOSE_PUBLIC,
                    excerpt(other)
                ),
                format!(
                    "set it again with vd config {} set {}=false",
                    self.cluster,
                    keys::EXPOSE_PUBLIC
                ),
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(config: &Value) -> Result<Bucket> {
        let cluster = ResourceRef::new("clowk-lp", "db")?;
        Bucket::read(config.as_object().unwrap(), &cluster)
    }

    #[test]
    fn an_empty_bucket_says_nothing() {
        let bucket = read(&json!({})).unwrap();
        assert!(bucket.password.is_none() && bucket.cluster_id.is_none());
        assert!(!bucket.exposed && !bucket.has_backup_keep);
    }

    #[test]
    fn of_a_running_cluster_garbage_is_not_there() {
        let config = json!({
            keys::PASSWORD: " hunter2", keys::REPLICATION_PASSWORD: 5, keys::CLUSTER_ID: "x",
            keys::PRIMARY_ORDINAL: "one", keys::EXPOSE_PUBLIC: "yes",
        });
        let cluster = ResourceRef::new("clowk-lp", "db").unwrap();
        let bucket = Bucket::of_running(config.as_object().unwrap(), &cluster);
        assert!(bucket.password.is_none() && bucket.replication_password.is_none());
        assert!(bucket.cluster_id.is_none() && bucket.primary.is_none() && !bucket.exposed);
    }

    #[test]
    fn garbage_is_an_error_that_names_the_key() {
        for (key, value) in [
            (keys::PRIMARY_ORDINAL, json!("01")),
            (keys::PRIMARY_ORDINAL, json!("one")),
            (keys::INITIAL_PRIMARY, json!("-1")),
            (keys::CLUSTER_ID, json!("abc")),
            (keys::EXPOSE_PUBLIC, json!("yes")),
            (keys::PASSWORD, json!(5)),
            (keys::PASSWORD, json!(" hunter2")),
        ] {
            let refusal = read(&json!({key: value})).unwrap_err();
            assert!(refusal.to_string().contains(key), "{refusal}");
            assert!(!refusal.to_string().contains("hunter2"));
        }
    }
}
