//! Disks that are full, and pods that cannot write the record of who is primary.

use super::{Check, Problem};
use crate::cluster::handover::needs::needed_for_wal;
use crate::cluster::survey::PodReport;
use crate::model::byte_size::ByteSize;

/// A record is small; less than this means that something else fills the disk.
const LEAST_BACKUPS: u64 = 16 << 20;

impl Check<'_> {
    pub(super) fn rooms(&self, pod: &PodReport) -> Vec<Problem> {
        let Some(room) = self.condition.rooms.get(&pod.ordinal) else {
            return Vec::new();
        };
        let name = &pod.container;
        let prospects = self.condition.prospects.get(&pod.ordinal);
        let needed = needed_for_wal(&prospects.cloned().unwrap_or_default());
        let mut problems = Vec::new();
        if room.data < needed {
            problems.push(Problem::new(
                format!("{name} has {} free for WAL, less than {}", ByteSize(room.data), ByteSize(needed)),
                format!("make room on the disk of its volume (docker exec {name} df -h): a server that cannot write WAL stops"),
            ));
        }
        if let Some(complaint) = &room.complaint {
            problems.push(Problem::new(
                format!("{name} cannot write the record of who is primary: {complaint}"),
                format!("put /backups right: docker exec {name} df -h /backups, docker exec {name} ls -ld /backups"),
            ));
        } else if room.backups < LEAST_BACKUPS {
            problems.push(Problem::new(
                format!("/backups of {name} has {} free", ByteSize(room.backups)),
                format!(
                    "make room there: vd pg:backups:prune {}, or docker exec {name} df -h /backups",
                    self.reference()
                ),
            ));
        }
        problems
    }
}
