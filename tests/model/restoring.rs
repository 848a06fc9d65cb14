//! Maintenance: a physical backup replaces the data (`restore.sh`).

use crate::steps::{Actor, Steps};
use crate::wal::Kind;
use crate::world::{NOBODY, PODS, Pod, Request, Restore, Server, Shape, World};

/// There are no data from before the restore.
pub const NO_OLD_DATA: u8 = u8::MAX;

pub fn steps(steps: &mut Steps<'_>, pod: Pod) {
    let world = steps.world;
    let member = world.pod(pod);
    let view = member.view;
    if !view.is_maintenance() || member.torn {
        return;
    }
    match member.server {
        Server::Primary => steps.script("stop_server", pod, |next| {
            next.pod_mut(pod).server = Server::Stopping;
        }),
        Server::Standby => steps.script("stop_server", pod, |next| {
            next.pod_mut(pod).server = Server::Down;
        }),
        Server::Down if view.primary == pod && world.request == Request::Asked(view.epoch) => {
            restore(steps, pod);
        }
        _ => {}
    }
}

fn restore(steps: &mut Steps<'_>, pod: Pod) {
    let (rules, world) = (*steps.rules, steps.world);
    let member = world.pod(pod);
    let view = member.view;
    match member.restore {
        Restore::Nothing if world.record == view => swap_in(steps, pod),
        Restore::Nothing => {}
        Restore::SwappedIn => {
            let known = if rules.numbers { view.timeline } else { 0 };
            let number = world.timeline(pod).max(known) + 1;
            steps.script("start_restored", pod, |next| {
                next.append(pod, number, Kind::Promotion);
                next.append(pod, number, Kind::Shutdown);
                next.pod_mut(pod).restore = Restore::Started;
                next.pod_mut(pod).clean = true;
            });
            give_up(steps, pod);
        }
        Restore::Started | Restore::Stamped => finish(steps, pod),
    }
}

fn swap_in(steps: &mut Steps<'_>, pod: Pod) {
    let repeats = steps.rules.repeats;
    steps.script("swap_in", pod, |next| {
        let backup = next.backup;
        let member = next.pod_mut(pod);
        member.old_wal = if member.has_data() {
            member.wal
        } else {
            NO_OLD_DATA
        };
        // What a promotion left in recovery is a standby's again.
        let is_cut_off = repeats && member.interrupted;
        member.old_is_standby = member.shape == Shape::Standby || is_cut_off;
        member.wal = backup;
        member.shape = Shape::Primary;
        member.clean = false;
        member.interrupted = false;
        member.restore = Restore::SwappedIn;
    });
}

/// Under the lock first the stamp, then the record; a crash can come between them.
fn finish(steps: &mut Steps<'_>, pod: Pod) {
    let (rules, world) = (*steps.rules, steps.world);
    let view = world.pod(pod).view;
    if !world.record.is_same(&view) {
        return;
    }
    steps.script("finish_restore", pod, |next| {
        let mut to = view.steady();
        to.clean = [0; PODS];
        to.rejoin = NOBODY;
        if rules.numbers {
            to.timeline = next.timeline(pod);
        }
        if next.replace(&rules, pod, view, to) {
            next.stamps(pod);
            next.request = Request::None;
            next.pod_mut(pod).restore = Restore::Nothing;
            next.pod_mut(pod).old_wal = 0;
            next.pod_mut(pod).old_is_standby = false;
        }
    });
    if world.left.crashes > 0 {
        steps.take(Actor::Fate("crash after the stamp"), pod, |next| {
            next.left.crashes -= 1;
            next.stamps(pod);
            next.pod_mut(pod).restore = Restore::Stamped;
            next.pod_mut(pod).dies();
        });
    }
}

/// The backup is no good.
fn give_up(steps: &mut Steps<'_>, pod: Pod) {
    let rules = *steps.rules;
    let member = steps.world.pod(pod);
    let view = member.view;
    if member.old_wal == NO_OLD_DATA {
        // Postgres stays stopped until an operator does something else.
        steps.script("give_up", pod, |next| {
            next.request = Request::None;
            next.empties(pod);
        });
        return;
    }
    steps.script("give_up", pod, |next| {
        let is_standby = next.pod(pod).old_is_standby;
        next.puts_old_data_back(pod);
        next.request = Request::None;
        if is_standby {
            return;
        }
        next.replace(&rules, pod, view, view.steady());
    });
}

impl World {
    /// From here on the restored data are the cluster's, and all others are older.
    fn stamps(&mut self, pod: Pod) {
        for member in &mut self.pods {
            member.stamped = false;
        }
        self.pod_mut(pod).stamped = true;
        let end = self.pod(pod).wal;
        self.wal.give_up_beyond(end);
    }

    /// What was unpacked goes, and nothing is left in its place.
    pub fn empties(&mut self, pod: Pod) {
        let member = self.pod_mut(pod);
        member.restore = Restore::Nothing;
        member.shape = Shape::Clone;
        member.wal = 0;
        member.old_wal = 0;
        member.old_is_standby = false;
    }

    pub fn puts_old_data_back(&mut self, pod: Pod) {
        let old = self.pod(pod).old_wal;
        let clean = self.wal.at(old).kind == Kind::Shutdown;
        let member = self.pod_mut(pod);
        member.wal = old;
        member.old_wal = 0;
        member.restore = Restore::Nothing;
        member.clean = clean && !member.old_is_standby;
        if member.old_is_standby {
            member.shape = Shape::Standby;
        }
        member.old_is_standby = false;
    }
}
