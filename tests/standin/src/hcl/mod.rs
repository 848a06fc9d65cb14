//! Reads `.voodu` files into manifests: interpolation on the text first, then blocks, literals
//! only. Knows core kinds and nothing about any plugin.

mod convert;
mod core_kinds;
mod fields;
mod interpolate;

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result, bail};
use serde_json::Value;

pub(crate) use convert::canonical;

use crate::manifest::{Kind, Manifest, ResourceId};

/// Where `${VAR}` comes from.
pub trait Variables {
    /// A variable of the operator's shell; wins over buckets.
    fn shell(&self, name: &str) -> Option<String>;

    /// The merged config bucket of a resource.
    fn bucket(&self, id: &ResourceId) -> BTreeMap<String, String>;
}

/// No variables at all.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoVariables;

impl Variables for NoVariables {
    fn shell(&self, _: &str) -> Option<String> {
        None
    }

    fn bucket(&self, _: &ResourceId) -> BTreeMap<String, String> {
        BTreeMap::new()
    }
}

/// Reads a file's text; `source` is the file, which `file()` in assets is relative to.
pub fn read(text: &str, source: Option<&Path>, variables: &dyn Variables) -> Result<Vec<Manifest>> {
    let text = text.trim_start_matches('\u{feff}');
    let buckets = collect_buckets(text, variables);
    let interpolated = interpolate::interpolate(text, |name| {
        variables.shell(name).or_else(|| buckets.get(name).cloned())
    })?;
    let manifests = blocks(&interpolated, source)?;
    if manifests.is_empty() {
        bail!("no manifests found");
    }
    refuse_duplicates(&manifests)?;
    Ok(manifests)
}

fn blocks(text: &str, source: Option<&Path>) -> Result<Vec<Manifest>> {
    let body = hcl::parse(&interpolate::escape_references(text))?;
    if let Some(attribute) = body.attributes().next() {
        bail!("{}: only blocks are allowed here", attribute.key());
    }
    body.blocks().map(|block| manifest(block, source)).collect()
}

fn manifest(block: &hcl::Block, source: Option<&Path>) -> Result<Manifest> {
    let kind = block.identifier();
    let labels: Vec<&str> = block.labels().iter().map(hcl::BlockLabel::as_str).collect();
    let id = match (Kind::exact(kind), labels.as_slice()) {
        (Some(Kind::Asset), [] | [_, _, _, ..]) => {
            bail!("asset block: takes one label (name) or two (scope, name)")
        }
        (Some(core), labels) if core.needs_scope() && labels.len() != 2 => {
            bail!("{kind} block: needs two labels, scope and name")
        }
        (_, []) => ResourceId::new("", kind),
        (_, [name]) => ResourceId::new("", *name),
        (_, [scope, name]) => ResourceId::new(*scope, *name),
        _ => bail!("{kind} block: too many labels (at most two: scope and name)"),
    };
    if id.name.is_empty() {
        bail!("{kind} block: the name must not be empty");
    }
    let spec = spec(kind, block, source).with_context(|| format!("{kind}/{id}"))?;
    Ok(Manifest {
        kind: kind.to_owned(),
        scope: id.scope,
        name: id.name,
        spec,
        metadata: None,
    })
}

fn spec(kind: &str, block: &hcl::Block, source: Option<&Path>) -> Result<Value> {
    match Kind::exact(kind) {
        Some(Kind::Asset) => core_kinds::asset(block.body(), source),
        Some(core) => core_kinds::spec(core, convert::body(block.body())?),
        None => Ok(Value::Object(convert::body(block.body())?)),
    }
}

/// The buckets a file may draw on: each block's own and those its `env_from` names. An
/// unreadable file yields none; the real parse reports what is wrong with it.
fn collect_buckets(text: &str, variables: &dyn Variables) -> BTreeMap<String, String> {
    let filled = interpolate::interpolate(text, |name| {
        Some(variables.shell(name).unwrap_or_else(|| "0".to_owned()))
    });
    let Ok(manifests) = filled.and_then(|text| blocks(&text, None)) else {
        return BTreeMap::new();
    };
    let mut merged = BTreeMap::new();
    for manifest in &manifests {
        for reference in crate::env::references(&manifest.spec) {
            merged.extend(variables.bucket(&reference.within(&manifest.scope)));
        }
    }
    for manifest in &manifests {
        merged.extend(variables.bucket(&manifest.id()));
    }
    merged
}

fn refuse_duplicates(manifests: &[Manifest]) -> Result<()> {
    let mut seen = std::collections::BTreeSet::new();
    for manifest in manifests {
        if !seen.insert(manifest.reference()) {
            bail!("{} is declared twice", manifest.reference());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
