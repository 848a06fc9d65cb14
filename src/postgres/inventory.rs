//! What a running server says beyond its role: settings, sizes, what else it holds. Each statement
//! answers one JSON object, and one that fails costs its own answer only.

use serde::Deserialize;

use crate::postgres::crowd::Crowd;

/// Sizes come last and have little time: a server with very many files does not know them at once.
pub(crate) const INVENTORY: &str = r"
\set ON_ERROR_STOP off
SELECT current_setting('server_version_num')::int >= 150000 AS databases_have_versions \gset
SELECT jsonb_build_object(
  'version', current_setting('server_version'),
  'up_seconds', extract(epoch FROM clock_timestamp() - pg_postmaster_start_time())::bigint,
  'config_file', current_setting('config_file'),
  'pending_restart', (SELECT coalesce(jsonb_agg(name ORDER BY name), '[]') FROM pg_settings WHERE pending_restart),
  'roles', (SELECT coalesce(jsonb_agg(rolname ORDER BY rolname), '[]') FROM pg_roles WHERE rolname !~ '^pg_'));
\if :databases_have_versions
SELECT jsonb_build_object('old_databases', coalesce(jsonb_agg(datname ORDER BY datname), '[]')) FROM pg_database
 WHERE datallowconn AND datcollversion IS NOT NULL AND datcollversion IS DISTINCT FROM pg_database_collation_actual_version(oid);
\endif
SELECT jsonb_build_object('old_collations', coalesce(jsonb_agg(collname ORDER BY collname), '[]')) FROM pg_collation AS c
 WHERE collversion IS NOT NULL AND EXISTS (SELECT FROM pg_depend WHERE refclassid = 'pg_collation'::regclass AND refobjid = c.oid)
   AND collversion IS DISTINCT FROM pg_collation_actual_version(c.oid);
SET statement_timeout = '1s';
SELECT jsonb_build_object('wal_bytes', sum(size)) FROM pg_ls_waldir();
SELECT jsonb_build_object('databases', jsonb_agg(jsonb_build_object('name', datname, 'bytes', pg_database_size(oid)) ORDER BY datname))
  FROM pg_database WHERE datname <> 'template0';
";

/// What the pods' script names the configuration that it falls back on.
const FALLBACK: &str = "/voodu-fallback.conf";

/// The answers; what was not answered is absent.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(crate) struct Inventory {
    pub(crate) version: Option<String>,
    pub(crate) up_seconds: Option<u64>,
    config_file: String,
    /// Settings that take effect at the next start only.
    pub(crate) pending_restart: Vec<String>,
    pub(crate) roles: Vec<String>,
    /// Databases whose text was sorted by another version of the system's collations.
    pub(crate) old_databases: Vec<String>,
    /// The same for collations that single columns and indexes use.
    pub(crate) old_collations: Vec<String>,
    /// What `pg_wal` holds.
    pub(crate) wal_bytes: Option<u64>,
    pub(crate) databases: Option<Vec<Database>>,
    /// Who holds the connections, when none is left.
    pub(crate) crowd: Option<Crowd>,
}

/// A database of the server.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Database {
    pub(crate) name: String,
    pub(crate) bytes: u64,
}

/// An empty database can grow by some catalog pages.
const NEXT_TO_NOTHING: u64 = 1 << 20;

impl Inventory {
    /// Whether the mounted settings did not load and the server runs with the ones before.
    pub(crate) fn fell_back(&self) -> bool {
        self.config_file.ends_with(FALLBACK)
    }

    /// The size of all databases.
    pub(crate) fn bytes(&self) -> Option<u64> {
        let databases = self.databases.as_ref()?;
        Some(databases.iter().map(|database| database.bytes).sum())
    }

    /// The databases besides that one that somebody put something into.
    pub(crate) fn others(&self, own: &str) -> Vec<&Database> {
        let all = self.databases.iter().flatten();
        let empty = all.clone().find(|database| database.name == "template1");
        let empty = empty.map_or(0, |database| database.bytes);
        all.filter(|database| {
            let in_use = match &database.name[..] {
                "template1" => false,
                // Every server has it.
                "postgres" => database.bytes > empty + NEXT_TO_NOTHING,
                _ => true,
            };
            in_use && database.name != own
        })
        .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn others(own: &str, postgres: u64) -> Vec<String> {
        let inventory: Inventory = serde_json::from_value(json!({"databases": [
            {"name": "analytics", "bytes": 100}, {"name": "appdata", "bytes": 200},
            {"name": "postgres", "bytes": postgres}, {"name": "template1", "bytes": 7 << 20},
        ]}))
        .unwrap();
        let others = inventory.others(own);
        others
            .iter()
            .map(|database| database.name.clone())
            .collect()
    }

    #[test]
    fn other_databases_are_those_with_something_in_them() {
        assert_eq!(others("appdata", 7 << 20), ["analytics"]);
        assert_eq!(others("appdata", 9 << 20), ["analytics", "postgres"]);
        assert_eq!(others("postgres", 9 << 20), ["analytics", "appdata"]);
    }

    #[test]
    fn a_server_that_fell_back_is_known_by_its_configuration() {
        let script = include_str!("../../templates/entrypoint/config.sh");
        let line = script
            .lines()
            .find_map(|line| line.strip_prefix("FALLBACK_CONF="));
        let config_file = line
            .unwrap()
            .replace("$PGDATA", "/var/lib/postgresql/data/pgdata");
        let inventory = Inventory {
            config_file,
            ..Inventory::default()
        };
        assert!(inventory.fell_back());
        assert!(!Inventory::default().fell_back());
    }

    #[test]
    fn what_was_not_answered_is_not_known() {
        let inventory: Inventory = serde_json::from_value(json!({"version": "17.2"})).unwrap();
        assert_eq!((inventory.bytes(), inventory.wal_bytes), (None, None));
        assert!(inventory.others("postgres").is_empty());
    }
}
