//! A controller in memory, for tests.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use crate::controller::{Controller, Error, Kind, Layers, Problem};
use crate::model::resource_ref::ResourceRef;

/// What is stored, to be filled by the test.
#[derive(Default)]
pub(crate) struct FakeController {
    specs: BTreeMap<(Kind, ResourceRef), Value>,
    buckets: BTreeMap<ResourceRef, Value>,
    broken: BTreeSet<ResourceRef>,
    down: bool,
}

impl FakeController {
    /// Stores a resource.
    pub(crate) fn with_spec(mut self, kind: Kind, target: &str, spec: Value) -> Self {
        self.specs.insert((kind, target.parse().unwrap()), spec);
        self
    }

    /// Stores a bucket.
    pub(crate) fn with_config(mut self, target: &str, config: Value) -> Self {
        self.buckets.insert(target.parse().unwrap(), config);
        self
    }

    /// Cannot read what it stores of a resource.
    pub(crate) fn broken(mut self, target: &str) -> Self {
        self.broken.insert(target.parse().unwrap());
        self
    }

    /// Answers nothing any more.
    pub(crate) fn down(mut self) -> Self {
        self.down = true;
        self
    }

    fn check(&self, target: &ResourceRef) -> Result<(), Error> {
        if self.broken.contains(target) {
            return Err(Error {
                url: "http://fake".to_owned(),
                problem: Problem::Refused(500, None),
            });
        }
        if self.down {
            return Err(Self::silence());
        }
        Ok(())
    }

    fn silence() -> Error {
        Error {
            url: "http://fake".to_owned(),
            problem: Problem::Unreachable("Connection refused".to_owned()),
        }
    }
}

impl Controller for FakeController {
    fn spec(&self, kind: Kind, target: &ResourceRef) -> Result<Option<Map<String, Value>>, Error> {
        self.check(target)?;
        let spec = self.specs.get(&(kind, target.clone()));
        Ok(spec.and_then(Value::as_object).cloned())
    }

    fn config(&self, target: &ResourceRef, _: Layers) -> Result<Map<String, Value>, Error> {
        self.check(target)?;
        let bucket = self.buckets.get(target);
        Ok(bucket
            .and_then(Value::as_object)
            .cloned()
            .unwrap_or_default())
    }

    fn resources(&self, kind: Kind) -> Result<Vec<ResourceRef>, Error> {
        if self.down {
            return Err(Self::silence());
        }
        let of_kind = self.specs.keys().filter(|(stored, _)| *stored == kind);
        Ok(of_kind.map(|(_, target)| target.clone()).collect())
    }
}
