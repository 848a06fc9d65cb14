//! The limits that a standby needs as high as its primary has them.

use crate::support::{Sandbox, TOOLS};

/// A pod whose files give 15 connections, whose WAL spoke of `$WAL`, and whose primary says `$SAYS`.
const POD: &str = r#"
setting() { case $1 in max_connections) echo 15 ;; max_locks_per_transaction) echo 64 ;; *) echo 8 ;; esac; }
pg_controldata() {
  printf 'pg_control version number:            1300\n'
  printf 'max_connections setting:              %s\nmax_worker_processes setting:         8\n' "$WAL"
  printf 'max_wal_senders setting:              8\nmax_prepared_xacts setting:           9\nmax_locks_per_xact setting:           64\n'
}
remote_sql() { [ -n "$SAYS" ] && echo "$SAYS"; }
V_PRIMARY=1 ORDINAL=0
"#;

#[test]
fn a_standby_starts_with_at_least_what_its_primary_runs_with() {
    for (wal, says, expected) in [
        (
            "15",
            "max_connections=100 max_wal_senders=8",
            "max_connections=100",
        ),
        ("100", "max_connections=15", "max_connections=100"),
        ("100", "", "max_connections=100"),
        ("100", "max_connections=200", "max_connections=200"),
        ("15", "FATAL max_connections=$(false)", ""),
        ("15", "max_connections=15", ""),
    ] {
        for tools in TOOLS {
            let sandbox = Sandbox::new(tools);
            let script = format!(
                "{POD}\nWAL={wal} SAYS='{says}'\nstandby_limits; echo \"${{LIMIT_ARGS[*]}}\""
            );
            let more = if expected.is_empty() {
                String::new()
            } else {
                format!("-c {expected} ")
            };
            // pg_controldata shortens the name of this one.
            let expected = format!("{more}-c max_prepared_transactions=9\n");
            assert_eq!(sandbox.output(&script), expected, "{wal}, {says}");
        }
    }
}

#[test]
fn a_standby_that_falls_short_later_is_started_again() {
    for tools in TOOLS {
        let sandbox = Sandbox::new(tools);
        let script = format!(
            "{POD}\nWAL=15 SAYS=''\nstandby_limits\nlimits_are_low && echo early\nWAL=100\nlimits_are_low 2>&1 && echo low"
        );
        let said = sandbox.output(&script);
        assert!(said.starts_with("voodu: the primary runs with max_connections=100, and this standby was started with max_connections=15"), "{said}");
        assert!(said.ends_with("low\n") && !said.contains("early"), "{said}");
        // A primary of its own was never started with any.
        assert_eq!(
            sandbox.output(&format!("{POD}\nWAL=100\nlimits_are_low || echo no")),
            "no\n"
        );
    }
}
