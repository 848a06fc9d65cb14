//! `backups` and the commands behind its colon.

pub(crate) mod list;
