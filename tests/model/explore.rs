//! The search: every state that can be reached, in the order of the number of steps to it.

use std::collections::{BTreeMap, BTreeSet};

use crate::judging::Violation;
use crate::known::{Known, NONE};
use crate::normal::normal;
use crate::pack::{pack, unpack};
use crate::rules::Rules;
use crate::steps::{Actor, Step, steps};
use crate::world::{Budget, Plugin, World};

/// What is asked of a search.
#[derive(Clone, Copy)]
pub struct Question {
    pub rules: Rules,
    pub pods: u8,
    pub budget: Budget,
    /// Nothing but this violation counts; without it all do but `Guarded`.
    pub only: Option<Violation>,
}

/// What a whole search saw.
pub struct Explored {
    pub states: usize,
    pub actors: BTreeSet<Actor>,
    /// How many states wait for an operator, and what for.
    pub waiting: BTreeMap<&'static str, usize>,
}

/// What must never happen, and the shortest way to it.
pub struct Found {
    pub what: Violation,
    pub trail: Vec<String>,
}

/// One search.
struct Search<'a> {
    rules: &'a Rules,
    known: Known,
    actors: BTreeSet<Actor>,
    /// The steps that happen without an operator and without a fault.
    edges: Vec<(u32, u32)>,
    good: Vec<u32>,
    /// Whether it goes no further once there is a writer.
    ends_when_well: bool,
}

impl Question {
    pub fn start(&self) -> World {
        World::new(self.pods, u8::from(self.rules.numbers), self.budget)
    }

    /// What is wrong with a world.
    pub fn judge(&self, world: &World) -> Option<Violation> {
        let found = match self.only {
            Some(Violation::Guarded) => {
                let guarded = (0..world.count).any(|pod| world.is_guarded(&self.rules, pod));
                guarded.then_some(Violation::Guarded)
            }
            _ => world.violation(self.rules.compares),
        };
        found.filter(|found| self.only.is_none_or(|only| only == *found))
    }

    /// Visits every state, and holds each against what must never be true. Then asks of each of
    /// them whether the pods alone get to a writer again, or else with the operator's way out.
    pub fn answer(&self) -> Result<Explored, Found> {
        let mut search = Search::new(&self.rules);
        search.known.add(&pack(&normal(&self.start())), NONE);
        let mut state = 0;
        while (state as usize) < search.known.len() {
            let found = search.visit(state, Actor::is_by_itself, |world| self.judge(world));
            if let Some((what, last)) = found {
                let mut trail = self.trail(&search.known, state);
                trail.push(last);
                return Err(Found { what, trail });
            }
            state += 1;
        }
        let waiting = match self.only {
            None | Some(Violation::NoWriter | Violation::NoWayOut) => {
                self.check_writers(&mut search)?
            }
            Some(_) => BTreeMap::new(),
        };
        Ok(Explored {
            states: search.known.len(),
            actors: search.actors,
            waiting,
        })
    }

    fn check_writers(
        &self,
        search: &mut Search<'_>,
    ) -> Result<BTreeMap<&'static str, usize>, Found> {
        let mut waiting = BTreeMap::new();
        let mut asked = Vec::new();
        for state in search.stuck() {
            let world = unpack(search.known.bytes_of(state));
            let Some(reason) = world.needs_operator() else {
                return Err(self.found(Violation::NoWriter, search, state));
            };
            *waiting.entry(reason).or_default() += 1;
            asked.push((state, world));
        }
        // A promotion first; where that does not help, a restore.
        for restores in [0, 1] {
            asked = self.not_rescued(asked, restores);
        }
        match asked.first() {
            Some((state, _)) => Err(self.found(Violation::NoWayOut, search, *state)),
            None => Ok(waiting),
        }
    }

    /// The worlds from which an operator's commands lead to no writer.
    fn not_rescued(&self, worlds: Vec<(u32, World)>, restores: u8) -> Vec<(u32, World)> {
        let mut rescue = Search::new(&self.rules);
        rescue.ends_when_well = true;
        let start = |world: &World| pack(&normal(&world.with_an_operator(restores)));
        let starts: Vec<_> = worlds
            .iter()
            .map(|(_, world)| rescue.known.add(&start(world), NONE))
            .collect();
        let lost: BTreeSet<_> = rescue.all().into_iter().collect();
        let all = worlds.into_iter().zip(starts);
        all.filter(|(_, start)| lost.contains(start))
            .map(|(world, _)| world)
            .collect()
    }

    fn found(&self, what: Violation, search: &Search<'_>, state: u32) -> Found {
        let trail = self.trail(&search.known, state);
        Found { what, trail }
    }

    /// How a state comes about in the fewest steps, with the numbers of the pods as they were at
    /// the start.
    fn trail(&self, known: &Known, state: u32) -> Vec<String> {
        let mut path = vec![state];
        while let Some(parent) = path
            .last()
            .map(|at| known.parents[*at as usize])
            .filter(|at| *at != NONE)
        {
            path.push(parent);
        }
        let mut world = self.start();
        let mut lines = vec![world.line()];
        for state in path.into_iter().rev().skip(1) {
            let is_next = |step: &Step| pack(&normal(&step.world)).bytes() == known.bytes_of(state);
            let taken = steps(&self.rules, &world)
                .into_iter()
                .find(is_next)
                .unwrap();
            lines.push(taken.line());
            world = taken.world;
        }
        lines
    }
}

impl<'a> Search<'a> {
    fn new(rules: &'a Rules) -> Self {
        Self {
            rules,
            known: Known::new(),
            actors: BTreeSet::new(),
            edges: Vec::new(),
            good: Vec::new(),
            ends_when_well: false,
        }
    }

    /// Takes every step out of a state; returns the first that leads to what must not be.
    fn visit(
        &mut self,
        state: u32,
        counts: impl Fn(Actor) -> bool,
        judge: impl Fn(&World) -> Option<Violation>,
    ) -> Option<(Violation, String)> {
        let world = unpack(self.known.bytes_of(state));
        if world.is_well() {
            self.good.push(state);
            if self.ends_when_well {
                return None;
            }
        }
        for step in steps(self.rules, &world) {
            self.actors.insert(step.actor);
            if let Some(what) = judge(&step.world) {
                return Some((what, step.line()));
            }
            let to = self.known.add(&pack(&normal(&step.world)), state);
            if counts(step.actor) {
                self.edges.push((state, to));
            }
        }
        None
    }

    /// Visits everything without faults, operators included; the states from which there is no way
    /// to a writer.
    fn all(mut self) -> Vec<u32> {
        let mut state = 0;
        while (state as usize) < self.known.len() {
            self.visit(state, |actor| !matches!(actor, Actor::Fate(_)), |_| None);
            state += 1;
        }
        self.stuck()
    }

    /// The states from which no path leads to a good one.
    fn stuck(&mut self) -> Vec<u32> {
        let count = self.known.len();
        let mut starts = vec![0u32; count + 2];
        for (_, to) in &self.edges {
            starts[*to as usize + 2] += 1;
        }
        for at in 2..starts.len() {
            starts[at] += starts[at - 1];
        }
        let mut before = vec![0u32; self.edges.len()];
        for (from, to) in &self.edges {
            let slot = &mut starts[*to as usize + 1];
            before[*slot as usize] = *from;
            *slot += 1;
        }
        let mut reaches = vec![false; count];
        let mut queue = std::mem::take(&mut self.good);
        while let Some(state) = queue.pop() {
            let state = state as usize;
            if !std::mem::replace(&mut reaches[state], true) {
                queue.extend(&before[starts[state] as usize..starts[state + 1] as usize]);
            }
        }
        let stuck = (0..count).filter(|state| !reaches[*state]);
        stuck.map(|state| u32::try_from(state).unwrap()).collect()
    }
}

impl World {
    /// Whether the primary accepts writes, and no record says that it should not.
    pub fn is_well(&self) -> bool {
        if self.record.exists() {
            self.record.is_steady() && self.pod(self.record.primary).writes()
        } else {
            self.writer().is_some()
        }
    }

    /// The same without any further fault, and with an operator who does what the messages say.
    fn with_an_operator(mut self, restores: u8) -> Self {
        self.left = Budget {
            handovers: 1,
            forced: 1,
            restores,
            ..Budget::default()
        };
        self.plugin = Plugin::AWAY;
        self
    }

    /// Whether the pods alone get from here to a writer.
    pub fn comes_back(&self, rules: &Rules) -> bool {
        let mut known = Known::new();
        let mut start = *self;
        start.left = Budget::default();
        known.add(&pack(&normal(&start)), NONE);
        let mut state = 0;
        while (state as usize) < known.len() {
            let world = unpack(known.bytes_of(state));
            if world.is_well() {
                return true;
            }
            for step in steps(rules, &world) {
                if step.actor.is_by_itself() {
                    known.add(&pack(&normal(&step.world)), state);
                }
            }
            state += 1;
        }
        false
    }
}
