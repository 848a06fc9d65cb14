//! Long random runs, where the states are too many to visit.

use std::collections::BTreeSet;

use crate::explore::Question;
use crate::normal::normal;
use crate::steps::{Actor, steps};

/// One run of that many steps, each drawn at random; then the pods alone must get to a writer.
pub fn run(question: &Question, seed: u64, length: usize) -> BTreeSet<Actor> {
    let mut draw = Draw(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
    let mut world = question.start();
    let mut actors = BTreeSet::new();
    let mut trail = vec![world.line()];
    for _ in 0..length {
        let mut possible = steps(&question.rules, &world);
        if possible.is_empty() || !world.wal.has_room() {
            break;
        }
        let step = possible.swap_remove(draw.below(possible.len()));
        actors.insert(step.actor);
        trail.push(step.line());
        if let Some(what) = question.judge(&step.world) {
            panic!("seed {seed}: {what:?}\n{}", trail.join("\n"));
        }
        world = normal(&step.world);
    }
    let is_fine = world.comes_back(&question.rules) || world.needs_operator().is_some();
    assert!(is_fine, "seed {seed}: no writer\n{}", trail.join("\n"));
    actors
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
