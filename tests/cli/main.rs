//! Drives the binary as the controller does: a command, standard input, and what comes back.

#![allow(clippy::unwrap_used, clippy::panic)]

mod backups;
mod controller;
mod defaults;
mod expand;
mod expose;
mod heartbeats;
mod help;
mod info;
mod link;
mod new_password;
mod physical;
mod promote;
mod prospects;
mod psql;
mod races;
mod readme;
mod rejoin;
mod support;
mod unlink;
mod upgrade;
mod usage;
