//! What can happen next. A step of a pod or of the plugin uses its view of the record and nothing
//! else of the world that it could not see.

use crate::rules::Rules;
use crate::world::{Pod, Record, World};
use crate::{fate, observing, plugin, pods, restoring};

/// Who takes a step, and in which function.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub enum Actor {
    /// Clients, crashes, disks: what a budget limits.
    Fate(&'static str),
    /// What postgres does by itself.
    Postgres(&'static str),
    /// A function of the pods' scripts.
    Script(&'static str),
    /// A function of the plugin, which an operator runs.
    Plugin(&'static str),
}

impl Actor {
    /// Whether it happens without an operator and without a further fault.
    pub fn is_by_itself(self) -> bool {
        matches!(self, Self::Postgres(_) | Self::Script(_))
    }
}

pub struct Step {
    pub actor: Actor,
    pub pod: Pod,
    pub world: World,
}

/// The steps out of one world.
pub struct Steps<'a> {
    pub rules: &'a Rules,
    pub world: &'a World,
    pub found: Vec<Step>,
}

impl Steps<'_> {
    pub fn take(&mut self, actor: Actor, pod: Pod, act: impl FnOnce(&mut World)) {
        let mut world = *self.world;
        act(&mut world);
        if world != *self.world {
            self.found.push(Step { actor, pod, world });
        }
    }

    pub fn script(&mut self, name: &'static str, pod: Pod, act: impl FnOnce(&mut World)) {
        self.take(Actor::Script(name), pod, act);
    }

    /// A pod replaces the record that it decided on.
    pub fn record(&mut self, name: &'static str, pod: Pod, to: Record) {
        let rules = *self.rules;
        let view = self.world.pod(pod).view;
        self.script(name, pod, |next| {
            next.replace(&rules, pod, view, to);
        });
    }
}

impl World {
    /// Whether a pod can write the record now; uses its reserve up on a full disk.
    pub fn spends_room(&mut self, rules: &Rules, pod: Pod) -> bool {
        if !self.full {
            return true;
        }
        let member = self.pod_mut(pod);
        if !rules.reserves || member.reserve == 0 {
            return false;
        }
        member.reserve -= 1;
        true
    }

    /// Replaces the record under its lock, if it is still the one that was decided on. What both
    /// sides compare is the epoch and the state.
    pub fn replace(&mut self, rules: &Rules, pod: Pod, decided_on: Record, mut to: Record) -> bool {
        if !self.record.is_same(&decided_on) || !self.spends_room(rules, pod) {
            return false;
        }
        to.epoch = decided_on.epoch + decided_on.further(rules);
        to.settles = 0;
        self.record = to;
        // It looks at the record again before it does anything else.
        self.pod_mut(pod).view = Record::NONE;
        true
    }
}

impl Record {
    pub fn is_same(&self, other: &Self) -> bool {
        self.exists() && self.epoch == other.epoch && self.state == other.state
    }
}

/// Every step that can be taken in that world.
pub fn steps(rules: &Rules, world: &World) -> Vec<Step> {
    let found = Vec::with_capacity(24);
    let mut steps = Steps {
        rules,
        world,
        found,
    };
    for pod in 0..world.count {
        fate::steps(&mut steps, pod);
        if world.pod(pod).up {
            observing::steps(&mut steps, pod);
            pods::steps(&mut steps, pod);
            restoring::steps(&mut steps, pod);
        }
    }
    plugin::steps(&mut steps);
    steps.found
}
