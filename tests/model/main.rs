//! Changes of roles as a model: the shared record, the pods with their copies of it, their WAL and
//! their servers, the plugin and its operator as one state; every step that any of them can take
//! next; every order of those steps. Crashes and delays may come anywhere: a pod acts on the record
//! that it saw last, however old that is.
//!
//! `wal.rs` holds all histories as one tree, in which a standby follows a primary by what postgres
//! compares: timeline numbers and switchpoints. `world.rs` is the state and what must never be true
//! of it; `rules.rs` the rules, of commit 0369f8b and of today. The steps are in `fate.rs` (clients,
//! crashes, disks, postgres itself), `observing.rs`, `pods.rs` and `restoring.rs` (the scripts) and
//! `plugin.rs`; each of a script or the plugin has the name of the function that takes it, which
//! `held.rs` compares with the code. `explore.rs` visits every state, and prints the shortest way to
//! one that must not be; `random.rs` draws long runs.
//!
//! Searched to the end, with one fault or command of each kind per budget (`tests.rs`): two pods, 11
//! budgets, 524,653 states; three pods, 5 budgets, 674,757 states. Worlds that differ in the numbers
//! of their pods, or in where epochs, LSNs and timeline numbers begin, are one state. Beyond that
//! 1,000 random runs of 300 steps with three pods and up to 8 crashes, 3 lost records, 10 handovers
//! and 3 forced promotions each.
//!
//! From each state without a further fault the pods alone get to a writer, except where `waiting.rs`
//! says what they wait for; from there the operator's promotion or restore does.
#![allow(
    clippy::cast_possible_truncation,
    clippy::doc_markdown,
    clippy::expect_used,
    clippy::match_same_arms,
    clippy::needless_range_loop,
    clippy::panic,
    clippy::print_stdout,
    clippy::semicolon_if_nothing_returned,
    clippy::struct_excessive_bools,
    clippy::unwrap_used,
    missing_docs,
    unreachable_pub
)]

mod before;
mod explore;
mod fate;
mod held;
mod judging;
mod known;
mod needed;
mod normal;
mod observing;
mod pack;
mod plugin;
mod pods;
mod random;
mod record;
mod restoring;
mod rules;
mod show;
mod standby;
mod steps;
mod tests;
mod waiting;
mod wal;
mod world;
