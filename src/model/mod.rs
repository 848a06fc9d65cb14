//! The words of the README as values: checked once, safe afterwards, no I/O.

pub(crate) mod age;
pub(crate) mod backup_file;
pub(crate) mod backup_id;
pub(crate) mod backup_name;
pub(crate) mod bucket;
pub(crate) mod byte_size;
pub(crate) mod cluster_id;
pub(crate) mod cluster_spec;
pub(crate) mod compression;
pub(crate) mod conf_number;
pub(crate) mod conf_rules;
pub(crate) mod conf_setting;
pub(crate) mod connection;
pub(crate) mod consumers;
pub(crate) mod cron;
pub(crate) mod defaults;
pub(crate) mod dump_source;
pub(crate) mod dump_url;
pub(crate) mod excerpt;
pub(crate) mod field;
pub(crate) mod identifier;
pub(crate) mod job_ref;
pub(crate) mod lsn;
pub(crate) mod ordinal;
pub(crate) mod percent;
#[cfg_attr(
    not(test),
    expect(dead_code, reason = "promote, rejoin and restore use it")
)]
pub(crate) mod record_changes;
pub(crate) mod refusal;
pub(crate) mod resource_ref;
pub(crate) mod restore_id;
pub(crate) mod retention;
pub(crate) mod scram;
pub(crate) mod secret;
pub(crate) mod sha256;
pub(crate) mod table;
pub(crate) mod timestamp;
pub(crate) mod topology;
pub(crate) mod topology_record;
