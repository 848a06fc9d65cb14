//! Replication slots that keep WAL for a reader that does not come.

use super::{Check, Problem};
use crate::cluster::survey::PodReport;
use crate::model::byte_size::ByteSize;
use crate::postgres::prospects::Slot;

/// As much as `wal_keep_size` keeps for a standby that is away.
const MUCH: u64 = 1 << 30;

impl Check<'_> {
    pub(super) fn slots(&self, pod: &PodReport) -> Vec<Problem> {
        let (Some(server), Some(prospects)) =
            (pod.server(), self.condition.prospects.get(&pod.ordinal))
        else {
            return Vec::new();
        };
        let is_standby = server.in_recovery && !self.is_in_passing();
        let slots = prospects.slots.iter();
        slots
            .filter_map(|slot| self.slot(pod, slot, is_standby))
            .collect()
    }

    /// A slot of a demoted primary stays behind with it. It is not dropped by the plugin: until its
    /// WAL is gone, a promotion of that pod gives the reader its place back.
    fn slot(&self, pod: &PodReport, slot: &Slot, is_standby: bool) -> Option<Problem> {
        let (name, what) = (&pod.container, slot.described());
        let held = slot.held.unwrap_or_default();
        let bytes = ByteSize(held);
        let strained = matches!(slot.status.as_deref(), Some("extended" | "unreserved"));
        let what = if slot.status.as_deref() == Some("lost") {
            format!(
                "{what} of {name} has lost WAL that its reader had not read, which has to start anew"
            )
        } else if is_standby && !slot.active && !slot.synced && slot.held.is_some() {
            format!("{what} of {name}, a standby, keeps {bytes} of WAL, and nobody reads it")
        } else if strained || (!slot.active && held > MUCH) {
            let whose = if slot.active {
                "its reader is behind"
            } else {
                "nobody reads it"
            };
            format!("{what} of {name} keeps {bytes} of WAL, and {whose}")
        } else {
            return None;
        };
        Some(Problem::new(
            what,
            format!(
                "start its reader, or give it up: vd pg:psql {} --replica {} -c \"{}\"",
                self.reference(),
                pod.ordinal,
                slot.drop()
            ),
        ))
    }
}
