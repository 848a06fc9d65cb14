//! What runs on this host and is shared by several commands.

pub(crate) mod record_file;
