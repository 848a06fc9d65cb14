//! What the supervisor of a pod does that is to follow another one (`decide_standby`,
//! `decide_old_primary`, `rejoin.sh`).

use crate::pods::repeat_promotion;
use crate::rules::Rules;
use crate::steps::Steps;
use crate::wal::Kind;
use crate::world::{NOBODY, Pod, Server, Shape, World};

/// Everybody else follows the recorded primary.
pub fn as_standby(steps: &mut Steps<'_>, pod: Pod) {
    let world = steps.world;
    let (rules, member) = (*steps.rules, world.pod(pod));
    let view = member.view;
    let is_asked = view.rejoin == pod;
    match (member.server, member.shape) {
        (Server::Primary, _) => steps.script("stop_server", pod, |next| {
            next.pod_mut(pod).server = Server::Stopping;
        }),
        (Server::Down, Shape::Primary) if is_cut_off(world, &rules, pod) => {
            repeat_promotion(steps, pod);
        }
        (Server::Down, Shape::Primary) if follows_clean(world, &rules, pod) => {
            steps.script("act_follow_clean", pod, |next| {
                let member = next.pod_mut(pod);
                member.shape = Shape::Standby;
                member.clean = false;
            });
        }
        (Server::Down, Shape::Primary) if is_asked => rejoin(steps, pod),
        (Server::Down, Shape::Standby) if !member.stamped => {
            copy(steps, pod, "act_clone");
        }
        (Server::Down, Shape::Standby) => {
            if is_asked {
                rejoin(steps, pod);
            }
            steps.script("act_follow", pod, |next| {
                next.pod_mut(pod).server = Server::Standby;
            });
        }
        (Server::Down, Shape::Empty | Shape::Clone) => copy(steps, pod, "act_clone"),
        (Server::Standby, _) => {
            let streams = world.streams(pod, view.primary);
            if !member.stamped || (is_asked && !streams) {
                steps.script("stop_server", pod, |next| {
                    next.pod_mut(pod).server = Server::Down;
                });
            } else if is_asked && view.is_steady() {
                let mut to = view;
                to.rejoin = NOBODY;
                steps.record("record_close_rejoin", pod, to);
            }
        }
        _ => {}
    }
}

/// Whether an old primary may follow as it is: the record says that its successor had everything.
fn follows_clean(world: &World, rules: &Rules, pod: Pod) -> bool {
    let member = world.pod(pod);
    let at = world.wal.at(member.wal);
    let location = member.view.clean[pod as usize];
    let is_clean = member.clean && at.kind == Kind::Shutdown;
    is_clean && location > 0 && (!rules.clean_list || location == at.lsn)
}

/// `act_rejoin`: `pg_rewind`, which goes by the timelines' numbers, or a copy.
fn rejoin(steps: &mut Steps<'_>, pod: Pod) {
    let world = steps.world;
    let primary = world.pod(pod).view.primary;
    let is_fooled = !steps.rules.compares && world.timeline(pod) == world.timeline(primary);
    if !world.pod(primary).writes() {
        return;
    }
    if is_fooled {
        steps.script("act_rejoin", pod, |next| {
            next.pod_mut(pod).shape = Shape::Standby
        });
        return;
    }
    copy(steps, pod, "act_rejoin");
    // Something interrupts it.
    steps.script("act_rejoin", pod, |next| {
        next.pod_mut(pod).shape = Shape::Clone
    });
}

/// The primary's data in place of one's own.
fn copy(steps: &mut Steps<'_>, pod: Pod, name: &'static str) {
    let view = steps.world.pod(pod).view;
    if !steps.world.pod(view.primary).writes() {
        return;
    }
    steps.script(name, pod, |next| {
        let end = next.pod(view.primary).wal;
        let member = next.pod_mut(pod);
        member.wal = end;
        member.shape = Shape::Standby;
        member.clean = false;
        member.interrupted = false;
        member.stamped = true;
        next.sees(pod, view);
    });
}

impl World {
    /// Whether a pod that handed over, and has nothing that its primary lacks, is not let back.
    pub fn is_guarded(&self, rules: &Rules, pod: Pod) -> bool {
        let member = self.pod(pod);
        let (view, at) = (member.view, self.wal.at(member.wal));
        let primary = self.pod(view.primary);
        view.is_steady()
            && view == self.record
            && view.primary != pod
            && member.server == Server::Down
            && member.shape == Shape::Primary
            && member.clean
            && at.kind == Kind::Shutdown
            && primary.writes()
            && self.wal.is_prefix(member.wal, primary.wal)
            && !follows_clean(self, rules, pod)
    }
}

/// Whether the data look like a primary's, and pg_control says that they are in recovery.
pub fn is_cut_off(world: &World, rules: &Rules, pod: Pod) -> bool {
    rules.repeats && world.pod(pod).interrupted
}
