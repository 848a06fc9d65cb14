//! What the model is asked.

use std::collections::BTreeSet;

use crate::explore::{Explored, Question};
use crate::held::held_against_the_code;
use crate::judging::Violation;
use crate::random;
use crate::rules::Rules;
use crate::world::Budget;

pub const NONE: Budget = Budget {
    commits: 0,
    crashes: 0,
    losses: 0,
    full: 0,
    volumes: 0,
    gone: 0,
    handovers: 0,
    forced: 0,
    rejoins: 0,
    restores: 0,
    handed_back: 0,
};

/// The shortest way to a violation is found.
#[track_caller]
pub fn finds(rules: Rules, pods: u8, budget: Budget, what: Violation) -> Vec<String> {
    let only = Some(what);
    let question = Question {
        rules,
        pods,
        budget,
        only,
    };
    let Err(found) = question.answer() else {
        panic!("{what:?} is not found");
    };
    println!("{:?}:\n{}", found.what, found.trail.join("\n"));
    assert_eq!(found.what, what);
    found.trail
}

#[track_caller]
pub fn holds(rules: Rules, pods: u8, budget: Budget, only: Option<Violation>) -> Explored {
    let question = Question {
        rules,
        pods,
        budget,
        only,
    };
    match question.answer() {
        Ok(explored) => {
            println!(
                "{pods} pods: {} states, {:?}",
                explored.states, explored.waiting
            );
            explored
        }
        Err(found) => panic!("{:?}\n{}", found.what, found.trail.join("\n")),
    }
}

/// Every order of events in small worlds, and each step is held against the code.
#[test]
fn two_pods_in_every_order_of_events() {
    let one = Budget {
        commits: 1,
        handovers: 1,
        ..NONE
    };
    let budgets = [
        Budget {
            crashes: 1,
            forced: 1,
            rejoins: 1,
            ..one
        },
        Budget {
            crashes: 1,
            losses: 1,
            ..one
        },
        Budget {
            losses: 1,
            forced: 1,
            ..one
        },
        Budget {
            crashes: 1,
            full: 1,
            ..one
        },
        Budget {
            volumes: 1,
            forced: 1,
            ..one
        },
        Budget {
            gone: 1,
            losses: 1,
            forced: 1,
            ..one
        },
        Budget {
            crashes: 1,
            handed_back: 1,
            ..one
        },
        Budget {
            restores: 1,
            crashes: 1,
            handovers: 0,
            ..one
        },
        Budget {
            restores: 1,
            losses: 1,
            handovers: 0,
            ..one
        },
        Budget {
            restores: 1,
            volumes: 1,
            forced: 1,
            handovers: 0,
            ..one
        },
        Budget {
            handovers: 2,
            crashes: 1,
            ..one
        },
    ];
    let (mut states, mut actors) = (0, BTreeSet::new());
    for budget in budgets {
        let explored = holds(Rules::today(), 2, budget, None);
        states += explored.states;
        actors.extend(explored.actors);
    }
    assert!(states > 400_000, "{states}");
    held_against_the_code(&actors);
}

#[test]
fn three_pods_in_every_order_of_events() {
    let one = Budget {
        handovers: 1,
        ..NONE
    };
    let budgets = [
        Budget {
            handovers: 2,
            ..one
        },
        Budget {
            commits: 1,
            losses: 1,
            ..one
        },
        Budget {
            forced: 1,
            losses: 1,
            ..one
        },
        Budget {
            forced: 1,
            volumes: 1,
            ..one
        },
        Budget {
            commits: 1,
            forced: 1,
            rejoins: 1,
            ..one
        },
    ];
    let mut states = 0;
    for budget in budgets {
        states += holds(Rules::today(), 3, budget, None).states;
    }
    assert!(states > 400_000, "{states}");
}

/// A lot of everything.
#[test]
fn three_pods_at_random() {
    let budget = Budget {
        commits: 12,
        crashes: 8,
        losses: 3,
        full: 2,
        volumes: 1,
        gone: 0,
        handovers: 10,
        forced: 3,
        rejoins: 3,
        restores: 1,
        handed_back: 2,
    };
    let question = Question {
        rules: Rules::today(),
        pods: 3,
        budget,
        only: None,
    };
    for seed in 0..1_000 {
        random::run(&question, seed, 300);
    }
}
