//! The role goes back: from a target that cannot be promoted to nobody else than the pod that handed over
//! to it, and to an old primary that cannot write the record, while its server goes on.

use crate::support::{Sandbox, TOOLS};

/// A pod that took over with the list `$CLEAN`, and whose WAL ends as `$WAL` says.
const POD: &str = r#"
V_STATE=steady V_PRIMARY=$ORDINAL V_TIMELINE=3 V_CLEAN=$CLEAN V_REJOIN=
own_timeline() { echo 2; }
pg_waldump() { printf '%s\n' "$WAL"; }
record_change() { echo "$*"; }
"#;

const STOP: &str = "rmgr: XLOG        len (rec/tot):    114/   114, tx:          0, lsn: 0/000006B0, prev 0/00000678, desc: CHECKPOINT_SHUTDOWN redo 0/6B0; tli 2;";
const MORE: &str = "rmgr: Standby     len (rec/tot):     50/    50, tx:          0, lsn: 0/00000728, prev 0/000006B0, desc: RUNNING_XACTS";

#[test]
fn the_role_goes_back_only_where_the_wal_ends_with_the_stop() {
    let given = "primary=1 timeline=4 clean=2@0/5A8 rejoin=\n";
    for (clean, wal, expected) in [
        ("2@0/5A8,1@0/6B0", STOP.to_owned(), given),
        // It wrote, or received, something after that.
        ("2@0/5A8,1@0/6B0", format!("{STOP}\n{MORE}"), "no\n"),
        // The role was given back once already, and the one before stopped long ago.
        ("1@0/5A8", STOP.to_owned(), "no\n"),
        ("1@0/6B0", MORE.to_owned(), "no\n"),
        ("1@0/6B0", String::new(), "no\n"),
        ("1", STOP.to_owned(), "no\n"),
    ] {
        for tools in TOOLS {
            let sandbox = Sandbox::new(tools);
            let script = format!("CLEAN='{clean}' WAL='{wal}'\n{POD}\nhand_back || echo no");
            assert_eq!(sandbox.output(&script), expected, "{clean}: {wal}");
        }
    }
}

/// Whoever looks takes it that no server runs when the answer is no.
#[test]
fn a_record_that_cannot_be_written_does_not_end_the_watch_of_a_running_server() {
    for (role, action) in [("primary", "run_primary"), ("standby", "take_back")] {
        for tools in TOOLS {
            let sandbox = Sandbox::new(tools);
            let script = format!(
                "ROLE={role} ACTION={action} V_STATE=handover\nrecord_take_back() {{ return 1; }}\nretry() {{ return 1; }}\nrole_holds 2>/dev/null && echo goes on"
            );
            assert_eq!(sandbox.output(&script), "goes on\n", "{role}");
        }
    }
}
