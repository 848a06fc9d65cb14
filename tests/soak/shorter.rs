//! The least that still fails.

use std::time::Instant;

/// Tries shorter and shorter lists, until no item can be left out or the time is over. `fails` answers
/// what was run up to a failure, and the failure. Nothing when only the whole list fails.
pub fn shortest<T: Clone>(
    whole: &[T],
    until: Instant,
    mut fails: impl FnMut(&[T]) -> Option<(Vec<T>, String)>,
) -> Option<(Vec<T>, String)> {
    let in_time = || Instant::now() < until;
    let lengths = std::iter::successors(Some(1), |length| Some(length * 2));
    // Mostly the end has it all.
    let mut best = lengths
        .take_while(|length| *length < whole.len() && in_time())
        .find_map(|length| fails(&whole[whole.len() - length..]));
    let mut at = 0;
    loop {
        let list = best.as_ref().map_or(whole, |(list, _)| list);
        if at >= list.len() || list.len() < 2 || !in_time() {
            return best;
        }
        let mut candidate = list.to_vec();
        candidate.remove(at);
        match fails(&candidate) {
            Some(found) => best = Some(found),
            None => at += 1,
        }
    }
}
