//! Sessions of plugin, pods and jobs work whatever an operator has set, whatever somebody may have
//! planted, however full the server is, and where the image's trust in the socket is gone.

use std::fmt::Write as _;

use crate::support::{Cluster, Plan, docker, docker_ok, eventually, holds};

/// What each of the settings of a session can be set to so that it is in the way: of every version,
/// and from a version on.
const HOSTILE: &[(u16, &str, &str)] = &[
    (0, "search_path", "public, pg_catalog"),
    (0, "default_transaction_isolation", "serializable"),
    (0, "default_transaction_read_only", "on"),
    (0, "default_transaction_deferrable", "on"),
    (0, "statement_timeout", "15"),
    (0, "lock_timeout", "1"),
    (0, "idle_in_transaction_session_timeout", "5"),
    (14, "idle_session_timeout", "300"),
    (17, "transaction_timeout", "15"),
    (0, "row_security", "off"),
    (0, "session_replication_role", "replica"),
    (0, "exit_on_error", "on"),
    (0, "datestyle", "German, DMY"),
    (0, "intervalstyle", "iso_8601"),
    (0, "timezone", "Asia/Kathmandu"),
    (0, "bytea_output", "escape"),
    (0, "extra_float_digits", "-15"),
    (0, "array_nulls", "off"),
    (0, "transform_null_equals", "on"),
    (0, "standard_conforming_strings", "off"),
    (0, "escape_string_warning", "on"),
    (0, "backslash_quote", "off"),
    (0, "quote_all_identifiers", "on"),
    (0, "xmloption", "document"),
    (0, "client_encoding", "LATIN1"),
    (0, "client_min_messages", "debug5"),
    (0, "temp_file_limit", "0"),
    (0, "jit_above_cost", "0"),
    (16, "debug_parallel_query", "on"),
    (0, "log_statement", "all"),
    (0, "log_duration", "on"),
    (0, "log_min_duration_statement", "0"),
    (0, "log_transaction_sample_rate", "1"),
    (0, "log_min_error_statement", "debug5"),
    (0, "log_replication_commands", "on"),
    (0, "debug_print_parse", "on"),
    (0, "debug_print_plan", "on"),
];

/// Functions that our SQL calls, which the path of before finds in `public` first.
const HIJACKED: &str = "
DO $$ DECLARE f record; BEGIN
  FOR f IN SELECT p.proname, pg_catalog.pg_get_function_identity_arguments(p.oid) AS args, pg_catalog.format_type(p.prorettype, NULL) AS result
    FROM pg_catalog.pg_proc p WHERE p.pronamespace = 'pg_catalog'::regnamespace AND p.prokind = 'f' AND NOT p.proretset
     AND p.prorettype::regtype::text NOT IN ('record', 'internal', 'anyelement', 'trigger', 'event_trigger', 'cstring', '\"any\"')
     AND p.proname IN ('pg_is_in_recovery', 'current_setting', 'pg_database_size', 'txid_current', 'pg_current_wal_lsn', 'host',
       'pg_last_wal_replay_lsn', 'pg_last_wal_receive_lsn', 'pg_walfile_name', 'pg_wal_lsn_diff', 'pg_is_wal_replay_paused',
       'pg_postmaster_start_time', 'clock_timestamp', 'extract', 'pg_snapshot_xmin', 'pg_current_snapshot', 'quote_ident',
       'has_database_privilege', 'has_function_privilege', 'pg_tablespace_location', 'set_config', 'to_jsonb', 'pg_reload_conf')
     AND p.proargmodes IS NULL AND p.provariadic = 0
  LOOP
    EXECUTE pg_catalog.format('CREATE FUNCTION public.%I(%s) RETURNS %s LANGUAGE plpgsql AS %L', f.proname, f.args, f.result,
      'BEGIN RAISE EXCEPTION ''hijacked ' || f.proname || '''; END');
  END LOOP;
  CREATE FUNCTION public.jsonb_build_object(text, numeric) RETURNS jsonb LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''hijacked''; END';
  CREATE FUNCTION public.format(text, name, name) RETURNS text LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''hijacked''; END';
  CREATE FUNCTION public.equal(text, text) RETURNS boolean LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''hijacked''; END';
  CREATE OPERATOR public.= (LEFTARG = text, RIGHTARG = text, FUNCTION = public.equal);
  CREATE OPERATOR public.<> (LEFTARG = text, RIGHTARG = text, FUNCTION = public.equal);
END $$;
";

/// Nobody logs in past these.
const TRIGGER: &str = "
CREATE FUNCTION public.at_login() RETURNS event_trigger LANGUAGE plpgsql AS $$
  BEGIN RAISE EXCEPTION 'nobody logs in'; END $$;
CREATE EVENT TRIGGER at_login ON login EXECUTE FUNCTION public.at_login();
ALTER EVENT TRIGGER at_login ENABLE ALWAYS;
";

impl Cluster {
    /// Runs SQL as a test does whom none of it disturbs.
    fn try_calm(&self, pod: u16, database: &str, sql: &str) -> Result<String, String> {
        let mut options = "PGOPTIONS=-c search_path=public -c default_transaction_read_only=off \
            -c default_transaction_isolation=read\\ committed -c statement_timeout=0 -c lock_timeout=0 -c idle_session_timeout=0 \
            -c idle_in_transaction_session_timeout=0 -c role=none -c session_replication_role=origin -c client_min_messages=error \
            -c exit_on_error=off -c session_preload_libraries= -c temp_file_limit=-1"
            .to_owned();
        if self.plan.major >= 17 {
            options += " -c event_triggers=off -c transaction_timeout=0";
        }
        let psql = [
            "psql",
            "-XAtq",
            "-v",
            "ON_ERROR_STOP=1",
            "-p",
            "5433",
            "-U",
            "appuser",
            "-d",
            database,
            "-c",
            sql,
        ];
        let container = self.pod(pod);
        let words = [
            &["exec", "-e", &options, "-e", "PGPASSWORD", &container][..],
            &psql,
        ]
        .concat();
        let output = docker(&words);
        let text = |bytes| String::from_utf8_lossy(bytes).trim_end().to_owned();
        if output.status.success() {
            Ok(text(&output.stdout))
        } else {
            Err(text(&output.stderr))
        }
    }

    #[track_caller]
    fn calm(&self, pod: u16, sql: &str) -> String {
        self.try_calm(pod, "appdata", sql)
            .unwrap_or_else(|error| panic!("pod {pod}: {sql}: {error}"))
    }

    #[track_caller]
    fn streams_from(&self, primary: u16) {
        eventually(60, "both pods", || {
            let sql = "SELECT pg_is_in_recovery(), (SELECT count(*) FROM pg_stat_replication WHERE state OPERATOR(pg_catalog.=) 'streaming')";
            let answer = self.try_calm(primary, "template1", sql)?;
            holds(answer == "f|1", || answer)
        });
    }

    fn hostile_settings(&self) -> impl Iterator<Item = (&'static str, &'static str)> {
        let major = self.plan.major;
        let known = HOSTILE.iter().filter(move |(since, ..)| *since <= major);
        known.map(|(_, name, value)| (*name, *value))
    }

    /// Sets all of it everywhere.
    fn spoil(&mut self) {
        let settings = self.hostile_settings();
        // It ends a login itself that takes longer, before the client's options count.
        let lines = settings.map(|(name, value)| match name {
            "transaction_timeout" => "    transaction_timeout = 3000\n".to_owned(),
            _ => format!("    {name} = \"{value}\"\n"),
        });
        self.plan.block = format!("pg_config = {{\n{}}}", lines.collect::<String>());
        let mut sql = "CREATE ROLE weak; GRANT CREATE ON SCHEMA public TO weak;\n".to_owned();
        for (name, value) in self.hostile_settings() {
            let value = if name == "search_path" {
                value.to_owned()
            } else {
                format!("'{value}'")
            };
            for whom in [
                "DATABASE appdata",
                "DATABASE postgres",
                "ROLE appuser",
                "ROLE repl",
                "ROLE appuser IN DATABASE appdata",
                "ROLE appuser IN DATABASE postgres",
                "ROLE repl IN DATABASE appdata",
            ] {
                writeln!(sql, "ALTER {whom} SET {name} = {value};").unwrap();
            }
        }
        sql += "ALTER ROLE appuser SET role = 'weak'; ALTER ROLE appuser SET session_preload_libraries = 'none_such';\n";
        for database in ["appdata", "postgres"] {
            let planted = if self.plan.major >= 17 { TRIGGER } else { "" };
            self.try_calm(0, database, &format!("{HIJACKED}{planted}"))
                .unwrap();
        }
        self.calm(0, &sql);
    }

    #[track_caller]
    fn does(&self, command: &str, words: &[&str]) -> String {
        let output = self.pg(command, words);
        assert_eq!(output.status, 0, "{command} {words:?}: {output:?}");
        output.stdout
    }

    #[track_caller]
    fn is_all_well(&self) {
        eventually(60, "a healthy cluster", || {
            let output = self.pg("info", &["--check"]);
            holds(output.status == 0, || output.stdout)
        });
    }
}

fn every_command_in_a_hostile_cluster(major: u16) {
    let plan = Plan {
        major,
        replicas: 2,
        ..Plan::default()
    };
    let Some(mut cluster) = Cluster::up(plan) else {
        return;
    };
    cluster.calm(0, "CREATE TABLE t AS SELECT i, '{NULL,1}'::int[] AS a, '\\x00ff'::bytea AS b, 1.1::float8 AS f FROM generate_series(1, 100) AS i");
    crate::support::application::apply(&cluster, "app", major);
    cluster.spoil();
    // The pods restart with these settings.
    cluster.apply();
    cluster.streams_from(0);
    cluster.is_all_well();
    let content = |cluster: &Cluster, pod| {
        cluster.calm(
            pod,
            "SELECT md5(string_agg(t::text, ',' ORDER BY i)) FROM public.t AS t",
        )
    };
    let before = content(&cluster, 0);

    let printed = cluster.does("psql", &["-c", "SELECT 40 + 2", "--", "-At"]);
    assert!(printed.ends_with("42\n"), "{printed}");
    let app = format!("{}/app", cluster.scope);
    cluster.does("link", &[&app]);
    cluster.does("new-password", &["--no-restart"]);
    cluster.does("new-password", &["--replication"]);
    cluster.does("backups:capture", &["--follow"]);
    cluster.does("backups:capture", &["--from-replica", "1", "--follow"]);
    let tar = std::path::PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(&cluster.scope);
    let tar = tar.join("db.tar").display().to_string();
    cluster.does("backup", &["--destination", &tar, "--follow"]);

    for id in ["b001", "b002"] {
        cluster.calm(0, "DROP TABLE public.t");
        cluster.does("backups:restore", &[id, "--yes", "--follow"]);
        assert_eq!(content(&cluster, 0), before, "{id}");
    }

    cluster.does("promote", &["--replica", "1"]);
    cluster.streams_from(1);
    cluster.is_all_well();
    docker_ok(&["stop", &cluster.pod(1)]);
    cluster.does("promote", &["--replica", "0", "--force"]);
    cluster.calm(0, "CREATE TABLE public.after AS SELECT 1 AS one");
    docker_ok(&["start", &cluster.pod(1)]);
    cluster.does("rejoin", &["--replica", "1"]);
    cluster.streams_from(0);
    cluster.apply();
    cluster.streams_from(0);
    cluster.is_all_well();
    assert_eq!(content(&cluster, 1), before);

    cluster.does("restore", &["--from", &tar, "--yes", "--follow"]);
    cluster.streams_from(0);
    cluster.is_all_well();
    cluster.does("unlink", &[&app]);

    // What lies in a statement of ours lies in no log.
    let bucket = cluster.platform.bucket(&cluster.scope, "db");
    for pod in [0, 1] {
        let log = cluster.log(pod);
        assert!(
            !log.contains("SCRAM-SHA-256$") && !log.contains("hijacked"),
            "pod {pod}"
        );
        for (key, value) in &bucket {
            assert!(!key.contains("PASSWORD") || !log.contains(value), "{key}");
        }
    }
}

#[test]
fn every_command_works_in_a_hostile_cluster() {
    every_command_in_a_hostile_cluster(17);
}

#[test]
fn every_command_works_in_a_hostile_cluster_of_15() {
    every_command_in_a_hostile_cluster(15);
}
