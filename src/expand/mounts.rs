//! What lies where in the pods: the host paths that all of them share, and each pod's own volumes.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use crate::expand::assets;
use crate::expand::blocks::labelled;
use crate::expand::checks::{docker_name, mount_path};
use crate::expand::option_mounts::destinations;
use crate::expand::shape::{ANYTHING, Field, Shape, block, texts};
use crate::expand::volume::{Volume, normalised};
use crate::model::excerpt::excerpt;
use crate::model::field;
use crate::model::refusal::{Refusal, Result};
use crate::model::resource_ref::ResourceRef;

/// Where each pod's own `data` volume lies.
const DATA: &str = "/var/lib/postgresql/data";
const BACKUPS: &str = "/backups";

static CLAIM: &[Field] = &[
    Field {
        name: "mount_path",
        shape: Shape::Text(mount_path),
    },
    Field {
        name: "name",
        shape: Shape::Text(docker_name),
    },
    Field {
        name: "size",
        shape: Shape::Text(ANYTHING),
    },
];

/// The statefulset's `volumes` and `volume_claims`.
pub(super) struct Mounts {
    pub(super) volumes: Vec<String>,
    pub(super) claims: Vec<Value>,
}

impl Mounts {
    /// Merges the operator's mounts with ours.
    pub(super) fn merge(
        operators: &Map<String, Value>,
        cluster: &ResourceRef,
        backups_root: &Path,
    ) -> Result<Self> {
        let mut taken = Vec::new();
        let theirs = operators_volumes(operators, &mut taken)?;
        let claims = claims(operators, &mut taken)?;
        check_options(operators, &mut taken)?;
        let mut volumes = Vec::new();
        for (destination, ours) in our_volumes(cluster, backups_root) {
            let replaced = theirs
                .iter()
                .find(|theirs| theirs.destination == destination);
            volumes.push(replaced.map_or(ours, |theirs| theirs.text.clone()));
        }
        let added = theirs
            .into_iter()
            .filter(|theirs| !is_ours(&theirs.destination));
        volumes.extend(added.map(|theirs| theirs.text));
        Ok(Self { volumes, claims })
    }

    /// The host directory behind `/backups`; a named volume has none.
    pub(super) fn backups_dir(&self) -> Option<PathBuf> {
        let volumes = self.volumes.iter().filter_map(|text| Volume::parse(text));
        let backups = volumes
            .into_iter()
            .find(|volume| volume.destination == BACKUPS)?;
        backups
            .source
            .starts_with('/')
            .then(|| PathBuf::from(backups.source))
    }
}

/// Destination and text of our volumes, in the order in which they are emitted.
fn our_volumes(cluster: &ResourceRef, backups_root: &Path) -> Vec<(&'static str, String)> {
    let files = assets::FILES.iter().map(|(key, path)| {
        let source = cluster.asset(key);
        (*path, format!("{source}:{path}:ro"))
    });
    let backups = cluster.backups_dir(backups_root);
    let backups = (BACKUPS, format!("{}:{BACKUPS}:rw", backups.display()));
    files.chain(std::iter::once(backups)).collect()
}

/// Where something of ours lies.
fn places() -> impl Iterator<Item = &'static str> {
    let files = assets::FILES.iter().map(|(_, path)| *path);
    files.chain([BACKUPS, DATA])
}

fn is_below(path: &str, directory: &str) -> bool {
    path != directory && Path::new(path).starts_with(directory)
}

fn is_ours(destination: &str) -> bool {
    destination == BACKUPS || assets::FILES.iter().any(|(_, path)| *path == destination)
}

fn operators_volumes(block: &Map<String, Value>, taken: &mut Vec<String>) -> Result<Vec<Volume>> {
    let Some(value) = field::present(block, "volumes") else {
        return Ok(Vec::new());
    };
    let mut volumes = Vec::new();
    for (index, text) in texts("volumes", value, ANYTHING)?.iter().enumerate() {
        let name = format!("volumes[{index}]");
        let volume = Volume::parse(text).ok_or_else(|| {
            Refusal::new(
                format!("{name}: docker cannot mount {}", excerpt(text)),
                "write \"/host/path:/path\" or \"volume-name:/path\", and :ro behind it if wanted",
            )
        })?;
        take(&name, &volume.destination, taken)?;
        volumes.push(volume);
    }
    Ok(volumes)
}

/// What `docker_options` mount gets no place of ours either.
fn check_options(operators: &Map<String, Value>, taken: &mut Vec<String>) -> Result<()> {
    let Some(value) = field::present(operators, "docker_options") else {
        return Ok(());
    };
    for (index, path) in destinations(&texts("docker_options", value, ANYTHING)?) {
        let name = format!("docker_options[{index}]");
        let destination = normalised(&path);
        if path.starts_with('/') && is_ours(&destination) {
            return Err(Refusal::new(
                format!("{name}: the plugin mounts something of its own there"),
                "to replace what lies there, use volumes; otherwise mount it at another path",
            ));
        }
        if path.starts_with('/') {
            take(&name, &destination, taken)?;
        }
    }
    Ok(())
}

/// Refuses a path that is taken, or that lies on the data.
fn take(name: &str, destination: &str, taken: &mut Vec<String>) -> Result<()> {
    if Path::new(destination).starts_with(DATA) || destination == "/" {
        return Err(Refusal::new(
            format!("{name}: {DATA} is each pod's own data, and nothing else may lie on it"),
            "mount it at another path",
        ));
    }
    if let Some(inside) = places().find(|ours| is_below(ours, destination)) {
        return Err(Refusal::new(
            format!(
                "{name}: {} would lie over {inside}, which the plugin mounts in there: docker makes the place for it in what you mount, or starts nothing where that is read-only",
                excerpt(destination)
            ),
            format!(
                "mount single files into the directory instead, as in \"/host/my.file:{destination}/my.file:ro\", or mount the directory at another path"
            ),
        ));
    }
    if let Some(around) = places().find(|ours| is_below(destination, ours)) {
        return Err(Refusal::new(
            format!("{name}: {around} is the plugin's own, and nothing else may lie in it"),
            "mount it at another path",
        ));
    }
    if taken.iter().any(|other| other == destination) {
        return Err(Refusal::new(
            format!(
                "{name}: something else is already mounted at {}",
                excerpt(destination)
            ),
            "mount it at another path, or drop one of both",
        ));
    }
    taken.push(destination.to_owned());
    Ok(())
}

/// Our `data` claim first, with what the operator says about it, then the operator's others.
fn claims(operators: &Map<String, Value>, taken: &mut Vec<String>) -> Result<Vec<Value>> {
    let mut claims = vec![json!({"name": "data", "mount_path": DATA})];
    for (path, claim) in labelled(operators, "volume_claim", "volume_claims")? {
        let claim = block(&path, &claim, CLAIM)?;
        if claim.get("name").is_some_and(|name| name == "data") {
            claims[0] = data_claim(&path, claim)?;
            continue;
        }
        let Some(destination) = claim.get("mount_path").and_then(Value::as_str) else {
            return Err(Refusal::new(
                format!("{path}.mount_path: missing, and voodu mounts no claim without one"),
                "say where the volume belongs in the pods",
            ));
        };
        let destination = normalised(destination);
        if is_ours(&destination) {
            return Err(Refusal::new(
                format!("{path}.mount_path: the plugin mounts something of its own there"),
                "mount it at another path",
            ));
        }
        take(&format!("{path}.mount_path"), &destination, taken)?;
        claims.push(Value::Object(claim));
    }
    Ok(claims)
}

fn data_claim(path: &str, mut claim: Map<String, Value>) -> Result<Value> {
    let given = claim
        .get("mount_path")
        .and_then(Value::as_str)
        .unwrap_or(DATA);
    if normalised(given) != DATA {
        return Err(Refusal::new(
            format!("{path}.mount_path: the data's place is fixed"),
            format!("leave it out or write {DATA}"),
        ));
    }
    claim.insert("mount_path".to_owned(), DATA.into());
    Ok(Value::Object(claim))
}

#[cfg(test)]
#[path = "mounts_tests.rs"]
mod tests;
