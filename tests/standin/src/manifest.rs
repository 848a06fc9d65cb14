//! The words everything here shares: what a resource is called, which kinds exist, what a
//! manifest looks like on the wire.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

/// Reads a JSON null as the default value, as the controller does everywhere.
pub(crate) fn null_as_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// Scope and name of a resource; the scope may be empty.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ResourceId {
    /// The first label of a block, or nothing.
    pub scope: String,
    /// The last label of a block.
    pub name: String,
}

impl ResourceId {
    /// Names a resource.
    pub fn new(scope: impl Into<String>, name: impl Into<String>) -> Self {
        Self {
            scope: scope.into(),
            name: name.into(),
        }
    }

    /// Reads `scope/name`, or `name` alone.
    pub fn parse(reference: &str) -> Self {
        match reference.split_once('/') {
            Some((scope, name)) => Self::new(scope, name),
            None => Self::new("", reference),
        }
    }

    /// The identifier that keys containers, volumes, env files and statuses; ambiguous when
    /// scope or name contain a dash, as on the real platform.
    pub fn app_id(&self) -> String {
        if self.scope.is_empty() {
            self.name.clone()
        } else {
            format!("{}-{}", self.scope, self.name)
        }
    }

    /// The name of one pod's container.
    pub fn container(&self, replica: &str) -> String {
        format!("{}.{replica}", self.app_id())
    }
}

impl fmt::Display for ResourceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.scope.is_empty() {
            f.write_str(&self.name)
        } else {
            write!(f, "{}/{}", self.scope, self.name)
        }
    }
}

/// The kinds the controller itself understands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Replaceable containers.
    Deployment,
    /// Numbered containers with volumes.
    Statefulset,
    /// A route; stored, never acted on here.
    Ingress,
    /// A container that runs once.
    Job,
    /// A job with a schedule.
    Cronjob,
    /// Files on the host.
    Asset,
    /// Registry credentials; stored, never acted on here.
    Registry,
}

impl Kind {
    /// Every kind, in no particular order.
    pub const ALL: [Self; 7] = [
        Self::Deployment,
        Self::Statefulset,
        Self::Ingress,
        Self::Job,
        Self::Cronjob,
        Self::Asset,
        Self::Registry,
    ];

    /// The wire spelling.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Deployment => "deployment",
            Self::Statefulset => "statefulset",
            Self::Ingress => "ingress",
            Self::Job => "job",
            Self::Cronjob => "cronjob",
            Self::Asset => "asset",
            Self::Registry => "registry",
        }
    }

    /// Reads the exact singular spelling.
    pub fn exact(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }

    /// Reads the singular or the plural spelling.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        if text == "ingresses" || text == "registries" {
            return Self::exact(if text == "ingresses" {
                "ingress"
            } else {
                "registry"
            });
        }
        Self::exact(text).or_else(|| Self::exact(text.strip_suffix('s')?))
    }

    /// Reads the singular or the plural spelling, or says which there are.
    pub fn require(text: &str) -> Result<Self, String> {
        Self::parse(text).ok_or_else(|| {
            let valid: Vec<&str> = Self::ALL.into_iter().map(Self::as_str).collect();
            format!("unknown kind {text:?} (valid: {})", valid.join(", "))
        })
    }

    /// Whether the store refuses this kind without a scope.
    pub fn needs_scope(self) -> bool {
        !matches!(self, Self::Asset | Self::Registry)
    }

    /// Whether a config change re-stores resources of this kind.
    pub fn follows_config(self) -> bool {
        matches!(
            self,
            Self::Deployment | Self::Statefulset | Self::Job | Self::Cronjob
        )
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One block or one stored resource.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// A core kind, or a plugin's block type before expansion.
    #[serde(default, deserialize_with = "null_as_default")]
    pub kind: String,
    /// May be empty.
    #[serde(
        default,
        deserialize_with = "null_as_default",
        skip_serializing_if = "String::is_empty"
    )]
    pub scope: String,
    /// Never empty once stored.
    #[serde(default, deserialize_with = "null_as_default")]
    pub name: String,
    /// The body.
    #[serde(default)]
    pub spec: Value,
    /// Written by the store.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Metadata>,
}

/// What the store knows about a manifest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Metadata {
    /// When it was stored; reset by every apply.
    pub created_at: String,
    /// When it was stored last.
    pub updated_at: String,
    /// Grows with every write to the store.
    pub revision: u64,
}

impl Manifest {
    /// Scope and name together.
    pub fn id(&self) -> ResourceId {
        ResourceId::new(self.scope.as_str(), self.name.as_str())
    }

    /// `kind/scope/name`, as apply reports it.
    pub fn reference(&self) -> String {
        format!("{}/{}", self.kind, self.id())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_derived_from_scope_and_name() {
        let id = ResourceId::new("clowk-lp", "db");
        assert_eq!(id.app_id(), "clowk-lp-db");
        assert_eq!(id.container("1"), "clowk-lp-db.1");
        assert_eq!(id.to_string(), "clowk-lp/db");
        assert_eq!(ResourceId::parse("db").app_id(), "db");
        assert_eq!(ResourceId::parse("a/b"), ResourceId::new("a", "b"));
    }

    #[test]
    fn kinds_are_read_in_singular_and_plural_only_where_allowed() {
        assert_eq!(Kind::parse("statefulsets"), Some(Kind::Statefulset));
        assert_eq!(Kind::parse("ingresses"), Some(Kind::Ingress));
        assert_eq!(Kind::exact("statefulsets"), None);
        assert_eq!(Kind::parse("postgres"), None);
    }

    #[test]
    fn a_null_field_is_an_absent_field() {
        let manifest: Manifest =
            serde_json::from_str(r#"{"kind":"asset","scope":null,"name":"a"}"#).unwrap();
        assert_eq!(manifest.reference(), "asset/a");
    }
}
