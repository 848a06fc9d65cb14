//! Backups as files in a cluster's directory and as containers that make and restore them.

pub(crate) mod capture;
pub(crate) mod catalog;
pub(crate) mod containers;
pub(crate) mod directory;
pub(crate) mod fetch;
pub(crate) mod ids;
pub(crate) mod passwords;
pub(crate) mod physical;
pub(crate) mod physical_check;
pub(crate) mod physical_restore;
pub(crate) mod place;
pub(crate) mod rehearsal;
pub(crate) mod restore;
pub(crate) mod restore_input;
pub(crate) mod restores;
pub(crate) mod run;
pub(crate) mod tar;
pub(crate) mod tidy;
