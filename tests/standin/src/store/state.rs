//! The store's document.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Vars;
use crate::manifest::Manifest;

#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct State {
    pub(super) revision: u64,
    pub(super) manifests: BTreeMap<String, Manifest>,
    pub(super) buckets: BTreeMap<String, Buckets>,
    pub(super) statuses: BTreeMap<String, Value>,
    pub(super) frozen: BTreeMap<String, BTreeSet<u32>>,
}

/// The buckets of one scope.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Buckets {
    /// The scope's own bucket.
    pub(super) shared: Vars,
    /// One bucket per resource name.
    pub(super) apps: BTreeMap<String, Vars>,
}
