//! A world as few bytes as it takes.

use crate::wal::{Kind, Tree};
use crate::world::{
    Budget, Member, NOBODY, PODS, Plugin, Pod, Record, Request, Restore, Server, Shape, State,
    World,
};

/// The most bytes of a packed world.
pub const LONGEST: usize = 192;

pub struct Packed {
    pub bytes: [u8; LONGEST],
    pub len: usize,
}

impl Packed {
    pub fn bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }

    fn add(&mut self, byte: u8) {
        self.bytes[self.len] = byte;
        self.len += 1;
    }
}

/// The different records of a world; most of them are the same one.
struct Records {
    known: [Record; 8],
    count: u8,
}

impl Records {
    fn number(&mut self, record: &Record) -> u8 {
        for number in 0..self.count {
            if self.known[number as usize] == *record {
                return number;
            }
        }
        self.known[self.count as usize] = *record;
        self.count += 1;
        self.count - 1
    }
}

fn two_bits(pod: Pod) -> u8 {
    if pod == NOBODY { 3 } else { pod }
}

fn pod_of(bits: u8) -> Pod {
    match bits & 3 {
        3 => NOBODY,
        pod => pod,
    }
}

pub fn pack(world: &World) -> Packed {
    let mut out = Packed {
        bytes: [0; LONGEST],
        len: 0,
    };
    let mut records = Records {
        known: [Record::NONE; 8],
        count: 0,
    };
    let shared = records.number(&world.record);
    let viewed = records.number(&world.plugin.view);
    out.add(shared | viewed << 4);
    out.add(
        u8::from(world.full)
            | u8::from(world.plugin.fenced) << 1
            | two_bits(world.plugin.informs) << 2
            | world.count << 4
            | two_bits(world.plugin.saw_writer) << 6,
    );
    let (kind, epoch) = match world.request {
        Request::None => (0, 0),
        Request::Asked(epoch) => (1, epoch),
    };
    out.add(kind | world.backup << 2);
    out.add(epoch);
    out.add(two_bits(world.told));
    for member in world.members() {
        let numbers = records.number(&member.view) | records.number(&member.copy) << 4;
        pack_member(&mut out, member, numbers);
    }
    pack_budget(&mut out, &world.left);
    out.add(records.count);
    for record in &records.known[..records.count as usize] {
        pack_record(&mut out, record);
    }
    out.add(world.wal.len);
    for entry in &world.wal.entries[..world.wal.len as usize] {
        out.add(entry.parent | (entry.kind as u8) << 6);
        out.add(entry.timeline | u8::from(entry.acknowledged) << 7);
    }
    out
}

fn pack_member(out: &mut Packed, member: &Member, records: u8) {
    out.add(records);
    out.add(
        u8::from(member.up)
            | u8::from(member.gone) << 1
            | u8::from(member.clean) << 2
            | u8::from(member.interrupted) << 3
            | u8::from(member.stamped) << 4
            | u8::from(member.torn) << 5
            | member.reserve << 6,
    );
    out.add(
        member.server as u8
            | (member.shape as u8) << 3
            | (member.restore as u8) << 5
            | u8::from(member.old_is_standby) << 7,
    );
    out.add(member.announced);
    out.add(member.goal);
    out.add(member.wal);
    out.add(member.old_wal);
}

fn pack_budget(out: &mut Packed, left: &Budget) {
    let Budget {
        commits,
        crashes,
        losses,
        full,
        volumes,
        gone,
        handovers,
        forced,
        rejoins,
        restores,
        handed_back,
    } = *left;
    for (low, high) in [
        (commits, crashes),
        (losses, full),
        (volumes, gone),
        (handovers, forced),
        (rejoins, restores),
        (handed_back, 0),
    ] {
        out.add(low | high << 4);
    }
}

fn pack_record(out: &mut Packed, record: &Record) {
    out.add(record.epoch);
    out.add(
        record.primary
            | (record.state as u8) << 2
            | two_bits(record.target) << 4
            | two_bits(record.rejoin) << 6,
    );
    out.add(record.stopped_at);
    out.add(record.timeline);
    out.add(record.settles);
    for location in record.clean {
        out.add(location);
    }
}

struct Bytes<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Bytes<'_> {
    fn next(&mut self) -> u8 {
        self.at += 1;
        self.bytes[self.at - 1]
    }
}

pub fn unpack(bytes: &[u8]) -> World {
    let mut bytes = Bytes { bytes, at: 0 };
    let mut world = World::new(0, 0, Budget::default());
    let of_records = bytes.next();
    let bits = bytes.next();
    world.full = bits & 1 > 0;
    world.count = bits >> 4 & 3;
    world.plugin = Plugin {
        view: Record::NONE,
        saw_writer: pod_of(bits >> 6),
        fenced: bits & 2 > 0,
        informs: pod_of(bits >> 2),
    };
    let of_request = bytes.next();
    let epoch = bytes.next();
    world.told = pod_of(bytes.next());
    world.backup = of_request >> 2;
    world.request = match of_request & 3 {
        0 => Request::None,
        _ => Request::Asked(epoch),
    };
    let mut of_members = [0; PODS];
    for pod in 0..world.count as usize {
        of_members[pod] = bytes.next();
        unpack_member(&mut bytes, &mut world.pods[pod]);
    }
    unpack_budget(&mut bytes, &mut world.left);
    let mut records = [Record::NONE; 8];
    let count = bytes.next() as usize;
    for record in &mut records[..count] {
        *record = unpack_record(&mut bytes);
    }
    world.record = records[(of_records & 15) as usize];
    world.plugin.view = records[(of_records >> 4) as usize];
    for pod in 0..world.count as usize {
        world.pods[pod].view = records[(of_members[pod] & 15) as usize];
        world.pods[pod].copy = records[(of_members[pod] >> 4) as usize];
    }
    world.wal = unpack_tree(&mut bytes);
    world
}

fn unpack_member(bytes: &mut Bytes<'_>, member: &mut Member) {
    let bits = bytes.next();
    member.up = bits & 1 > 0;
    member.gone = bits & 2 > 0;
    member.clean = bits & 4 > 0;
    member.interrupted = bits & 8 > 0;
    member.stamped = bits & 16 > 0;
    member.torn = bits & 32 > 0;
    member.reserve = bits >> 6;
    let bits = bytes.next();
    member.server = [
        Server::Down,
        Server::Standby,
        Server::Promoting,
        Server::Primary,
        Server::Stopping,
        Server::Draining,
    ][(bits & 7) as usize];
    member.shape =
        [Shape::Empty, Shape::Clone, Shape::Standby, Shape::Primary][(bits >> 3 & 3) as usize];
    member.restore = [
        Restore::Nothing,
        Restore::SwappedIn,
        Restore::Started,
        Restore::Stamped,
    ][(bits >> 5 & 3) as usize];
    member.announced = bytes.next();
    member.old_is_standby = bits >> 7 > 0;
    member.goal = bytes.next();
    member.wal = bytes.next();
    member.old_wal = bytes.next();
}

fn unpack_budget(bytes: &mut Bytes<'_>, left: &mut Budget) {
    let mut both = || {
        let byte = bytes.next();
        (byte & 15, byte >> 4)
    };
    (left.commits, left.crashes) = both();
    (left.losses, left.full) = both();
    (left.volumes, left.gone) = both();
    (left.handovers, left.forced) = both();
    (left.rejoins, left.restores) = both();
    (left.handed_back, _) = both();
}

fn unpack_record(bytes: &mut Bytes<'_>) -> Record {
    let epoch = bytes.next();
    let bits = bytes.next();
    Record {
        epoch,
        primary: bits & 3,
        state: [State::Steady, State::Handover, State::Maintenance][(bits >> 2 & 3) as usize],
        target: pod_of(bits >> 4),
        rejoin: pod_of(bits >> 6),
        stopped_at: bytes.next(),
        timeline: bytes.next(),
        settles: bytes.next(),
        clean: [bytes.next(), bytes.next(), bytes.next()],
    }
}

fn unpack_tree(bytes: &mut Bytes<'_>) -> Tree {
    let mut tree = Tree::new();
    let len = bytes.next();
    for place in 0..len {
        let (parent, second) = (bytes.next(), bytes.next());
        let kind = [Kind::Commit, Kind::Shutdown, Kind::Promotion][(parent >> 6) as usize];
        if place == 0 {
            tree.entries[0].timeline = second & 127;
            tree.entries[0].kind = kind;
        } else {
            tree.append(parent & 63, second & 127, kind);
        }
        tree.entries[place as usize].acknowledged = second & 128 > 0;
    }
    tree
}
