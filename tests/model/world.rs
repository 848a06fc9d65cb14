//! The state of everything that takes part.

/// A pod's number.
pub type Pod = usize;

/// An entry of the WAL. No two are the same, so a history that branched off can be told.
pub type Entry = u8;

/// The shared record.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Record {
    pub epoch: u8,
    pub primary: Pod,
    pub state: State,
    pub clean: Option<Pod>,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum State {
    Steady,
    Handover {
        target: Pod,
        stopped_at: Option<Entry>,
    },
}

/// What runs in a pod.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Server {
    Down,
    Standby,
    /// Told to be a primary, and not one yet.
    Promoting,
    /// Accepts writes.
    Primary,
    /// Accepts none any more, and has not written its last record.
    Stopping,
    /// Wrote its shutdown checkpoint, and still sends.
    Draining,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Member {
    /// Whether the supervisor runs.
    pub up: bool,
    /// The record as it last saw it.
    pub view: Option<Record>,
    pub server: Server,
    /// Whether the data directory is a standby's.
    pub standby: bool,
    /// Whether the data was shut down cleanly, as a primary's.
    pub clean: bool,
    pub wal: Vec<Entry>,
}

impl Member {
    /// Whether a standby can get entries from it.
    pub fn sends(&self) -> bool {
        matches!(
            self.server,
            Server::Primary | Server::Stopping | Server::Draining
        )
    }

    pub fn writes(&self) -> bool {
        self.server == Server::Primary
    }

    /// The supervisor and its server are gone, at once.
    pub fn dies(&mut self) {
        let draining = self.server == Server::Draining;
        if self.sends() {
            self.clean = draining;
        }
        self.up = false;
        self.view = None;
        self.server = Server::Down;
    }
}

/// How much of everything a run may still hold.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Budget {
    pub commits: u8,
    pub crashes: u8,
    pub handovers: u8,
    pub forced: u8,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct World {
    pub record: Record,
    pub pods: Vec<Member>,
    /// What clients were told to be committed and no forced failover gave up.
    pub acknowledged: Vec<Entry>,
    /// The plugin's view; none while it does not run.
    pub plugin: Option<Record>,
    /// The plugin saw to it that the old primary's container does not run.
    pub killed: bool,
    pub left: Budget,
    next: Entry,
}

impl World {
    /// Pod 0 is the primary, everybody else has all that it has.
    pub fn new(pods: usize, left: Budget) -> Self {
        let record = Record {
            epoch: 0,
            primary: 0,
            state: State::Steady,
            clean: None,
        };
        let member = |pod| Member {
            up: true,
            view: Some(record),
            server: if pod == 0 {
                Server::Primary
            } else {
                Server::Standby
            },
            standby: pod != 0,
            clean: false,
            wal: Vec::new(),
        };
        Self {
            record,
            pods: (0..pods).map(member).collect(),
            acknowledged: Vec::new(),
            plugin: None,
            killed: false,
            left,
            next: 1,
        }
    }

    /// A new entry at the end of a pod's WAL.
    pub fn append(&mut self, pod: Pod) -> Entry {
        let entry = self.next;
        self.next += 1;
        self.pods[pod].wal.push(entry);
        entry
    }

    /// Replaces the record under its lock, if it is still the one that was decided on.
    pub fn replace(&mut self, decided_on: Record, change: impl FnOnce(&mut Record)) -> bool {
        if self.record != decided_on {
            return false;
        }
        self.record.epoch += 1;
        change(&mut self.record);
        true
    }

    pub fn writers(&self) -> impl Iterator<Item = Pod> {
        (0..self.pods.len()).filter(|pod| self.pods[*pod].writes())
    }

    /// What must never be true, in words.
    pub fn violation(&self) -> Option<String> {
        let writers: Vec<_> = self.writers().collect();
        if writers.len() > 1 {
            return Some(format!("pods {writers:?} accept writes"));
        }
        let lost = |pod: &Pod| {
            let wal = &self.pods[*pod].wal;
            self.acknowledged.iter().any(|entry| !wal.contains(entry))
        };
        let pod = writers.into_iter().find(lost)?;
        Some(format!(
            "pod {pod} accepts writes without all that was acknowledged"
        ))
    }
}
