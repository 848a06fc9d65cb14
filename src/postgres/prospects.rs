//! What decides whether a server will do as the primary, and what its stop ends: settings, WAL
//! senders, replication slots, unlogged tables. Each statement answers one JSON object, and one that
//! fails costs its own answer only.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::model::excerpt::key;
use crate::model::sync_standbys::SyncStandbys;
use crate::postgres::server::STANDBY;

/// What a session of an application commits with is not what this session does: it is what
/// `ALTER ROLE`, `ALTER DATABASE` and the files say. An unlogged table is filled when its main fork
/// has pages; a relation of another database is a table when its init fork has none.
pub(crate) const PROSPECTS: &str = r"
\set ON_ERROR_STOP off
SELECT jsonb_build_object(
  'sync_names', current_setting('synchronous_standby_names'),
  'segment_bytes', (SELECT setting::bigint FROM pg_settings WHERE name = 'wal_segment_size'),
  'prepared', (SELECT count(*) FROM pg_prepared_xacts),
  'waiting', jsonb_build_object('commits', count(*), 'seconds', coalesce(extract(epoch FROM clock_timestamp() - min(query_start))::bigint, 0)))
  FROM pg_stat_activity WHERE wait_event = 'SyncRep' AND backend_type = 'client backend';
SELECT jsonb_build_object('senders', coalesce(jsonb_agg(jsonb_build_object(
  'pid', r.pid, 'name', application_name, 'user', usename, 'state', state, 'slot', slot_name,
  'logical', coalesce(slot_type = 'logical', false)) ORDER BY application_name, r.pid), '[]'))
  FROM pg_stat_replication AS r LEFT JOIN pg_replication_slots ON active_pid = r.pid
 WHERE r.pid <> pg_backend_pid();
SELECT jsonb_build_object('slots', coalesce(jsonb_agg(jsonb_build_object(
  'name', slot_name, 'logical', slot_type = 'logical', 'database', database, 'active', active, 'status', wal_status,
  'held', greatest(0, pg_wal_lsn_diff(here, restart_lsn)),
  'synced', coalesce((to_jsonb(s) ->> 'synced')::boolean, false)) ORDER BY slot_name), '[]'))
  FROM pg_replication_slots AS s, LATERAL (SELECT CASE WHEN pg_is_in_recovery()
    THEN coalesce(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn()) ELSE pg_current_wal_lsn() END AS here) AS w
 WHERE NOT temporary;
SET statement_timeout = '700ms';
SELECT jsonb_build_object('limits', jsonb_object_agg(s.name, jsonb_build_object('running', s.setting::bigint, 'configured', coalesce(
  (SELECT CASE WHEN f.setting ~ '^[0-9]{1,10}$' THEN f.setting::bigint ELSE s.setting::bigint END
     FROM pg_file_settings AS f WHERE lower(f.name) = s.name ORDER BY seqno DESC LIMIT 1), s.boot_val::bigint))))
  FROM pg_settings AS s WHERE s.name IN
  ('max_connections', 'max_worker_processes', 'max_wal_senders', 'max_prepared_transactions', 'max_locks_per_transaction');
SELECT jsonb_build_object('sync_commit', coalesce(
  (SELECT split_part(setting, '=', 2) FROM pg_db_role_setting, unnest(setconfig) AS setting
    WHERE setting LIKE 'synchronous_commit=%'
      AND setdatabase IN (0, (SELECT oid FROM pg_database WHERE datname = current_database()))
      AND setrole IN (0, (SELECT oid FROM pg_roles WHERE rolname = session_user))
    ORDER BY setrole <> 0 DESC, setdatabase <> 0 DESC LIMIT 1),
  (SELECT setting FROM pg_file_settings WHERE lower(name) = 'synchronous_commit' ORDER BY seqno DESC LIMIT 1), 'on'));
SELECT jsonb_build_object('unlogged', jsonb_build_object(
  'database', current_database(), 'tables', count(*) FILTER (WHERE relkind = 'r'), 'sequences', count(*) FILTER (WHERE relkind = 'S'),
  'rows', coalesce(sum(rows), 0)::bigint,
  'names', jsonb_path_query_array(coalesce(jsonb_agg(name ORDER BY rows DESC, name) FILTER (WHERE relkind = 'r'), '[]'), '$[0 to 2]')))
  FROM (SELECT relkind, quote_ident(nspname) || '.' || quote_ident(relname) AS name,
    CASE relkind WHEN 'r' THEN greatest(reltuples::bigint, pg_stat_get_live_tuples(c.oid), 0) END AS rows
    FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = relnamespace
   WHERE relpersistence = 'u' AND relkind IN ('r', 'S')
     AND (pg_is_in_recovery() OR (pg_stat_file(pg_relation_filepath(c.oid), true)).size > 0)) AS unlogged;
SELECT jsonb_build_object('unlogged_elsewhere', coalesce(jsonb_agg(datname ORDER BY datname), '[]')) FROM pg_database AS d
 WHERE datname <> current_database() AND EXISTS (
  SELECT FROM (SELECT 'base/' || d.oid UNION ALL
    SELECT 'pg_tblspc/' || t.oid || '/' || version || '/' || d.oid
      FROM pg_tablespace AS t, pg_ls_dir('pg_tblspc/' || t.oid, true, false) AS version WHERE spcname !~ '^pg_') AS own (directory),
    pg_ls_dir(directory, true, false) AS fork
   WHERE fork ~ '^[0-9]+_init$' AND (pg_stat_file(directory || '/' || fork, true)).size = 0
     AND (pg_is_in_recovery() OR (pg_stat_file(directory || '/' || split_part(fork, '_', 1), true)).size > 0));
RESET statement_timeout;
";

/// The answers; what was not answered is not known.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(crate) struct Prospects {
    /// `synchronous_standby_names`, as it is in force here.
    pub(crate) sync_names: Option<String>,
    /// `synchronous_commit` of a session of the block's user in the block's database.
    pub(crate) sync_commit: Option<String>,
    pub(crate) waiting: Waiting,
    /// `wal_segment_size`
    pub(crate) segment_bytes: Option<u64>,
    /// Prepared transactions.
    pub(crate) prepared: u64,
    pub(crate) senders: Vec<Sender>,
    /// All but temporary ones.
    pub(crate) slots: Vec<Slot>,
    pub(crate) limits: BTreeMap<String, Limit>,
    pub(crate) unlogged: Option<Unlogged>,
    /// The other databases with unlogged tables that are filled.
    pub(crate) unlogged_elsewhere: Option<Vec<String>>,
}

/// Sessions that wait in a commit for a synchronous standby (wait event `SyncRep`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
pub(crate) struct Waiting {
    pub(crate) commits: u64,
    /// How long the oldest of them has waited.
    pub(crate) seconds: u64,
}

/// A WAL sender (`pg_stat_replication`).
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(crate) struct Sender {
    pub(crate) pid: i32,
    /// `application_name`
    pub(crate) name: String,
    pub(crate) user: Option<String>,
    /// `backup` for a `pg_basebackup`
    pub(crate) state: Option<String>,
    pub(crate) slot: Option<String>,
    pub(crate) logical: bool,
}

/// A replication slot (`pg_replication_slots`).
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(crate) struct Slot {
    pub(crate) name: String,
    pub(crate) logical: bool,
    pub(crate) database: Option<String>,
    pub(crate) active: bool,
    /// `wal_status`: `reserved` when all is well.
    pub(crate) status: Option<String>,
    /// The WAL since its `restart_lsn`, in bytes.
    pub(crate) held: Option<u64>,
    /// A copy of the primary's failover slot that the server keeps current (postgres 17).
    pub(crate) synced: bool,
}

/// A setting that a standby needs as high as its primary has it (postgres manual, "Hot Standby").
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
pub(crate) struct Limit {
    pub(crate) running: u64,
    /// What the configuration files give, which the next start as a primary takes.
    pub(crate) configured: u64,
}

/// Unlogged relations of one database that hold something.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(crate) struct Unlogged {
    pub(crate) database: String,
    pub(crate) tables: u64,
    pub(crate) sequences: u64,
    /// An estimate, from the statistics.
    pub(crate) rows: u64,
    /// The largest three, quoted as identifiers.
    pub(crate) names: Vec<String>,
}

impl Prospects {
    /// Reads the answers among whatever else a survey was told.
    pub(crate) fn of(answers: &Map<String, Value>) -> Self {
        serde_json::from_value(Value::Object(answers.clone())).unwrap_or_default()
    }

    /// The standbys that an application's commit waits for here; none when it waits for none.
    pub(crate) fn sync_standbys(&self) -> Option<SyncStandbys> {
        let commit = self.sync_commit.as_deref()?.to_lowercase();
        if ["off", "false", "no", "0", "local"].contains(&&commit[..]) {
            return None;
        }
        self.sync_names.as_ref()?.parse().ok()
    }

    /// The WAL senders that serve no pod of the cluster.
    pub(crate) fn foreign_senders(&self) -> impl Iterator<Item = &Sender> {
        let foreign = |sender: &&Sender| sender.logical || !sender.name.starts_with(STANDBY);
        self.senders.iter().filter(foreign)
    }

    /// The settings in which this server, as a standby of that primary, falls short of it: replay
    /// pauses at the first record after which they count. Each with both values.
    pub(crate) fn lower_limits<'a>(&'a self, primary: &Self) -> Vec<(&'a str, u64, u64)> {
        let short = |(name, own): (&'a String, &Limit)| {
            let needed = primary.limits.get(name)?.running;
            (own.running < needed).then_some((&name[..], own.running, needed))
        };
        self.limits.iter().filter_map(short).collect()
    }
}

impl Slot {
    /// `slot cdc (logical, database appdata)`
    pub(crate) fn described(&self) -> String {
        let kind = match &self.database {
            Some(database) => format!("logical, database {}", key(database)),
            None if self.logical => "logical".to_owned(),
            None => "physical".to_owned(),
        };
        format!("replication slot {} ({kind})", key(&self.name))
    }

    /// The statement that gives it up. A slot's name holds nothing but `a-z`, `0-9` and `_`.
    pub(crate) fn drop(&self) -> String {
        format!("SELECT pg_drop_replication_slot('{}')", self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn prospects(answers: &Value) -> Prospects {
        Prospects::of(answers.as_object().unwrap())
    }

    #[test]
    fn answers_of_a_server() {
        let read = prospects(&json!({
            "version": "17.2", "sync_names": "", "segment_bytes": 16_777_216, "prepared": 1,
            "waiting": {"commits": 2, "seconds": 30},
            "senders": [
                {"pid": 71, "name": "voodu-postgres-standby-1", "user": "replicator", "state": "streaming", "slot": null, "logical": false},
                {"pid": 72, "name": "cdc", "user": "app", "state": "streaming", "slot": "cdc", "logical": true},
                {"pid": 73, "name": "pg_basebackup", "user": "app", "state": "backup", "slot": null, "logical": false}],
            "slots": [{"name": "cdc", "logical": true, "database": "appdata", "active": true, "status": "reserved", "held": 56, "synced": false}],
            "limits": {"max_connections": {"running": 100, "configured": 15}},
            "unlogged": {"database": "appdata", "tables": 1, "sequences": 0, "rows": 20000, "names": ["public.cache"]},
            "unlogged_elsewhere": [],
        }));
        let foreign: Vec<_> = read.foreign_senders().map(|sender| sender.pid).collect();
        assert_eq!(foreign, [72, 73]);
        assert_eq!((read.waiting.seconds, read.slots[0].held), (30, Some(56)));
        assert_eq!(read.limits["max_connections"].configured, 15);
        assert_eq!(prospects(&json!({"version": "17.2"})), Prospects::default());
    }

    #[test]
    fn commits_wait_only_for_named_standbys_and_only_when_they_are_told_to() {
        let waits = |names: &str, commit: &str| {
            let read = prospects(&json!({"sync_names": names, "sync_commit": commit}));
            read.sync_standbys().is_some()
        };
        for commit in ["on", "remote_write", "remote_apply"] {
            assert!(waits("*", commit) && !waits("", commit));
        }
        assert!(!waits("*", "local") && !waits("*", "off"));
        assert!(Prospects::default().sync_standbys().is_none());
    }
}
