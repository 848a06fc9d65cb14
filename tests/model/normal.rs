//! Worlds that differ in names only are one: which pod has which number, and where LSNs, epochs and
//! timeline numbers begin.

use crate::wal::{Entry, OLDEST, Place, Tree};
use crate::world::{Member, NOBODY, Pod, Record, Request, Restore, Server, World};

/// The lowest epoch that any record has. A record can name an earlier one: that with which a handover
/// began, or any before that, which is 1.
const LOWEST_EPOCH: i16 = 4;

pub fn normal(world: &World) -> World {
    let mut next = *world;
    sort_pods(&mut next);
    trim(&mut next);
    shift(&mut next);
    next
}

/// Each record in a world.
fn records(world: &mut World, mut change: impl FnMut(&mut Record)) {
    change(&mut world.record);
    change(&mut world.plugin.view);
    for member in &mut world.pods[..world.count as usize] {
        change(&mut member.view);
        change(&mut member.copy);
    }
}

/// What a pod is like without its number.
fn key(world: &World, pod: Pod) -> u64 {
    let member = world.pod(pod);
    let end = world.wal.at(member.wal);
    let named = |record: &Record, pod: Pod| record.exists() && record.primary == pod;
    let mut key = 0;
    let mut add = |value: u8| key = key << 7 | u64::from(value & 127);
    add(u8::from(named(&world.record, pod)) | u8::from(world.record.target == pod) << 1);
    add(member.server as u8 | (member.shape as u8) << 3);
    add(end.lsn);
    add(end.timeline);
    add(member.copy.epoch);
    add(member.view.epoch);
    add(u8::from(member.up)
        | u8::from(member.clean) << 1
        | u8::from(named(&member.view, pod)) << 2
        | u8::from(named(&member.copy, pod)) << 3
        | u8::from(member.copy.target == pod) << 4
        | u8::from(world.record.rejoin == pod) << 5);
    add(world.record.clean[pod as usize]);
    key
}

fn sort_pods(world: &mut World) {
    let count = world.count as usize;
    let mut order = [0u8, 1, 2];
    let mut keys = [0; 3];
    for pod in 0..count {
        keys[pod] = key(world, pod as u8);
    }
    for end in 1..count {
        let mut at = end;
        while at > 0 && keys[order[at] as usize] > keys[order[at - 1] as usize] {
            order.swap(at, at - 1);
            at -= 1;
        }
    }
    if order == [0, 1, 2] {
        return;
    }
    let mut place_of = [0u8; 3];
    for (place, pod) in order.iter().enumerate() {
        place_of[*pod as usize] = place as u8;
    }
    let renamed = |pod: &mut Pod| {
        if *pod != NOBODY {
            *pod = place_of[*pod as usize];
        }
    };
    records(world, |record| {
        renamed(&mut record.primary);
        renamed(&mut record.target);
        renamed(&mut record.rejoin);
        let clean = record.clean;
        for pod in 0..3 {
            record.clean[place_of[pod] as usize] = clean[pod];
        }
    });
    renamed(&mut world.told);
    renamed(&mut world.plugin.informs);
    renamed(&mut world.plugin.saw_writer);
    let pods = world.pods;
    for (place, pod) in order.iter().enumerate() {
        world.pods[place] = pods[*pod as usize];
    }
}

/// Drops entries that nobody refers to, and those that everybody has, and numbers the rest anew.
fn trim(world: &mut World) {
    let old = world.wal;
    let mut needed = [false; crate::wal::ENTRIES];
    let mut ends: [Place; 16] = [0; 16];
    let mut count = 0;
    let mut end = |place: Place| {
        ends[count] = place;
        count += 1;
    };
    for member in world.members() {
        if member.has_data() {
            end(member.wal);
        }
        if has_old_data(member) {
            end(member.old_wal);
        }
    }
    if world.left.restores > 0 || world.request != Request::None {
        end(world.backup);
    }
    for place in &ends[..count] {
        mark(&old, &mut needed, *place);
    }
    for place in 0..old.len {
        if old.at(place).acknowledged {
            mark(&old, &mut needed, place);
        }
    }
    let root = root(&old, &needed, &ends[..count]);
    renumber(world, &old, root, &ends[..count], &needed);
}

fn has_old_data(member: &Member) -> bool {
    member.restore != Restore::Nothing && member.old_wal != u8::MAX
}

fn mark(tree: &Tree, needed: &mut [bool], mut place: Place) {
    while !needed[place as usize] {
        needed[place as usize] = true;
        place = tree.at(place).parent;
    }
}

/// The last entry that is in every history.
fn root(tree: &Tree, needed: &[bool], ends: &[Place]) -> Place {
    let mut root = 0;
    while !ends.contains(&root) {
        let mut children = (root + 1..tree.len)
            .filter(|place| needed[*place as usize] && tree.at(*place).parent == root);
        match (children.next(), children.next()) {
            (Some(only), None) => root = only,
            _ => break,
        }
    }
    root
}

fn renumber(world: &mut World, old: &Tree, root: Place, ends: &[Place], needed: &[bool]) {
    let below = old.at(root).lsn - OLDEST;
    let mut names = [u8::MAX; crate::wal::ENTRIES];
    let mut tree = Tree::new();
    tree.entries[0] = Entry {
        parent: 0,
        lsn: OLDEST,
        acknowledged: false,
        ..*old.at(root)
    };
    names[root as usize] = 0;
    for place in ends {
        copy_path(old, &mut tree, &mut names, *place);
    }
    for place in 0..old.len {
        if needed[place as usize]
            && old.at(place).acknowledged
            && old.at(place).lsn > old.at(root).lsn
        {
            copy_path(old, &mut tree, &mut names, place);
        }
    }
    world.wal = tree;
    let name = |place: Place| match names[place as usize] {
        u8::MAX => 0,
        name => name,
    };
    for member in &mut world.pods {
        if member.server != Server::Promoting && !member.interrupted {
            member.goal = 0;
        }
        member.wal = if member.has_data() {
            name(member.wal)
        } else {
            0
        };
        if has_old_data(member) {
            member.old_wal = name(member.old_wal);
        }
    }
    world.backup = name(world.backup);
    if below > 0 {
        let shift = |lsn: &mut u8| {
            if *lsn > 0 {
                *lsn = lsn.saturating_sub(below).max(1);
            }
        };
        records(world, |record| {
            shift(&mut record.stopped_at);
            record.clean.iter_mut().for_each(shift);
        });
    }
}

fn copy_path(old: &Tree, tree: &mut Tree, names: &mut [u8], place: Place) -> Place {
    if names[place as usize] != u8::MAX {
        return names[place as usize];
    }
    let entry = old.at(place);
    let parent = copy_path(old, tree, names, entry.parent);
    let name = tree.append(parent, entry.timeline, entry.kind);
    tree.entries[name as usize].acknowledged = entry.acknowledged;
    names[place as usize] = name;
    name
}

/// Lets epochs and timeline numbers begin where they always do.
fn shift(world: &mut World) {
    let (mut epoch, mut timeline) = (u8::MAX, u8::MAX);
    records(world, |record| {
        if record.exists() {
            epoch = epoch.min(record.epoch);
            if record.timeline > 0 {
                timeline = timeline.min(record.timeline);
            }
        } else {
            *record = Record::NONE;
        }
    });
    for place in 0..world.wal.len {
        timeline = timeline.min(world.wal.at(place).timeline);
    }
    let (epochs, timelines) = (i16::from(epoch) - LOWEST_EPOCH, timeline - 1);
    let moved = |epoch: &mut u8| {
        if *epoch > 0 {
            *epoch = u8::try_from((i16::from(*epoch) - epochs).max(1)).unwrap();
        }
    };
    if epoch != u8::MAX && epochs != 0 {
        records(world, |record| {
            if record.exists() {
                moved(&mut record.epoch);
                moved(&mut record.settles);
            }
        });
        for member in &mut world.pods {
            moved(&mut member.announced);
        }
        if let Request::Asked(of) = &mut world.request {
            moved(of);
        }
    }
    if timelines > 0 {
        records(world, |record| {
            record.timeline = record.timeline.saturating_sub(timelines)
        });
        for member in &mut world.pods {
            member.goal = member.goal.saturating_sub(timelines);
        }
        let len = world.wal.len as usize;
        for entry in &mut world.wal.entries[..len] {
            entry.timeline -= timelines;
        }
    }
}
