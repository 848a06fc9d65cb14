//! One file, one command: its arguments, whose doc comments are the help, and what it does.

// Help is shown as it is, without markup.
#![allow(clippy::doc_markdown)]

pub(crate) mod args;
pub(crate) mod backup;
pub(crate) mod backups;
pub(crate) mod defaults;
pub(crate) mod expand;
pub(crate) mod expose;
pub(crate) mod help;
pub(crate) mod info;
pub(crate) mod job;
pub(crate) mod link;
pub(crate) mod new_password;
pub(crate) mod promote;
pub(crate) mod psql;
pub(crate) mod rejoin;
pub(crate) mod restore;
pub(crate) mod unexpose;
pub(crate) mod unlink;
