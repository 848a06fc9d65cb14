//! `backups` and the commands behind its colon.

pub(crate) mod cancel;
pub(crate) mod capture;
pub(crate) mod delete;
pub(crate) mod download;
pub(crate) mod list;
pub(crate) mod logs;
pub(crate) mod prune;
pub(crate) mod restore;
pub(crate) mod schedule;
