//! The scripts that run in the pods, function by function, without a container.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    missing_docs,
    unreachable_pub
)]

mod data;
mod decide;
mod hand_back;
mod heartbeat;
mod jobs;
mod limits;
mod lost_record;
mod lost_reply;
mod passfile;
mod protocol;
mod record;
mod restores;
mod second_fault;
mod stops;
mod support;
mod swap;
mod verifiers;
