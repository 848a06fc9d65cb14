//! Where a cluster's backups lie on this host, also after the cluster was deleted.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::backups::catalog::Catalog;
use crate::backups::directory::Directory;
use crate::cluster::Cluster;
use crate::controller::{Controller, Kind};
use crate::docker::engine::Docker;
use crate::model::refusal::{Refusal, Result};
use crate::model::resource_ref::ResourceRef;
use crate::wire::deployed_spec::{Backups, DeployedSpec, is_cluster};

/// A cluster's backups.
pub(crate) struct Place {
    pub(crate) cluster: ResourceRef,
    /// None before the first boot.
    pub(crate) directory: Option<Directory>,
}

/// What the places are found with.
#[derive(Clone, Copy)]
pub(crate) struct Finder<'a> {
    pub(crate) controller: &'a dyn Controller,
    pub(crate) docker: Docker<'a>,
    /// Where a cluster's directory is, unless its block says otherwise.
    pub(crate) root: &'a Path,
}

impl Place {
    /// The files and the containers there are.
    pub(crate) fn catalog(&self, docker: Docker<'_>) -> anyhow::Result<Catalog> {
        Catalog::read(&self.cluster, self.directory.as_ref(), docker)
    }
}

/// The host directory that a cluster's pods mount.
pub(crate) fn path(cluster: &ResourceRef, deployed: &DeployedSpec) -> Result<PathBuf> {
    match &deployed.backups {
        Backups::Host(path) => Ok(path.clone()),
        Backups::Volume(volume) => Err(Refusal::new(
            format!(
                "{cluster}: /backups is the docker volume {volume}, and backups need a directory of the host"
            ),
            "take /backups out of the block's volumes, or put a directory of the host there, and apply",
        )),
    }
}

/// The same directory, open.
pub(crate) fn directory(cluster: &Cluster) -> anyhow::Result<Directory> {
    let path = path(&cluster.reference, &cluster.deployed)?;
    let directory = Directory::open(&path)?.ok_or_else(|| {
        Refusal::new(
            format!(
                "{}: there is no directory {}",
                cluster.reference,
                path.display()
            ),
            "the pods make it when they start: apply the cluster's block, vd apply -f <file>",
        )
    })?;
    Ok(directory)
}

impl Finder<'_> {
    /// The backups of one cluster.
    pub(crate) fn find(&self, cluster: &ResourceRef) -> anyhow::Result<Place> {
        let stored = self.controller.spec(Kind::Statefulset, cluster)?;
        let (path, stored) = match stored {
            Some(spec) => (path(cluster, &DeployedSpec::read(cluster, spec)?)?, true),
            None => (cluster.backups_dir(self.root), false),
        };
        let directory = Directory::open(&path)?;
        if directory.is_none() && !stored {
            return Err(Refusal::new(
                format!("{cluster}: there is no postgres cluster of that name"),
                "check the spelling; vd pg:backups lists the backups of all clusters",
            )
            .into());
        }
        Ok(Place {
            cluster: cluster.clone(),
            directory,
        })
    }

    /// The clusters that have pods, or once had a directory, of one scope or of all.
    pub(crate) fn clusters(&self, scope: Option<&str>) -> anyhow::Result<BTreeSet<ResourceRef>> {
        let mut clusters = self.directories();
        for reference in self.docker.statefulsets()? {
            let spec = self.controller.spec(Kind::Statefulset, &reference)?;
            if spec.is_some_and(|spec| is_cluster(&spec)) {
                clusters.insert(reference);
            }
        }
        clusters.retain(|cluster| scope.is_none_or(|scope| cluster.scope() == scope));
        Ok(clusters)
    }

    /// Whatever could be a cluster's directory below the root, which belongs to root.
    fn directories(&self) -> BTreeSet<ResourceRef> {
        let mut found = BTreeSet::new();
        for scope in folders(self.root) {
            for name in folders(&self.root.join(&scope)) {
                found.extend(ResourceRef::new(&scope, &name));
            }
        }
        found
    }
}

fn folders(path: &Path) -> Vec<String> {
    let entries = fs::read_dir(path).into_iter().flatten().flatten();
    let folders = entries.filter(|entry| entry.path().is_dir());
    let names = folders.map(|entry| entry.file_name().into_string());
    names.filter_map(std::result::Result::ok).collect()
}
