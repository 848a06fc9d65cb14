//! Clients, crashes, disks, and what postgres does by itself.

use crate::steps::{Actor, Steps};
use crate::wal::Kind;
use crate::world::{Pod, Record, Server, Shape, World};

pub fn steps(steps: &mut Steps<'_>, pod: Pod) {
    by_clients_and_faults(steps, pod);
    by_postgres(steps, pod);
    let member = steps.world.pod(pod);
    if !member.up && !member.gone {
        steps.script("main", pod, |next| next.pod_mut(pod).up = true);
    }
    if pod == 0 {
        of_the_record(steps);
    }
}

fn by_clients_and_faults(steps: &mut Steps<'_>, pod: Pod) {
    let world = steps.world;
    let (member, left) = (world.pod(pod), world.left);
    if member.writes() && left.commits > 0 {
        steps.take(Actor::Fate("commit"), pod, |next| {
            next.left.commits -= 1;
            let timeline = next.timeline(pod);
            let place = next.append(pod, timeline, Kind::Commit);
            next.wal.entries[place as usize].acknowledged = true;
        });
    }
    if member.up && left.crashes > 0 {
        crash(steps, Actor::Fate("crash"), pod, |next| {
            next.left.crashes -= 1
        });
    }
    if left.volumes > 0 && member.shape != Shape::Empty {
        steps.take(Actor::Fate("volume lost"), pod, |next| {
            next.left.volumes -= 1;
            next.pod_mut(pod).loses_volume();
            next.forget_what_nobody_has();
        });
    }
    if left.gone > 0 && !member.gone {
        steps.take(Actor::Fate("gone for good"), pod, |next| {
            next.left.gone -= 1;
            next.pod_mut(pod).loses_volume();
            next.pod_mut(pod).gone = true;
            next.forget_what_nobody_has();
        });
    }
}

/// A pod dies. In the middle of a promotion its signal may be gone without an entry of the new
/// timeline, or with one (xlog.c, `StartupXLOG`).
pub fn crash(steps: &mut Steps<'_>, actor: Actor, pod: Pod, also: impl Fn(&mut World) + Copy) {
    let promoting = steps.world.pod(pod).server == Server::Promoting;
    steps.take(actor, pod, |next| {
        also(next);
        next.pod_mut(pod).dies();
    });
    if !promoting {
        return;
    }
    for written in [false, true] {
        steps.take(actor, pod, |next| {
            also(next);
            if written {
                let goal = next.pod(pod).goal;
                next.append(pod, goal, Kind::Promotion);
            }
            let member = next.pod_mut(pod);
            member.dies();
            member.shape = Shape::Primary;
            member.interrupted = true;
        });
    }
}

fn of_the_record(steps: &mut Steps<'_>) {
    let (record, full, left) = (steps.world.record, steps.world.full, steps.world.left);
    if record.exists() && left.losses > 0 {
        steps.take(Actor::Fate("record lost"), 0, |next| {
            next.left.losses -= 1;
            next.record = Record::NONE;
        });
    }
    if full {
        steps.take(Actor::Fate("room again"), 0, |next| {
            next.full = false;
            for member in &mut next.pods {
                member.reserve = 2;
            }
        });
    } else if left.full > 0 {
        steps.take(Actor::Fate("disk full"), 0, |next| {
            next.left.full -= 1;
            next.full = true;
        });
    }
}

fn by_postgres(steps: &mut Steps<'_>, pod: Pod) {
    let world = steps.world;
    let member = world.pod(pod);
    match member.server {
        Server::Standby => {
            if let Some(entry) = missing(world, pod) {
                steps.take(Actor::Postgres("stream"), pod, |next| {
                    next.pod_mut(pod).wal = entry;
                });
            }
        }
        Server::Promoting => steps.take(Actor::Postgres("promoted"), pod, |next| {
            let goal = next.pod(pod).goal;
            next.append(pod, goal, Kind::Promotion);
            let member = next.pod_mut(pod);
            member.server = Server::Primary;
            member.shape = Shape::Primary;
            member.clean = false;
        }),
        Server::Stopping => steps.take(Actor::Postgres("checkpoint"), pod, |next| {
            let timeline = next.timeline(pod);
            next.append(pod, timeline, Kind::Shutdown);
            next.pod_mut(pod).server = Server::Draining;
        }),
        Server::Down | Server::Primary | Server::Draining => {}
    }
}

/// The next entry that a standby gets from the pod that it follows.
fn missing(world: &World, standby: Pod) -> Option<u8> {
    let member = world.pod(standby);
    let primary = member.view.primary;
    if !member.view.exists() || !world.streams(standby, primary) {
        return None;
    }
    let end = world.pod(primary).wal;
    let next = world.wal.entry_at(end, world.wal.at(member.wal).lsn + 1)?;
    (world.wal.at(next).parent == member.wal).then_some(next)
}

impl World {
    /// What was only in a volume that is lost is nobody's to keep.
    fn forget_what_nobody_has(&mut self) {
        for place in 0..self.wal.len {
            let held = (0..self.count).any(|pod| {
                let member = self.pod(pod);
                member.has_data() && self.wal.is_prefix(place, member.wal)
                    || member.restore != crate::world::Restore::Nothing
                        && self.wal.is_prefix(place, member.old_wal)
            });
            self.wal.entries[place as usize].acknowledged &= held;
        }
    }
}
