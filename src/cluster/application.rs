//! A resource that reads a bucket, and so can be linked.

use serde_json::{Map, Value};

use crate::controller::{Controller, Error, Kind};
use crate::model::resource_ref::ResourceRef;
use crate::wire::action::Restart;

/// An application of any kind.
pub(crate) struct Application {
    pub(crate) kind: Kind,
    pub(crate) spec: Map<String, Value>,
}

impl Application {
    /// Looks for it under every kind.
    pub(crate) fn find(
        controller: &dyn Controller,
        reference: &ResourceRef,
    ) -> Result<Option<Self>, Error> {
        for kind in Kind::ALL {
            if let Some(spec) = controller.spec(kind, reference)? {
                return Ok(Some(Self { kind, spec }));
            }
        }
        Ok(None)
    }

    /// Whether its block sets a variable in its own env, which wins over the bucket.
    pub(crate) fn sets_itself(&self, variable: &str) -> bool {
        let in_job = self.spec.get("job").and_then(|job| job.get("env"));
        let env = self.spec.get("env").or(in_job);
        env.is_some_and(|env| env.get(variable).is_some())
    }

    /// When it has the variables that were just set.
    pub(crate) fn takes_effect(&self, restart: Restart) -> &'static str {
        match (self.kind, restart) {
            (Kind::Job | Kind::Cronjob, _) => "its next run has the new variables",
            (_, Restart::Rolling) => "it restarts with the new variables",
            (_, Restart::Skip) => "it has the new variables when it restarts",
        }
    }
}
