//! What the supervisor does with its server (`decide`, `role_holds`, `handover.sh`).

use crate::restoring::NO_OLD_DATA;
use crate::rules::Rules;
use crate::standby::{as_standby, is_cut_off};
use crate::steps::Steps;
use crate::wal::Kind;
use crate::world::{Member, NOBODY, PODS, Pod, Record, Restore, Server, Shape, State};

pub fn steps(steps: &mut Steps<'_>, pod: Pod) {
    let world = steps.world;
    let (rules, member) = (*steps.rules, world.pod(pod));
    let view = member.view;
    match member.server {
        Server::Promoting => {}
        Server::Stopping => {
            // After 20 s it is not waited for any longer.
            steps.script("hand_over_server", pod, |next| {
                let member = next.pod_mut(pod);
                member.server = Server::Down;
                member.clean = false;
            });
        }
        Server::Draining => {
            if rules.stops_early && is_stopping_for(view, pod) {
                stopped(steps, pod);
            }
            steps.script("stop_server", pod, |next| {
                let member = next.pod_mut(pod);
                member.server = Server::Down;
                member.clean = true;
            });
        }
        Server::Down | Server::Standby | Server::Primary => {}
    }
    if !view.exists() {
        return;
    }
    if member.torn {
        // A standby that follows writes nothing.
        if view.primary != pod && member.shape == Shape::Standby && member.server == Server::Down {
            steps.script("act_follow", pod, |next| {
                next.pod_mut(pod).server = Server::Standby;
            });
        }
        return;
    }
    let can_undo = view.is_steady() && member.old_wal != NO_OLD_DATA;
    let undoes = rules.undoes_restores || can_undo;
    if undoes && is_half_restored(member, &rules) && !view.is_maintenance() {
        undo_restore(steps, pod);
        return;
    }
    raise_timeline(steps, pod);
    match view.state {
        State::Maintenance => {}
        State::Steady if view.primary == pod => as_primary(steps, pod),
        State::Handover if view.primary == pod => as_old_primary(steps, pod),
        State::Handover if view.target == pod && as_target(steps, pod) => {}
        State::Steady | State::Handover => as_standby(steps, pod),
    }
}

fn is_stopping_for(view: Record, pod: Pod) -> bool {
    view.is_handover() && view.primary == pod && view.stopped_at == 0
}

/// The recorded primary of a steady record.
fn as_primary(steps: &mut Steps<'_>, pod: Pod) {
    let world = steps.world;
    let (rules, member) = (*steps.rules, world.pod(pod));
    match (member.server, member.shape) {
        (Server::Down, Shape::Primary) if is_cut_off(world, &rules, pod) => {
            repeat_promotion(steps, pod);
        }
        (Server::Down, Shape::Primary) => steps.script("act_run_primary", pod, |next| {
            let member = next.pod_mut(pod);
            member.server = Server::Primary;
            member.clean = false;
            member.interrupted = false;
            member.restore = Restore::Nothing;
            member.old_wal = 0;
            member.old_is_standby = false;
        }),
        // Data from before a restore count as a copy that is not complete.
        (Server::Down, Shape::Standby) if member.stamped || rules.older_target => {
            steps.script("act_promote", pod, |next| {
                next.pod_mut(pod).server = Server::Standby;
            });
        }
        (Server::Standby, _) => promote(steps, pod),
        _ => {}
    }
    hand_back(steps, pod);
}

/// The old data return; without them the pod has none.
fn undo_restore(steps: &mut Steps<'_>, pod: Pod) {
    let old = steps.world.pod(pod).old_wal;
    steps.script("undo_restore", pod, |next| {
        if old == NO_OLD_DATA {
            let member = next.pod_mut(pod);
            member.restore = Restore::Nothing;
            member.shape = Shape::Clone;
        } else {
            next.puts_old_data_back(pod);
        }
    });
}

/// A number that the pod's data are on was given, whatever the record says.
fn raise_timeline(steps: &mut Steps<'_>, pod: Pod) {
    let world = steps.world;
    let member = world.pod(pod);
    let (view, own) = (member.view, world.timeline(pod));
    let is_at_boot = member.server == Server::Down && member.has_data();
    if view.timeline > 0 && own > view.timeline && is_at_boot && view.is_steady() {
        let to = Record {
            timeline: own,
            ..view
        };
        steps.record("raise_timeline", pod, to);
    }
}

/// Whether the maintenance ended before the restored data counted.
fn is_half_restored(member: &Member, rules: &Rules) -> bool {
    rules.maintenance_exit && matches!(member.restore, Restore::SwappedIn | Restore::Started)
}

pub fn repeat_promotion(steps: &mut Steps<'_>, pod: Pod) {
    steps.script("repeat_promotion", pod, |next| {
        let member = next.pod_mut(pod);
        member.shape = Shape::Standby;
        member.interrupted = false;
    });
}

fn promote(steps: &mut Steps<'_>, pod: Pod) {
    let world = steps.world;
    let (view, own) = (world.pod(pod).view, world.timeline(pod));
    if steps.rules.numbers && view.timeline <= own {
        let mut to = view;
        to.timeline = own + 1;
        steps.record("claim_timeline", pod, to);
        return;
    }
    let goal = if steps.rules.numbers {
        view.timeline
    } else {
        own + 1
    };
    steps.script("promote_server", pod, |next| {
        let member = next.pod_mut(pod);
        member.server = Server::Promoting;
        member.goal = goal;
    });
}

/// A target that took over in a planned handover, cannot be promoted and wrote nothing.
fn hand_back(steps: &mut Steps<'_>, pod: Pod) {
    let (rules, world) = (*steps.rules, steps.world);
    let member = world.pod(pod);
    let is_standby =
        member.shape == Shape::Standby && matches!(member.server, Server::Down | Server::Standby);
    if !rules.hands_back || !is_standby || world.left.handed_back == 0 {
        return;
    }
    let view = member.view;
    let end = world.wal.at(member.wal);
    let old = (0..world.count).find(|old| {
        *old != pod && view.clean[*old as usize] == end.lsn && end.kind == Kind::Shutdown
    });
    let Some(old) = old else {
        return;
    };
    steps.script("record_hand_back", pod, |next| {
        next.left.handed_back -= 1;
        let mut to = view;
        to.primary = old;
        to.timeline += 1;
        to.clean[old as usize] = 0;
        if to.rejoin == old {
            to.rejoin = NOBODY;
        }
        next.replace(&rules, pod, view, to);
    });
}

/// The primary that a handover is to replace.
fn as_old_primary(steps: &mut Steps<'_>, pod: Pod) {
    let world = steps.world;
    let member = world.pod(pod);
    let view = member.view;
    match (member.server, member.shape) {
        (Server::Down, Shape::Primary) if is_cut_off(world, steps.rules, pod) => {
            repeat_promotion(steps, pod);
        }
        // It became the recorded primary and has not come to run as one.
        (Server::Down | Server::Standby | Server::Promoting, Shape::Standby) => {
            steps.record("record_take_back", pod, view.steady());
        }
        (Server::Primary, _) => {
            steps.record("record_take_back", pod, view.steady());
            if world.streams(view.target, pod) {
                steps.script("hand_over_server", pod, |next| {
                    next.pod_mut(pod).server = Server::Stopping;
                });
            }
        }
        (Server::Down, Shape::Primary) => {
            let at = world.wal.at(member.wal);
            let is_clean = member.clean && at.kind == Kind::Shutdown;
            resume(steps, pod);
            if !is_clean || view.stopped_at == at.lsn {
                steps.record("record_take_back", pod, view.steady());
            } else {
                stopped(steps, pod);
            }
        }
        _ => {}
    }
}

/// The old primary says where it stopped.
fn stopped(steps: &mut Steps<'_>, pod: Pod) {
    let member = steps.world.pod(pod);
    let view = member.view;
    let mut to = view;
    to.stopped_at = steps.world.wal.at(member.wal).lsn;
    let rules = *steps.rules;
    if rules.copies && member.announced != view.begun() + 1 {
        steps.script("note_stop", pod, |next| {
            if next.record.is_same(&view) {
                next.pod_mut(pod).announced = view.begun() + 1;
            } else {
                next.pod_mut(pod).view = Record::NONE;
            }
        });
        return;
    }
    steps.script("announce_stop", pod, |next| {
        if !next.replace(&rules, pod, view, to) && rules.copies {
            next.pod_mut(pod).announced = 0;
            next.pod_mut(pod).view = Record::NONE;
        }
    });
}

/// The record cannot be written, and nobody else can take over.
fn resume(steps: &mut Steps<'_>, pod: Pod) {
    let world = steps.world;
    let member = world.pod(pod);
    let view = member.view;
    let cannot_write = world.full && member.reserve == 0;
    if steps.rules.reserves && cannot_write && view.stopped_at == 0 && world.record.is_same(&view) {
        steps.script("resume", pod, |next| {
            let member = next.pod_mut(pod);
            member.announced = 0;
            member.server = Server::Primary;
            member.clean = false;
        });
    }
}

/// The pod that is to take over. Returns whether it is its turn.
fn as_target(steps: &mut Steps<'_>, pod: Pod) -> bool {
    let world = steps.world;
    let (rules, member) = (*steps.rules, world.pod(pod));
    let view = member.view;
    if member.server != Server::Standby || view.stopped_at == 0 {
        return false;
    }
    let found = world.wal.entry_at(member.wal, view.stopped_at);
    let has_all = found.is_some_and(|place| world.wal.at(place).kind == Kind::Shutdown);
    if has_all {
        let to = taken_over(&rules, view, pod, world.timeline(pod));
        steps.record("record_take_over", pod, to);
    } else {
        steps.record("record_give_back", pod, view.steady());
    }
    true
}

fn taken_over(rules: &Rules, view: Record, pod: Pod, own: u8) -> Record {
    let mut to = view.steady();
    to.primary = pod;
    if rules.numbers {
        to.timeline = view.timeline.max(own) + 1;
    }
    if !rules.clean_list {
        to.clean = [0; PODS];
    }
    to.clean[pod as usize] = 0;
    to.clean[view.primary as usize] = view.stopped_at;
    if to.rejoin == pod {
        to.rejoin = NOBODY;
    }
    to
}
