//! Assets: files on the host that containers mount, and the digests that tie a container to
//! the content it was created with.

mod references;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use base64::Engine as _;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use references::Reference;
pub(crate) use references::resolve;

use crate::clock;
use crate::files;
use crate::manifest::{Kind, Manifest, ResourceId};
use crate::store::Store;

/// The directory an asset's files are written to.
pub(crate) fn directory(root: &Path, id: &ResourceId) -> PathBuf {
    let assets = root.join("assets");
    if id.scope.is_empty() {
        assets.join(&id.name)
    } else {
        assets.join(&id.scope).join(&id.name)
    }
}

/// Writes an asset's files, deletes undeclared ones, records the digests and answers them.
pub(crate) fn materialise(
    root: &Path,
    store: &Store,
    manifest: &Manifest,
) -> Result<BTreeMap<String, String>> {
    let id = manifest.id();
    refuse_escape(&id)?;
    let directory = directory(root, &id);
    let mut digests = BTreeMap::new();
    let declared = manifest.spec.get("files").and_then(Value::as_object);
    for (key, source) in declared.unwrap_or(&Map::new()) {
        if !is_key(key) {
            bail!("file key {key:?}: only letters, digits, '_' and '-' are allowed");
        }
        let content = content(source).with_context(|| key.clone())?;
        files::write(&directory.join(key), &content, 0o644)?;
        digests.insert(key.clone(), hex::encode(Sha256::digest(&content)));
    }
    remove_undeclared(&directory, &digests)?;
    store.update_status(Kind::Asset, &id, |status| {
        *status = json!({"files": digests, "materialised_at": clock::now()});
    })?;
    Ok(digests)
}

/// Stamps the digest of every referenced file into the consumers of a batch; a reference that
/// leads nowhere refuses the whole apply.
pub(crate) fn stamp(root: &Path, store: &Store, batch: &mut [Manifest]) -> Result<()> {
    for manifest in batch.iter().filter(|m| m.kind == Kind::Asset.as_str()) {
        materialise(root, store, manifest).with_context(|| manifest.reference())?;
    }
    let consumes = |kind: &str| matches!(kind, "deployment" | "statefulset");
    for manifest in batch.iter_mut().filter(|m| consumes(&m.kind)) {
        let reference = manifest.reference();
        stamp_consumer(store, &mut manifest.spec).with_context(|| reference)?;
    }
    Ok(())
}

fn stamp_consumer(store: &Store, spec: &mut Value) -> Result<()> {
    let Some(fields) = spec.as_object_mut() else {
        return Ok(());
    };
    fields.remove("_asset_digests");
    let mut digests = Map::new();
    for reference in references::in_spec(fields)? {
        let Some(digest) = digest(store, &reference) else {
            bail!(
                "unresolved asset reference \"{reference}\" (not in this apply, and never written)"
            );
        };
        digests.insert(reference.to_string(), Value::from(digest));
    }
    if !digests.is_empty() {
        fields.insert("_asset_digests".to_owned(), Value::Object(digests));
    }
    Ok(())
}

/// Today's digests of what a spec refers to; for specs that were stored without a stamp.
pub(crate) fn digests(store: &Store, spec: &Value) -> Result<BTreeMap<String, String>> {
    let Some(fields) = spec.as_object() else {
        return Ok(BTreeMap::new());
    };
    let found = references::in_spec(fields)?.into_iter().map(|reference| {
        let digest = digest(store, &reference).unwrap_or_default();
        (reference.to_string(), digest)
    });
    Ok(found.collect())
}

fn digest(store: &Store, reference: &Reference) -> Option<String> {
    let status = store.status(Kind::Asset, &reference.asset)?;
    Some(status["files"][&reference.key].as_str()?.to_owned())
}

fn is_key(key: &str) -> bool {
    !key.is_empty()
        && key
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-')
}

/// The platform checks neither scope nor name and would write outside its directory.
fn refuse_escape(id: &ResourceId) -> Result<()> {
    let escapes = |part: &str| part.contains('/') || part == "." || part == "..";
    if escapes(&id.scope) || escapes(&id.name) {
        bail!("asset {id} would be written outside the assets directory");
    }
    Ok(())
}

fn content(source: &Value) -> Result<Vec<u8>> {
    match (source, source["_source"].as_str()) {
        (Value::String(text), _) => Ok(text.as_bytes().to_vec()),
        (_, Some("file")) => {
            let encoded = source["content"].as_str().context("content is missing")?;
            base64::engine::general_purpose::STANDARD
                .decode(encoded)
                .context("content is not base64")
        }
        (_, Some("url")) => bail!("url sources are not fetched by the stand-in"),
        _ => bail!("unknown source (want a string, file or url)"),
    }
}

fn remove_undeclared(directory: &Path, declared: &BTreeMap<String, String>) -> Result<()> {
    let Ok(entries) = fs::read_dir(directory) else {
        return Ok(());
    };
    for entry in entries.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if entry.path().is_file() && !declared.contains_key(&name) {
            fs::remove_file(entry.path()).with_context(|| format!("remove {name}"))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
