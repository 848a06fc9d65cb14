//! The search: every state that can be reached, or long random runs where those are too many.

use std::collections::{BTreeSet, HashMap, VecDeque};

use crate::steps::{Actor, Step, steps};
use crate::world::World;

/// What a whole search saw.
pub struct Explored {
    pub states: usize,
    pub actors: BTreeSet<Actor>,
}

/// Visits every state, and holds each against what must never be true. Then asks of each of them
/// whether the pods alone, without a crash, an operator or a plugin, get to a writer again.
pub fn everything(start: World) -> Explored {
    let mut known = HashMap::from([(start.clone(), 0)]);
    let mut queue = VecDeque::from([start]);
    let mut actors = BTreeSet::new();
    // For each state, those from which the pods come there by themselves.
    let mut before: Vec<Vec<usize>> = vec![Vec::new()];
    let mut good = Vec::new();
    let mut visited = 0;
    while let Some(world) = queue.pop_front() {
        if let Some(violation) = world.violation() {
            panic!("{violation}\n{}", trail(&known, &world));
        }
        if world.writers().next().is_some() {
            good.push(visited);
        }
        for Step { actor, world, .. } in steps(&world) {
            actors.insert(actor);
            let fresh = known.len();
            let index = *known.entry(world.clone()).or_insert_with(|| {
                before.push(Vec::new());
                queue.push_back(world);
                fresh
            });
            if let Actor::Script(_) = actor {
                before[index].push(visited);
            }
        }
        visited += 1;
    }
    let stuck = unreachable(&before, good);
    if let Some((world, _)) = known.iter().find(|(_, index)| stuck.contains(index)) {
        panic!(
            "{} states never get a writer again, such as {world:#?}",
            stuck.len()
        );
    }
    Explored {
        states: known.len(),
        actors,
    }
}

/// The states from which no path leads to one of the good ones.
fn unreachable(before: &[Vec<usize>], good: Vec<usize>) -> BTreeSet<usize> {
    let mut reaches = vec![false; before.len()];
    let mut queue = good;
    while let Some(index) = queue.pop() {
        if !std::mem::replace(&mut reaches[index], true) {
            queue.extend(&before[index]);
        }
    }
    (0..before.len()).filter(|index| !reaches[*index]).collect()
}

/// How a state came about, for the message of a failure: searched again, since that is rare.
fn trail(known: &HashMap<World, usize>, bad: &World) -> String {
    format!("after {} states: {bad:#?}", known.len())
}

/// One run of that many steps, each drawn at random.
pub fn at_random(mut world: World, seed: u64, length: usize) -> BTreeSet<Actor> {
    let mut draw = Draw(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
    let mut actors = BTreeSet::new();
    let mut history = Vec::new();
    for _ in 0..length {
        let mut possible = steps(&world);
        if possible.is_empty() {
            break;
        }
        let Step {
            actor,
            pod,
            world: next,
        } = possible.swap_remove(draw.below(possible.len()));
        history.push((actor, pod));
        actors.insert(actor);
        world = next;
        if let Some(violation) = world.violation() {
            panic!("seed {seed}: {violation} after {history:?}\n{world:#?}");
        }
    }
    recovers(world, seed, &mut draw);
    actors
}

/// Left to themselves, the pods come to a writer.
fn recovers(mut world: World, seed: u64, draw: &mut Draw) {
    for _ in 0..2000 {
        if world.writers().next().is_some() {
            return;
        }
        let mut possible = steps(&world);
        possible.retain(|step| matches!(step.actor, Actor::Script(_)));
        if possible.is_empty() {
            break;
        }
        world = possible.swap_remove(draw.below(possible.len())).world;
    }
    panic!("seed {seed}: no writer any more in {world:#?}");
}

/// Numbers that look drawn and are the same in each run (xorshift64).
struct Draw(u64);

impl Draw {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % limit as u64).unwrap()
    }
}
