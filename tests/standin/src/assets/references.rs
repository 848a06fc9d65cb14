//! `${asset.scope.name.key}` and `${asset.name.key}` in strings.

use std::fmt;
use std::path::Path;

use anyhow::{Result, bail};
use serde_json::{Map, Value};

use super::directory;
use crate::manifest::{Kind, ResourceId};
use crate::store::Store;

const OPENING: &str = "${asset.";

/// One file of one asset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reference {
    pub(crate) asset: ResourceId,
    pub(crate) key: String,
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.asset.scope.is_empty() {
            write!(f, "{}.", self.asset.scope)?;
        }
        write!(f, "{}.{}", self.asset.name, self.key)
    }
}

impl Reference {
    /// Reads `scope.name.key` or `name.key`.
    fn parse(dotted: &str) -> Option<Self> {
        let word = |part: &str| {
            part.starts_with(|c: char| c.is_ascii_alphanumeric())
                && part
                    .chars()
                    .all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-')
        };
        let parts: Vec<&str> = dotted.split('.').collect();
        if !parts.iter().all(|part| word(part)) {
            return None;
        }
        let (asset, key) = match parts.as_slice() {
            [name, key] => (ResourceId::new("", *name), key),
            [scope, name, key] => (ResourceId::new(*scope, *name), key),
            _ => return None,
        };
        Some(Self {
            asset,
            key: (*key).to_owned(),
        })
    }
}

/// Every reference in a string.
pub(crate) fn collect(text: &str) -> Vec<Reference> {
    let candidates = text.split(OPENING).skip(1);
    candidates
        .filter_map(|rest| Reference::parse(rest.split_once('}')?.0))
        .collect()
}

/// Replaces references by host paths. The stored manifest is found by the asset's name alone.
pub(crate) fn resolve(root: &Path, store: &Store, text: &str) -> Result<String> {
    let mut out = text.to_owned();
    for reference in collect(text) {
        if store.get(Kind::Asset, &reference.asset).is_none() {
            bail!("unresolved asset reference(s): {reference}");
        }
        let path = directory(root, &reference.asset).join(&reference.key);
        out = out.replace(&format!("{OPENING}{reference}}}"), &path.to_string_lossy());
    }
    Ok(out)
}

/// Every reference of a consumer's spec, its `depends_on` included.
pub(super) fn in_spec(spec: &Map<String, Value>) -> Result<Vec<Reference>> {
    let mut found = Vec::new();
    for key in ["image", "command", "volumes", "ports", "env"] {
        if let Some(value) = spec.get(key) {
            collect_value(value, &mut found);
        }
    }
    let depends_on = spec.get("depends_on").and_then(|block| block.get("assets"));
    for entry in depends_on.and_then(Value::as_array).into_iter().flatten() {
        let Some(reference) = entry.as_str().and_then(Reference::parse) else {
            bail!("depends_on.assets: {entry} is not scope.name.key");
        };
        found.push(reference);
    }
    Ok(found)
}

fn collect_value(value: &Value, found: &mut Vec<Reference>) {
    match value {
        Value::String(text) => found.extend(collect(text)),
        Value::Array(items) => items.iter().for_each(|item| collect_value(item, found)),
        Value::Object(map) => map.values().for_each(|item| collect_value(item, found)),
        _ => {}
    }
}
