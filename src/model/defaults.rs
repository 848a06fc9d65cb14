//! What a field means when the block leaves it out.

/// Moves with postgres' majors; the README says to pin it.
pub(crate) const IMAGE: &str = "postgres:latest";
pub(crate) const REPLICAS: u16 = 1;
pub(crate) const DATABASE: &str = "postgres";
pub(crate) const USER: &str = "postgres";
pub(crate) const REPLICATION_USER: &str = "replicator";
pub(crate) const PORT: u16 = 5432;
pub(crate) const INITDB_LOCALE: &str = "C.UTF-8";
pub(crate) const INITDB_ENCODING: &str = "UTF8";

/// How many verified backups a new cluster keeps.
pub(crate) const BACKUP_KEEP: &str = "30";

/// Walsenders that streaming.conf allows.
pub(crate) const MAX_WAL_SENDERS: u16 = 10;

/// Where backups lie on the host, below it `<scope>/<name>`.
pub(crate) const BACKUPS_ROOT: &str = "/opt/voodu/backups";
