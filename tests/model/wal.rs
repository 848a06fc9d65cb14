//! All WAL that anybody has, as one tree: a pod's WAL is the path from the root to its last entry,
//! and two histories that branched off share the path up to there. An entry's depth stands for its
//! LSN, its timeline number is the one that postgres wrote into the names of its files.

/// How many entries a tree can hold.
pub const ENTRIES: usize = 40;

/// The number of an entry in its tree.
pub type Place = u8;

/// The LSN of the oldest entry: below it lie 0, which is no location, and 1, which is every
/// location before the oldest entry.
pub const OLDEST: u8 = 2;

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Kind {
    Commit,
    /// The shutdown checkpoint of a primary.
    Shutdown,
    /// The first entry of a timeline, which ends a recovery.
    Promotion,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Entry {
    pub parent: Place,
    pub lsn: u8,
    pub timeline: u8,
    pub kind: Kind,
    /// A client was told that it is committed, and no operator gave it up since.
    pub acknowledged: bool,
}

#[derive(Clone, Copy, Debug)]
pub struct Tree {
    pub len: u8,
    pub entries: [Entry; ENTRIES],
}

impl PartialEq for Tree {
    fn eq(&self, other: &Self) -> bool {
        self.len == other.len
            && self.entries[..self.len as usize] == other.entries[..self.len as usize]
    }
}

impl Eq for Tree {}

impl Tree {
    /// One entry, on timeline 1.
    pub fn new() -> Self {
        let oldest = Entry {
            parent: 0,
            lsn: OLDEST,
            timeline: 1,
            kind: Kind::Shutdown,
            acknowledged: false,
        };
        Self {
            len: 1,
            entries: [oldest; ENTRIES],
        }
    }

    pub fn at(&self, place: Place) -> &Entry {
        &self.entries[place as usize]
    }

    /// Whether there is room for a few more entries.
    pub fn has_room(&self) -> bool {
        (self.len as usize) + 4 < ENTRIES
    }

    pub fn append(&mut self, parent: Place, timeline: u8, kind: Kind) -> Place {
        let place = self.len;
        self.entries[place as usize] = Entry {
            parent,
            lsn: self.at(parent).lsn + 1,
            timeline,
            kind,
            acknowledged: false,
        };
        self.len += 1;
        place
    }

    /// The entry of that LSN in the history that ends with `last`.
    pub fn entry_at(&self, last: Place, lsn: u8) -> Option<Place> {
        let mut place = last;
        while self.at(place).lsn > lsn && place > 0 {
            place = self.at(place).parent;
        }
        (self.at(place).lsn == lsn).then_some(place)
    }

    /// Whether one history is the beginning of the other.
    pub fn is_prefix(&self, short: Place, long: Place) -> bool {
        self.entry_at(long, self.at(short).lsn) == Some(short)
    }

    /// Where a history leaves a timeline of that number, or ends on it.
    fn end_of_timeline(&self, last: Place, timeline: u8) -> Option<u8> {
        let mut place = last;
        loop {
            let entry = self.at(place);
            if entry.timeline == timeline {
                return Some(entry.lsn);
            }
            if entry.timeline < timeline || entry.parent == place {
                return None;
            }
            place = entry.parent;
        }
    }

    /// Whether postgres lets a standby with the one history stream from a server with the other. It
    /// goes by the numbers of the timelines and by the primary's switchpoints (walreceiver.c,
    /// `WalReceiverMain`; walsender.c, `StartReplication`; xlogrecovery.c, `rescanLatestTimeLine`).
    pub fn may_stream(&self, standby: Place, primary: Place) -> bool {
        let (have, source) = (self.at(standby), self.at(primary));
        if source.timeline == have.timeline {
            return true;
        }
        let left_at = self.end_of_timeline(primary, have.timeline);
        source.timeline > have.timeline && left_at.is_some_and(|end| have.lsn <= end)
    }

    /// Whether the first history holds commits that the second lacks.
    pub fn has_more_commits(&self, first: Place, second: Place) -> bool {
        let mut place = first;
        while !self.is_prefix(place, second) {
            if self.at(place).kind == Kind::Commit {
                return true;
            }
            place = self.at(place).parent;
        }
        false
    }

    /// Gives up what is acknowledged and not in that history.
    pub fn give_up_beyond(&mut self, last: Place) {
        for place in 0..self.len {
            if self.at(place).acknowledged && !self.is_prefix(place, last) {
                self.entries[place as usize].acknowledged = false;
            }
        }
    }

    /// Whether everything that was acknowledged is in that history.
    pub fn holds_acknowledged(&self, last: Place) -> bool {
        (0..self.len).all(|place| !self.at(place).acknowledged || self.is_prefix(place, last))
    }
}
