//! The handover as a model: the record, the pods and the plugin as one state, every step that any
//! of them can take next, and every order of those steps. Crashes and delays may come anywhere: a
//! pod acts on the record that it saw last, however old that is.
//!
//! `world.rs` is the state, `steps.rs` what can happen, `explore.rs` the search. Each step that is
//! not fate names the function that carries it out, and a test holds those names against the
//! scripts and the plugin.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    missing_docs,
    unreachable_pub
)]

mod explore;
mod steps;
mod tests;
mod world;
