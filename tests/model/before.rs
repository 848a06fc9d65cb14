//! What the rules of commit 0369f8b let happen.

use crate::judging::Violation;
use crate::rules::Rules;
use crate::tests::{NONE, finds, holds};
use crate::world::Budget;

#[test]
fn before_s1_one_timeline_number_for_two_histories() {
    let budget = Budget {
        handovers: 2,
        forced: 1,
        ..NONE
    };
    finds(Rules::before(), 3, budget, Violation::CalledWell);
    let budget = Budget {
        commits: 1,
        handovers: 2,
        forced: 2,
        rejoins: 1,
        ..NONE
    };
    finds(Rules::before(), 3, budget, Violation::Misjudged);
}

#[test]
fn before_s2_a_copy_of_a_handover_is_published_again() {
    let budget = Budget {
        commits: 1,
        crashes: 1,
        losses: 1,
        handovers: 1,
        ..NONE
    };
    let trail = finds(Rules::before(), 2, budget, Violation::Lost);
    let is_republished = |line: &String| line.contains("record_publish_copy");
    assert!(trail.iter().any(is_republished));
}

#[test]
fn before_s3_who_handed_over_before_the_last_one_is_guarded() {
    let budget = Budget {
        handovers: 2,
        ..NONE
    };
    finds(Rules::before(), 3, budget, Violation::Guarded);
    holds(Rules::today(), 3, budget, Some(Violation::Guarded));
}
