//! The resources that `expand` hands back.

use serde::Serialize;
use serde_json::Value;

/// A core resource: `{"kind","scope","name","spec"}`.
#[derive(Debug, Serialize)]
pub(crate) struct Manifest {
    kind: &'static str,
    scope: String,
    name: String,
    spec: Value,
}

impl Manifest {
    /// Files that voodu writes to the host, for pods to mount.
    pub(crate) fn asset(scope: &str, name: &str, spec: Value) -> Self {
        Self::new("asset", scope, name, spec)
    }

    /// Pods with an identity.
    pub(crate) fn statefulset(scope: &str, name: &str, spec: Value) -> Self {
        Self::new("statefulset", scope, name, spec)
    }

    /// What is stored under its name.
    pub(crate) fn spec(&self) -> &Value {
        &self.spec
    }

    fn new(kind: &'static str, scope: &str, name: &str, spec: Value) -> Self {
        Self {
            kind,
            scope: scope.to_owned(),
            name: name.to_owned(),
            spec,
        }
    }
}
