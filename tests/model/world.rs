//! The state of everything that takes part, and what must never be true of it.

pub use crate::record::{Record, State};
use crate::wal::{Kind, Place, Tree};

/// The most pods that a world has.
pub const PODS: usize = 3;

/// A pod's number.
pub type Pod = u8;

/// No pod.
pub const NOBODY: Pod = 9;

/// What runs in a pod.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub enum Server {
    Down,
    Standby,
    /// Told to be a primary, and not one yet.
    Promoting,
    /// Accepts writes.
    Primary,
    /// Accepts none any more, and has not written its last record.
    Stopping,
    /// Wrote its shutdown checkpoint, and still sends or archives.
    Draining,
}

/// What a data directory looks like.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub enum Shape {
    Empty,
    /// A copy or a rewind that is not complete.
    Clone,
    Standby,
    Primary,
}

/// How far the recorded primary is with a physical restore.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Restore {
    Nothing,
    /// The backup is in the data directory's place.
    SwappedIn,
    /// It ran once, and is on a timeline of its own.
    Started,
    /// The shared stamp names it, and the record does not say so yet.
    Stamped,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Member {
    /// Whether the supervisor runs.
    pub up: bool,
    /// Whether it will never run again.
    pub gone: bool,
    pub server: Server,
    pub shape: Shape,
    /// Whether the data was shut down cleanly, as a primary's.
    pub clean: bool,
    /// The standby's signal is gone, and pg_control says that the data is in recovery.
    pub interrupted: bool,
    /// The timeline number that a promotion under way will take.
    pub goal: u8,
    /// Whether the volume's data come from the last restore, or there was none.
    pub stamped: bool,
    pub restore: Restore,
    /// How many times it can write the record on a full disk.
    pub reserve: u8,
    /// The record as it last saw it.
    pub view: Record,
    /// Its view is its own copy, by which it may not act: the shared record is lost or contradicts
    /// it.
    pub torn: bool,
    /// The epoch of the stop that it announced last, or was about to; 0 for none.
    pub announced: u8,
    /// The record in its volume.
    pub copy: Record,
    pub wal: Place,
    /// The end of the data from before a restore that is under way.
    pub old_wal: Place,
    /// Whether those are a standby's.
    pub old_is_standby: bool,
}

impl Member {
    pub fn has_data(&self) -> bool {
        self.shape >= Shape::Standby
    }

    /// Whether a standby can get entries from it.
    pub fn sends(&self) -> bool {
        self.server >= Server::Primary
    }

    pub fn writes(&self) -> bool {
        self.server == Server::Primary
    }

    /// The supervisor and its server are gone, at once.
    pub fn dies(&mut self) {
        if self.sends() {
            self.clean = self.server == Server::Draining;
        }
        self.up = false;
        self.view = Record::NONE;
        self.torn = false;
        self.server = Server::Down;
    }

    /// Its volume is lost with all that is in it.
    pub fn loses_volume(&mut self) {
        self.dies();
        self.shape = Shape::Empty;
        self.clean = false;
        self.interrupted = false;
        self.stamped = false;
        self.restore = Restore::Nothing;
        self.announced = 0;
        self.copy = Record::NONE;
        self.wal = 0;
        self.old_wal = 0;
        self.old_is_standby = false;
    }
}

/// How much of everything a run may still hold.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Budget {
    pub commits: u8,
    pub crashes: u8,
    /// Of the shared record.
    pub losses: u8,
    /// Times that the disk under the shared record fills up.
    pub full: u8,
    /// Volumes that are lost.
    pub volumes: u8,
    /// Pods that never come back.
    pub gone: u8,
    pub handovers: u8,
    pub forced: u8,
    pub rejoins: u8,
    pub restores: u8,
    pub handed_back: u8,
}

/// What the plugin is at.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Plugin {
    /// The record as it read it; none while the plugin does not run.
    pub view: Record,
    /// The pod that accepted writes when it looked, `NOBODY` for none; where a maintenance is ended and the
    /// restored pod is fenced, the one that is to be the primary.
    pub saw_writer: Pod,
    /// It saw to it that the old primary's container does not run.
    pub fenced: bool,
    /// The pod in whose volume it is about to leave the record.
    pub informs: Pod,
}

impl Plugin {
    pub const AWAY: Self = Self {
        view: Record::NONE,
        saw_writer: NOBODY,
        fenced: false,
        informs: NOBODY,
    };
}

/// A request for a physical restore, beside the record.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Request {
    None,
    /// For the maintenance of that epoch.
    Asked(u8),
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct World {
    pub count: u8,
    /// The shared record.
    pub record: Record,
    pub full: bool,
    pub request: Request,
    pub pods: [Member; PODS],
    pub wal: Tree,
    /// Where a physical backup ends.
    pub backup: Place,
    pub plugin: Plugin,
    /// The pod whose copy names a successor that no record has named yet, `NOBODY` for none.
    pub told: Pod,
    pub left: Budget,
    /// A rejoin was told that nothing is only in that pod, and commits are.
    pub misjudged: bool,
}

impl World {
    /// Pod 0 is the primary, everybody else has all that it has.
    pub fn new(count: u8, timeline: u8, left: Budget) -> Self {
        let record = Record {
            epoch: 1,
            timeline,
            ..Record::NONE
        };
        let standby = Member {
            up: true,
            gone: false,
            server: Server::Standby,
            shape: Shape::Standby,
            clean: false,
            interrupted: false,
            goal: 0,
            stamped: true,
            restore: Restore::Nothing,
            reserve: 2,
            view: record,
            torn: false,
            announced: 0,
            copy: record,
            wal: 0,
            old_wal: 0,
            old_is_standby: false,
        };
        let mut pods = [standby; PODS];
        pods[0].server = Server::Primary;
        pods[0].shape = Shape::Primary;
        Self {
            count,
            record,
            full: false,
            request: Request::None,
            pods,
            wal: Tree::new(),
            backup: 0,
            plugin: Plugin::AWAY,
            told: NOBODY,
            left,
            misjudged: false,
        }
    }

    pub fn pod(&self, pod: Pod) -> &Member {
        &self.pods[pod as usize]
    }

    pub fn pod_mut(&mut self, pod: Pod) -> &mut Member {
        &mut self.pods[pod as usize]
    }

    pub fn members(&self) -> &[Member] {
        &self.pods[..self.count as usize]
    }

    /// A new entry at the end of a pod's WAL.
    pub fn append(&mut self, pod: Pod, timeline: u8, kind: Kind) -> Place {
        let place = self.wal.append(self.pod(pod).wal, timeline, kind);
        self.pod_mut(pod).wal = place;
        place
    }

    /// The number of the timeline that a pod is on.
    pub fn timeline(&self, pod: Pod) -> u8 {
        self.wal.at(self.pod(pod).wal).timeline
    }

    pub fn writer(&self) -> Option<Pod> {
        (0..self.count).find(|pod| self.pod(*pod).writes())
    }
}
