//! The stand-in as a whole, on the memory engine and with a plugin whose answers each test
//! writes.
#![allow(clippy::unwrap_used, clippy::panic)]

mod actions;
mod apply;
mod containers;
mod dispatch;
mod jobs;
mod lifecycle;
mod probes;
mod rollout;
mod support;
mod vd;
