//! The words of the README as values: checked once, safe afterwards, no I/O.

pub(crate) mod bucket;
pub(crate) mod cluster_id;
pub(crate) mod cluster_spec;
pub(crate) mod conf_number;
pub(crate) mod conf_rules;
pub(crate) mod conf_setting;
pub(crate) mod connection;
pub(crate) mod consumers;
pub(crate) mod defaults;
pub(crate) mod excerpt;
pub(crate) mod field;
pub(crate) mod identifier;
#[allow(dead_code)]
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
pub(crate) mod secret;
pub(crate) mod topology;
pub(crate) mod topology_record;
