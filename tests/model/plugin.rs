//! What operators do with the plugin. It may be killed at any moment; the next one starts from the
//! record.

use crate::fate;
use crate::rules::Informs;
use crate::steps::{Actor, Steps};
use crate::world::{
    Member, NOBODY, PODS, Plugin, Pod, Record, Request, Server, Shape, State, World,
};

pub fn steps(steps: &mut Steps<'_>) {
    let world = steps.world;
    let plugin = world.plugin;
    if plugin.informs != NOBODY {
        inform(steps, &plugin);
    }
    if plugin.view.exists() {
        steps.take(Actor::Fate("plugin killed"), 0, |next| {
            next.plugin = Plugin::AWAY
        });
        with_a_view(steps, plugin.view);
        return;
    }
    if world.record.exists() {
        by(steps, "read", 0, |next| {
            next.plugin.view = next.record;
            next.plugin.saw_writer = next.writer().unwrap_or(NOBODY);
        });
    }
    establish(steps);
}

/// In the volume of the fenced old primary.
fn inform(steps: &mut Steps<'_>, plugin: &Plugin) {
    let (view, pod) = (plugin.view, plugin.informs);
    by(steps, "inform", pod, |next| {
        let mut copy = view;
        next.plugin.informs = NOBODY;
        if view.is_handover() {
            if view.stopped_at == 0 {
                copy.epoch += 1;
                copy.stopped_at = 1;
            }
        } else {
            next.plugin = Plugin::AWAY;
        }
        if next.pod(pod).has_data() {
            next.pod_mut(pod).copy = copy;
        }
    });
}

fn by(steps: &mut Steps<'_>, name: &'static str, pod: Pod, act: impl FnOnce(&mut World)) {
    steps.take(Actor::Plugin(name), pod, act);
}

fn with_a_view(steps: &mut Steps<'_>, view: Record) {
    if steps.world.plugin.informs != NOBODY {
        return;
    }
    match view.state {
        State::Steady => {
            for pod in (0..steps.world.count).filter(|pod| *pod != view.primary) {
                begin(steps, view, pod, 1);
                rejoin(steps, view, pod);
            }
            restore(steps, view);
            bring_back(steps, view);
        }
        State::Handover => {
            by(steps, "steady", view.primary, |next| {
                next.ends(view, view.steady(), 1);
            });
            for pod in
                (0..steps.world.count).filter(|pod| ![view.primary, view.target].contains(pod))
            {
                begin(steps, view, pod, steps.rules.supersede);
            }
            force(steps, view);
        }
        State::Maintenance => {
            if steps.world.plugin.fenced {
                succeed(steps, view);
                return;
            }
            if steps.rules.maintenance_exit {
                end_maintenance(steps, view);
            }
        }
    }
}

/// A handover is asked for.
fn begin(steps: &mut Steps<'_>, view: Record, target: Pod, further: u8) {
    let (left, plugin) = (steps.world.left, steps.world.plugin);
    // Without force the primary must accept writes; with it, nobody else may.
    let is_force = left.forced > 0 && plugin.saw_writer == NOBODY;
    let is_possible = plugin.saw_writer == view.primary || is_force || further > 1;
    if left.handovers == 0 || plugin.fenced || !is_possible {
        return;
    }
    by(steps, "handover", target, |next| {
        next.left.handovers -= 1;
        next.ends(view, view.handover(target), further);
    });
}

fn rejoin(steps: &mut Steps<'_>, view: Record, pod: Pod) {
    let world = steps.world;
    let member = world.pod(pod);
    let primary = view.primary;
    let is_possible = world.left.rejoins > 0
        && world.pod(primary).writes()
        && member.has_data()
        && !member.writes()
        && view.rejoin != pod
        && !world.streams(pod, primary);
    if !is_possible {
        return;
    }
    let loses = world
        .wal
        .has_more_commits(member.wal, world.pod(primary).wal);
    let by_number = !steps.rules.compares && world.timeline(pod) == world.timeline(primary);
    by(steps, "rejoin", pod, |next| {
        next.left.rejoins -= 1;
        if by_number && loses {
            next.misjudged = true;
        }
        let mut to = view;
        to.rejoin = pod;
        next.ends(view, to, 1);
    });
}

fn restore(steps: &mut Steps<'_>, view: Record) {
    let world = steps.world;
    if world.left.restores == 0 || !world.pod(view.primary).up {
        return;
    }
    by(steps, "maintenance", view.primary, |next| {
        next.left.restores -= 1;
        let mut to = view;
        to.state = State::Maintenance;
        if next.record.is_same(&view) && !next.full {
            next.request = Request::Asked(view.epoch + 1);
        }
        next.ends(view, to, 1);
    });
}

/// The request is taken back while the old data are there; or, by force, a standby becomes the primary
/// without it.
fn end_maintenance(steps: &mut Steps<'_>, view: Record) {
    let (rules, world) = (*steps.rules, steps.world);
    let restored = world.pod(view.primary);
    if restored.has_old_data() {
        by(steps, "take_back", view.primary, |next| {
            if next.ends(view, view.steady(), view.further(&rules)) {
                next.request = Request::None;
            }
        });
    }
    let gave_up = rules.gives_way && world.request != Request::Asked(view.epoch);
    if world.left.forced == 0 || restored.up && !gave_up {
        return;
    }
    for pod in (0..world.count).filter(|pod| *pod != view.primary) {
        if !holds_a_standby(world.pod(pod)) {
            continue;
        }
        by(steps, "end_maintenance", pod, |next| {
            next.left.forced -= 1;
            next.plugin.fenced = true;
            next.plugin.saw_writer = pod;
            next.pod_mut(view.primary).dies();
            let to = next.succeeded(view, pod);
            if rules.informs_restored && next.pod(view.primary).has_data() {
                next.pod_mut(view.primary).copy = to;
                next.told = view.primary;
            }
        });
    }
}

fn holds_a_standby(member: &Member) -> bool {
    member.up && member.shape == Shape::Standby && member.server != Server::Promoting
}

/// The old primary is fenced, and told in its volume.
fn succeed(steps: &mut Steps<'_>, view: Record) {
    let world = steps.world;
    let (old, target) = (view.primary, world.plugin.saw_writer);
    let told = world.pod(old).copy;
    by(steps, "succeed", target, |next| {
        let is_told = told.epoch == view.epoch + 2 && told.primary == target;
        let to = if is_told {
            told
        } else {
            next.succeeded(view, target)
        };
        if next.ends(view, to, 2) {
            next.request = Request::None;
            let end = next.pod(target).wal;
            next.wal.give_up_beyond(end);
            next.told = NOBODY;
        } else if is_told && next.record.exists() {
            next.pod_mut(old).copy = next.record;
        }
    });
}

/// `promote --force` of the target of a handover that its primary cannot carry out.
fn force(steps: &mut Steps<'_>, view: Record) {
    let (rules, world) = (*steps.rules, steps.world);
    let (old, target) = (view.primary, view.target);
    if world.plugin.fenced {
        by(steps, "taken_over", target, |next| {
            let mut to = view.steady();
            to.primary = target;
            to.clean = [0; PODS];
            to.rejoin = NOBODY;
            if rules.numbers {
                to.timeline = view.timeline.max(next.highest_known()) + 1;
            }
            if next.ends(view, to, 1) {
                let end = next.pod(target).wal;
                next.wal.give_up_beyond(end);
                if rules.informs == Informs::After {
                    next.plugin.view = next.record;
                    next.plugin.informs = old;
                }
            }
        });
    } else if world.left.forced > 0 && world.pod(target).server == Server::Standby {
        fate::crash(steps, Actor::Plugin("fence"), old, |next| {
            next.left.forced -= 1;
            // It reads the record again.
            let is_open = next.record.is_handover() && next.record.target == target;
            if !is_open || next.record.primary != old {
                next.plugin = Plugin::AWAY;
                return;
            }
            next.plugin.view = next.record;
            next.plugin.fenced = true;
            if rules.informs == Informs::Before {
                next.plugin.informs = old;
            }
        });
    }
}

/// `promote --force` of a former primary, where the recorded one has no data.
fn bring_back(steps: &mut Steps<'_>, view: Record) {
    let world = steps.world;
    let has_none = !world.pod(view.primary).has_data_of_its_own();
    if world.left.forced == 0 || world.plugin.saw_writer != NOBODY || !has_none {
        return;
    }
    for pod in (0..world.count).filter(|pod| *pod != view.primary) {
        let member = world.pod(pod);
        if member.shape != Shape::Primary || !member.has_data_of_its_own() || member.writes() {
            continue;
        }
        by(steps, "bring_back", pod, |next| {
            next.left.forced -= 1;
            let to = Record {
                primary: pod,
                timeline: view.timeline.max(next.highest_known()) + 1,
                clean: [0; PODS],
                rejoin: NOBODY,
                ..view.steady()
            };
            if next.ends(view, to, 2) {
                let end = next.pod(pod).wal;
                next.wal.give_up_beyond(end);
            }
        });
    }
}

/// `promote --force` where no record says who is primary and every pod waits for one.
fn establish(steps: &mut Steps<'_>) {
    let world = steps.world;
    let rules = *steps.rules;
    if world.left.forced == 0 || world.writer().is_some() || world.record.exists() {
        return;
    }
    for pod in 0..world.count {
        let member = world.pod(pod);
        if !member.up || !(member.shape == Shape::Standby || rules.overrides && member.has_data()) {
            continue;
        }
        by(steps, "establish", pod, |next| {
            if next.full {
                return;
            }
            next.left.forced -= 1;
            if rules.overrides {
                for other in (0..world.count).filter(|other| *other != pod) {
                    if next.pod(other).copy.primary == other {
                        next.pod_mut(other).dies();
                    }
                }
            }
            next.record = Record {
                epoch: 1,
                primary: pod,
                ..Record::NONE
            };
            if rules.overrides {
                let records = next.members().iter().map(|member| member.copy);
                for known in records.chain([world.record]).collect::<Vec<_>>() {
                    next.record.epoch = next.record.epoch.max(known.epoch + 10);
                    next.record.timeline = next.record.timeline.max(known.timeline);
                }
                for other in 0..world.count {
                    let own = next.timeline(other);
                    next.record.timeline = next.record.timeline.max(own);
                }
                next.record.timeline += 1;
                let record = next.record;
                for other in (0..world.count).filter(|other| *other != pod) {
                    next.pod_mut(other).copy = record;
                }
            }
            let end = next.pod(pod).wal;
            next.wal.give_up_beyond(end);
        });
    }
}

impl World {
    /// The highest timeline number of the pods that answer.
    fn highest_known(&self) -> u8 {
        let answers = (0..self.count).filter(|pod| self.pod(*pod).server != Server::Down);
        answers.map(|pod| self.timeline(pod)).max().unwrap_or(1)
    }

    /// The record that ends a maintenance with a standby as the primary.
    fn succeeded(&self, view: Record, pod: Pod) -> Record {
        Record {
            epoch: view.epoch + 2,
            primary: pod,
            timeline: view.timeline.max(self.highest_known()) + 1,
            clean: [0; PODS],
            rejoin: NOBODY,
            ..view.steady()
        }
    }

    /// The plugin replaces the record that it decided on, and is done.
    fn ends(&mut self, decided_on: Record, mut to: Record, further: u8) -> bool {
        self.plugin = Plugin::AWAY;
        if !self.record.is_same(&decided_on) || self.full {
            return false;
        }
        to.epoch = decided_on.epoch + further;
        to.settles = 0;
        self.record = to;
        true
    }
}
