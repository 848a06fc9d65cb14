//! What a pod makes of the shared record and of its own copy (`observe`, `observe_copy`).

use crate::rules::{Informs, Rules};
use crate::steps::Steps;
use crate::world::{Member, NOBODY, Pod, Record, Server, Shape, World};

pub fn steps(steps: &mut Steps<'_>, pod: Pod) {
    let (rules, world) = (*steps.rules, steps.world);
    let (shared, member) = (world.record, world.pod(pod));
    let copy = member.copy;
    // Until its server has ended it does not look.
    if matches!(member.server, Server::Stopping | Server::Draining) {
        return;
    }
    if rules.copies {
        if shared.exists() && follows_copy(&shared, member, pod)
            || !shared.exists() && !copy.exists()
        {
            steps.script("observe", pod, |next| next.sees(pod, shared));
        } else if rules.informs == Informs::Before && is_undecided(&shared, &copy, pod) {
            steps.script("observe", pod, |next| {
                next.pod_mut(pod).view = shared;
                next.pod_mut(pod).torn = false;
            });
        } else if shared.epoch == copy.epoch && copy.is_steady() {
            steps.script("observe", pod, |next| next.is_torn(pod));
        } else {
            observe_copy(steps, pod);
        }
    } else if shared == copy || shared.exists() && shared.epoch >= copy.epoch {
        steps.script("observe", pod, |next| next.sees(pod, shared));
    } else {
        publish_copy(steps, pod);
    }
}

/// Whether the shared record is the copy or comes after it.
fn follows_copy(shared: &Record, member: &Member, pod: Pod) -> bool {
    let copy = &member.copy;
    if !copy.exists() || shared == copy {
        true
    } else if copy.is_handover() && copy.primary == pod && member.has_announced() {
        if shared.settles > 0 && shared.primary == pod {
            shared.settles == copy.begun()
        } else {
            shared.epoch > copy.begun()
        }
    } else if shared.epoch != copy.epoch {
        shared.epoch > copy.epoch
    } else if copy.is_steady() {
        shared.is_steady() && shared.primary == copy.primary
    } else {
        shared.is_steady() && shared.settles == 0
    }
}

/// Whether the shared record still shows the handover whose stop the copy shows, so that nobody can
/// have taken over. The copy is kept.
fn is_undecided(shared: &Record, copy: &Record, pod: Pod) -> bool {
    copy.is_handover()
        && copy.primary == pod
        && shared.is_handover()
        && shared.primary == pod
        && shared.target == copy.target
        && shared.epoch == copy.begun()
}

/// The shared record is lost or older than the copy.
fn observe_copy(steps: &mut Steps<'_>, pod: Pod) {
    let member = steps.world.pod(pod);
    let copy = member.copy;
    let is_mine = copy.primary == pod;
    if !copy.is_handover() {
        publish_copy(steps, pod);
    } else if copy.target == pod {
        let to = Record {
            epoch: copy.begun() + 3,
            settles: copy.begun(),
            ..copy.steady()
        };
        publish(steps, "record_resolve", pod, to);
    } else if is_mine && !member.has_announced() {
        let to = Record {
            epoch: copy.epoch + 1,
            settles: 0,
            ..copy.steady()
        };
        publish(steps, "record_reclaim", pod, to);
    } else {
        steps.script("observe_copy", pod, |next| next.is_torn(pod));
    }
}

/// What the copy says holds, also where it cannot be published.
fn publish_copy(steps: &mut Steps<'_>, pod: Pod) {
    let rules = *steps.rules;
    let copy = steps.world.pod(pod).copy;
    steps.script("record_publish_copy", pod, |next| {
        if next.spends_room(&rules, pod) {
            // An operator gave up what only this pod has, and the plugin was killed when it had told it.
            let is_open = !next.record.exists() || next.record.is_maintenance();
            if next.told == pod && copy.primary != pod && is_open {
                let end = next.pod(copy.primary).wal;
                next.wal.give_up_beyond(end);
            }
            next.record = copy;
        }
        next.sees(pod, copy);
    });
}

fn publish(steps: &mut Steps<'_>, name: &'static str, pod: Pod, to: Record) {
    let rules: Rules = *steps.rules;
    steps.script(name, pod, |next| {
        if next.spends_room(&rules, pod) {
            next.record = to;
            next.sees(pod, to);
        } else {
            next.is_torn(pod);
        }
    });
}

impl Member {
    /// Whether the handover in its copy may have been completed: it was to hand over, and said where
    /// it stopped, or was about to.
    pub fn has_announced(&self) -> bool {
        let is_down_cleanly = self.clean || self.server == Server::Draining;
        self.copy.stopped_at > 0 || is_down_cleanly && self.announced == self.copy.begun() + 1
    }
}

impl World {
    /// A pod takes a record over into its view, and keeps it beside its data.
    pub fn sees(&mut self, pod: Pod, record: Record) {
        if self.told == pod && self.pod(pod).copy != record {
            self.told = NOBODY;
        }
        let member = self.pod_mut(pod);
        member.view = record;
        member.torn = false;
        if member.shape >= Shape::Standby && record.exists() {
            member.copy = record;
        }
    }

    /// A pod has nothing but its copy, and may not act by it.
    fn is_torn(&mut self, pod: Pod) {
        let member = self.pod_mut(pod);
        member.view = member.copy;
        member.torn = true;
    }
}
