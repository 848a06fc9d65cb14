//! Real docker, real postgres: clusters brought up through the stand-in platform, and what is then
//! true of them according to psql, `docker inspect` and the files.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    missing_docs,
    unreachable_pub
)]

mod support;

mod backups;
mod behind;
mod daemon;
mod drivers;
mod expose;
mod formation;
mod guard;
mod handover;
mod heartbeats;
mod hostile;
mod image;
mod info;
mod link;
mod pairs;
mod physical;
mod promote;
mod prospects;
mod psql;
mod rejoin;
mod restart;
mod restore;
mod rotation;
mod sessions;
mod settings;
mod shared_record;
mod survive;
mod takeover;
mod upgrade;
mod ways_in;
