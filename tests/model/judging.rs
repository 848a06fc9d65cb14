//! What must never be true of a world.

use crate::world::{Pod, Server, World};

/// What must never happen.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Violation {
    /// Two pods accept writes.
    TwoWriters,
    /// A pod accepts writes without all that was acknowledged and not given up.
    Lost,
    /// A standby streams, has no more than its primary, and has another history.
    CalledWell,
    /// A rejoin gives commits up and was told that there are none.
    Misjudged,
    /// A pod that handed over and lost nothing meets the split-brain guard.
    Guarded,
    /// The pods alone do not get to a writer, and no operator is known to be needed.
    NoWriter,
    /// Not with what the documentation tells an operator to do either.
    NoWayOut,
}

impl World {
    /// Whether a standby streams from a pod, as far as postgres can tell.
    pub fn streams(&self, standby: Pod, primary: Pod) -> bool {
        let (member, source) = (self.pod(standby), self.pod(primary));
        member.server == Server::Standby
            && standby != primary
            && member.view.exists()
            && member.view.primary == primary
            && source.sends()
            && self.wal.may_stream(member.wal, source.wal)
    }

    /// Whether everybody who looks at a standby would call it well.
    fn is_called_well(&self, standby: Pod, primary: Pod, by_flush: bool) -> bool {
        let (have, source) = (self.pod(standby).wal, self.pod(primary).wal);
        self.streams(standby, primary)
            && (!by_flush || self.wal.at(have).lsn <= self.wal.at(source).lsn)
    }

    /// What must never be true, and is.
    pub fn violation(&self, by_flush: bool) -> Option<Violation> {
        if self.misjudged {
            return Some(Violation::Misjudged);
        }
        let writer = self.writer()?;
        if (writer + 1..self.count).any(|pod| self.pod(pod).writes()) {
            return Some(Violation::TwoWriters);
        }
        let end = self.pod(writer).wal;
        if !self.wal.holds_acknowledged(end) {
            return Some(Violation::Lost);
        }
        let fooled = |standby: Pod| {
            self.is_called_well(standby, writer, by_flush)
                && !self.wal.is_prefix(self.pod(standby).wal, end)
        };
        if (0..self.count).any(fooled) {
            return Some(Violation::CalledWell);
        }
        None
    }
}
