//! What each of today's rules is for.

use crate::judging::Violation;
use crate::rules::{Informs, Rules};
use crate::tests::{NONE, finds};
use crate::world::Budget;

/// Without any one of the rules something happens that must never happen.
#[test]
fn no_rule_is_idle() {
    let (today, two_in_a_row) = (
        Rules::today(),
        Budget {
            handovers: 2,
            ..NONE
        },
    );
    let rules = Rules {
        clean_list: false,
        ..today
    };
    finds(rules, 3, two_in_a_row, Violation::Guarded);
    let rules = Rules {
        numbers: false,
        ..today
    };
    let budget = Budget {
        handovers: 1,
        restores: 1,
        ..NONE
    };
    finds(rules, 2, budget, Violation::CalledWell);
    let rules = Rules {
        repeats: false,
        ..today
    };
    let budget = Budget {
        crashes: 1,
        commits: 1,
        handovers: 1,
        forced: 1,
        ..NONE
    };
    finds(rules, 3, budget, Violation::CalledWell);
    let lost = Budget {
        losses: 1,
        handovers: 1,
        forced: 1,
        ..NONE
    };
    let rules = Rules {
        copies: false,
        ..today
    };
    finds(rules, 2, lost, Violation::TwoWriters);
    let rules = Rules {
        informs: Informs::After,
        ..today
    };
    finds(rules, 2, lost, Violation::TwoWriters);
    let rules = Rules {
        overrides: false,
        ..today
    };
    let budget = Budget { gone: 1, ..lost };
    finds(rules, 2, budget, Violation::NoWayOut);
    let rules = Rules {
        reserves: false,
        ..today
    };
    let budget = Budget {
        full: 1,
        handovers: 1,
        ..NONE
    };
    finds(rules, 2, budget, Violation::NoWriter);
    nor_is_one_of_a_restore(today);
}

fn nor_is_one_of_a_restore(today: Rules) {
    let rules = Rules {
        undoes_restores: false,
        ..today
    };
    let budget = Budget {
        commits: 1,
        losses: 1,
        volumes: 1,
        restores: 1,
        ..NONE
    };
    finds(rules, 2, budget, Violation::Lost);
    let rules = Rules {
        informs_restored: false,
        ..today
    };
    let budget = Budget {
        losses: 1,
        forced: 1,
        restores: 1,
        ..NONE
    };
    finds(rules, 2, budget, Violation::TwoWriters);
    let rules = Rules {
        leaves_by: 1,
        ..today
    };
    let budget = Budget {
        commits: 1,
        crashes: 1,
        forced: 1,
        restores: 1,
        ..NONE
    };
    finds(rules, 2, budget, Violation::Lost);
    let rules = Rules {
        gives_way: false,
        ..today
    };
    let budget = Budget {
        volumes: 1,
        restores: 1,
        ..NONE
    };
    finds(rules, 2, budget, Violation::NoWayOut);
    let rules = Rules {
        maintenance_exit: false,
        ..today
    };
    let budget = Budget {
        restores: 1,
        losses: 1,
        ..NONE
    };
    finds(rules, 2, budget, Violation::NoWayOut);
}
