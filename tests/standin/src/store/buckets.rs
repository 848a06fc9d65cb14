//! Config buckets: one per scope and one per resource, merged when read.

use anyhow::Result;

use super::{Store, Vars};
use crate::manifest::ResourceId;

impl Store {
    /// The scope's bucket overlaid by the resource's own.
    pub(crate) fn bucket(&self, id: &ResourceId) -> Vars {
        let mut merged = self.own_bucket(&ResourceId::new(id.scope.as_str(), ""));
        merged.extend(self.own_bucket(id));
        merged
    }

    /// One bucket alone; an empty name means the scope's.
    pub(crate) fn own_bucket(&self, id: &ResourceId) -> Vars {
        let state = self.read();
        let Some(buckets) = state.buckets.get(&id.scope) else {
            return Vars::new();
        };
        if id.name.is_empty() {
            return buckets.shared.clone();
        }
        buckets.apps.get(&id.name).cloned().unwrap_or_default()
    }

    /// Merges into a bucket; an empty value deletes its key.
    pub(crate) fn patch_bucket(&self, id: &ResourceId, patch: &Vars) -> Result<()> {
        self.change(|state| {
            let buckets = state.buckets.entry(id.scope.clone()).or_default();
            let bucket = if id.name.is_empty() {
                &mut buckets.shared
            } else {
                buckets.apps.entry(id.name.clone()).or_default()
            };
            for (key, value) in patch {
                if value.is_empty() {
                    bucket.remove(key);
                } else {
                    bucket.insert(key.clone(), value.clone());
                }
            }
        })
    }

    /// Empties one bucket.
    pub(crate) fn wipe_bucket(&self, id: &ResourceId) -> Result<()> {
        self.change(|state| {
            let Some(buckets) = state.buckets.get_mut(&id.scope) else {
                return;
            };
            if id.name.is_empty() {
                buckets.shared.clear();
            } else {
                buckets.apps.remove(&id.name);
            }
        })
    }
}
