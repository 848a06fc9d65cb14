//! One apply: expand, materialise and stamp assets, store in order, reconcile in order, prune.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::Serialize;

use crate::assets;
use crate::controller::Controller;
use crate::event::Event;
use crate::expand::Expansion;
use crate::manifest::{Kind, Manifest};
use crate::refusal::Refusal;

/// What the caller of an apply may choose.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ApplyOptions {
    /// Only say what would be stored; expand actions and asset files are written all the same.
    pub dry_run: bool,
    /// Delete stored siblings of the batch.
    pub prune: bool,
}

/// What an apply did.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct ApplyReport {
    /// The manifests, as stored.
    pub applied: Vec<Manifest>,
    /// What was stored before, in the same order; a dry run's answer only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub current: Option<Vec<Option<Manifest>>>,
    /// `kind/scope/name` of what was pruned.
    pub pruned: Vec<String>,
    /// Which blocks became which manifests.
    #[serde(rename = "plugin_expansions", skip_serializing_if = "Vec::is_empty")]
    pub expansions: Vec<Expansion>,
    /// What happened to containers. The platform's reply does not have this.
    pub changes: Changes,
}

/// What reconciling did to containers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Changes {
    /// Containers that were not there before.
    pub created: Vec<String>,
    /// Containers that are gone.
    pub removed: Vec<String>,
    /// Containers that were replaced, in that order.
    pub rolled: Vec<String>,
    /// `kind/scope/name: why` of what could not be reconciled.
    pub errors: Vec<String>,
}

impl Changes {
    /// Whether no container was touched and nothing failed.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    fn note(&mut self, event: Event) {
        match event {
            Event::Created { container } => self.created.push(container),
            Event::Removed { container } => self.removed.push(container),
            Event::Rolled { container, .. } => self.rolled.push(container),
            Event::ReconcileFailed { resource, error } => {
                self.errors.push(format!("{resource}: {error}"));
            }
            _ => {}
        }
    }
}

impl Controller {
    /// Applies a batch of blocks and manifests.
    pub(crate) fn apply(
        self: &Arc<Self>,
        batch: Vec<Manifest>,
        options: ApplyOptions,
    ) -> Result<ApplyReport, Refusal> {
        if batch.is_empty() {
            return Err(Refusal::bad_request("no manifests in body"));
        }
        let (mut manifests, expansions) = self.expand_blocks(batch)?;
        assets::stamp(&self.root, &self.store, &mut manifests)
            .map_err(|error| Refusal::bad_request(format!("asset stamping: {error:#}")))?;
        let mut report = ApplyReport {
            expansions,
            ..ApplyReport::default()
        };
        if options.dry_run {
            report.current = Some(manifests.iter().map(|m| self.stored(m)).collect());
            report.applied = manifests;
            return Ok(report);
        }
        for manifest in manifests {
            let stored = self
                .store
                .put(manifest)
                .map_err(|refusal| Refusal::bad_request(refusal.message))?;
            report.applied.push(stored);
        }
        let mark = self.events.len();
        for manifest in &report.applied {
            self.reconcile(manifest);
        }
        if options.prune {
            report.pruned = self.prune(&report.applied)?;
        }
        for event in self.events.since(mark) {
            report.changes.note(event);
        }
        Ok(report)
    }

    fn stored(&self, manifest: &Manifest) -> Option<Manifest> {
        self.store.get(Kind::exact(&manifest.kind)?, &manifest.id())
    }

    /// Deletes what is stored in the same kind and scope but not in the batch; never assets.
    fn prune(&self, applied: &[Manifest]) -> Result<Vec<String>, Refusal> {
        let kept: BTreeSet<String> = applied.iter().map(Manifest::reference).collect();
        let groups: BTreeSet<(&str, &str)> = applied
            .iter()
            .map(|m| (m.kind.as_str(), m.scope.as_str()))
            .collect();
        let mut pruned = Vec::new();
        for stored in self.store.list(None) {
            let reference = stored.reference();
            let sibling = groups.contains(&(stored.kind.as_str(), stored.scope.as_str()));
            match Kind::exact(&stored.kind) {
                Some(kind) if kind.needs_scope() && sibling && !kept.contains(&reference) => {
                    self.forget(kind, &stored.id())?;
                    pruned.push(reference);
                }
                _ => {}
            }
        }
        Ok(pruned)
    }
}
