//! What a pod does when one thing goes wrong after another: nothing that is not known is acted on, and what
//! an operator is told to do has an effect.

use crate::support::{Sandbox, TOOLS, Tools};

const SAYS: &str = r#"
V_STATE=steady V_PRIMARY=1 V_EPOCH=7 V_RECORD=ours V_CLUSTER=$PG_CLUSTER_ID CLUSTER_REF=s/db
V_TARGET= V_STOPPED_AT= V_TIMELINE=3 V_CLEAN= V_REJOIN=
check_major() { :; }
stop_server() { echo stopped; }
die() { echo "died: $*"; exit 0; }
"#;

#[track_caller]
fn says(script: &str) -> String {
    let mut said = Vec::new();
    for tools in TOOLS {
        said.push(Sandbox::new(tools).output(&format!("{SAYS}\n{script}")));
    }
    assert_eq!(said[0], said[1]);
    said.swap_remove(0)
}

/// It handed over once, and was written to since behind the record's back.
#[test]
fn a_pod_that_left_cleanly_and_was_written_to_since_can_be_told_to_rejoin() {
    let ends =
        "stopped_cleanly() { STOPPED_AT=0/6B0; }\nact_rejoin() { echo rejoins; }\nCLEAN_AT=0/5A8";
    let rejoin = |asked: &str| says(&format!("{ends} V_REJOIN={asked}; act_follow_clean"));
    assert_eq!(rejoin("0"), "rejoins\n");
    assert!(
        rejoin("").starts_with("died: split-brain guard: "),
        "{}",
        rejoin("")
    );
    assert!(rejoin("2").starts_with("died: split-brain guard: "));
}

/// The primary does not say whether this pod's WAL is a part of its history.
#[test]
fn what_is_not_known_to_be_the_primarys_is_not_copied_over() {
    let heal = |branched: &str| {
        let script = format!(
            "STUCK_AT=0/5A8 BRANCHED_OFF=\nstuck_position() {{ echo 0/5A8; }}\nwarn_of_auto_conf() {{ :; }}\n\
             branched_off_before() {{ printf %s '{branched}'; }}\nwal_is_gone() {{ echo t; }}\nheal_standby 2>/dev/null; echo \"$RECLONE\""
        );
        says(&script)
    };
    assert_eq!(heal("f"), "stopped\n1\n");
    assert_eq!(heal("t"), "\n");
    assert_eq!(heal(""), "\n");
}

/// They go only where no copy fits beside them.
#[test]
fn complete_data_stay_until_their_copy_is_there() {
    let clones = |mark: &str| {
        let sandbox = Sandbox::new(Tools::Native);
        for file in ["PG_VERSION", "global/pg_control"] {
            sandbox.write(&format!("volume/pgdata/{file}"), "x");
        }
        if !mark.is_empty() {
            sandbox.write(&format!("volume/{mark}"), "");
        }
        let steps = "choose_password() { :; }\nwait_for_primary() { :; }\ncopy_beside() { echo beside; }\nback_off() { :; }\n\
                     wipe_tablespaces() { :; }\nbase_backup() { ls \"$PGDATA\" | wc -l; return 1; }\nRECLONE=1 act_clone 2>/dev/null; ls \"$PGDATA\" | wc -l";
        sandbox.output(&format!("{SAYS}\n{steps}"))
    };
    assert_eq!(clones(""), "beside\n2\n");
    for mark in [".voodu-clone", ".voodu-init", ".voodu-bootstrap-incomplete"] {
        assert_eq!(clones(mark), "0\n0\n", "{mark}");
    }
}

/// The server that recovers them ends the recovery on the primary's timeline.
#[test]
fn a_standby_whose_rejoin_was_killed_in_its_recovery_is_a_standby() {
    for tools in TOOLS {
        let sandbox = Sandbox::new(tools);
        for file in ["PG_VERSION", "global/pg_control", "standby.signal"] {
            sandbox.write(&format!("volume/pgdata/{file}"), "x");
        }
        // Killed while the server recovers.
        sandbox.output(&format!(
            "{SAYS}\ncontrol() {{ echo 'in archive recovery'; }}\nsetsid() {{ :; }}\nawait_helper() {{ exit 0; }}\nrecover_data 2>/dev/null"
        ));
        assert!(!sandbox.path("volume/pgdata/standby.signal").exists());
        let boots = format!(
            "{SAYS}\ndata_shape; repeat_recovery; echo $SHAPE; data_shape; repeat_recovery; echo $SHAPE"
        );
        assert_eq!(sandbox.output(&boots), "standby\nstandby\n", "{tools:?}");
        assert!(!sandbox.path("volume/.voodu-recovering").exists());
    }
    // An old primary's data stay an old primary's.
    let sandbox = Sandbox::new(Tools::Native);
    for file in ["PG_VERSION", "global/pg_control"] {
        sandbox.write(&format!("volume/pgdata/{file}"), "x");
    }
    let boots = "control() { echo 'in production'; }\nsetsid() { :; }\nawait_helper() { :; }\nrecover_data 2>/dev/null; data_shape; repeat_recovery; echo $SHAPE";
    assert_eq!(sandbox.output(&format!("{SAYS}\n{boots}")), "primary\n");
}

/// `pg_promote()` by a superuser, while the shared record is another cluster's.
#[test]
fn a_standby_that_was_promoted_by_hand_stops_whatever_the_record_is() {
    for record in ["foreign", "garbage", "lost", "contradicted"] {
        let look = |by_hand: &str| {
            says(&format!(
                "V_RECORD={record} ROLE=primary SHAPE=primary SHARED_TEXT=x UNBIDDEN={by_hand}; decide; role_holds 2>/dev/null && echo goes on"
            ))
        };
        assert_eq!(look(""), "goes on\n", "{record}");
        let stopped = says(&format!(
            "V_RECORD={record} ROLE=primary SHAPE=primary SHARED_TEXT=x UNBIDDEN=1; decide; role_holds 2>/dev/null || echo down"
        ));
        assert_eq!(stopped, "stopped\ndown\n", "{record}");
    }
    let promoted =
        says("ROLE=standby READY=1 PROMOTING=; left_recovery 2>/dev/null; echo $ROLE $UNBIDDEN");
    assert_eq!(promoted, "primary 1\n");
}

/// The plugin may have told the pod that was to be restored of an end that did not come into force.
#[test]
fn the_end_of_a_maintenance_comes_after_whatever_a_pod_was_told_of_it() {
    let next = |state: &str, change: &str| {
        says(&format!(
            "V_STATE={state}\nrecord_next {change}; echo $N_EPOCH $N_STATE"
        ))
    };
    assert_eq!(next("maintenance", "state=steady"), "17 steady\n");
    assert_eq!(next("maintenance", "timeline=4"), "8 maintenance\n");
    assert_eq!(next("steady", "rejoin="), "8 steady\n");
}

#[test]
fn a_server_that_does_not_answer_is_no_reason_to_call_a_standby_missing() {
    let asked = says(
        "V_TARGET=2\ntarget_sender() { return 1; }\nrecord_take_back() { echo taken back; }\nhand_over_server 2>&1",
    );
    assert!(
        asked.contains("did not answer, so it is not known whether pod 2 streams"),
        "{asked}"
    );
}

/// A restore whose old data went first has nothing but what was unpacked.
#[test]
fn a_restored_server_that_is_slow_is_asked_again_and_its_data_are_kept() {
    let tries = |answer: &str, attempts: u8| {
        let sandbox = Sandbox::new(Tools::Native);
        sandbox.write("tries", "");
        let script = format!(
            "{SAYS}\npause() {{ :; }}\nchild_runs() {{ [ \"$(wc -c <\"$SANDBOX/tries\")\" -lt 20 ]; }}\nrecord_changed() {{ return 1; }}\n\
             set_passwords() {{ printf x >>\"$SANDBOX/tries\"; [ \"$(wc -c <\"$SANDBOX/tries\")\" -ge {attempts} ] && return; echo \"{answer}\"; return 1; }}\n\
             try_set_passwords 2>&1; echo \"$?\"; wc -c <\"$SANDBOX/tries\""
        );
        sandbox.output(&script)
    };
    let slow = tries("", 13);
    assert!(slow.ends_with("\n0\n13\n"), "{slow}");
    assert!(
        slow.contains("could not set the passwords: no answer"),
        "{slow}"
    );
    let starting = tries("psql: error: FATAL:  the database system is starting up", 2);
    assert!(starting.ends_with("\n0\n2\n"), "{starting}");
    // The server ended.
    assert!(tries("", 100).ends_with("\n2\n20\n"));
    let refused = tries("psql: error: FATAL:  role app does not exist", 3);
    assert!(
        refused.ends_with("role app does not exist\n1\n1\n"),
        "{refused}"
    );
    let statement = tries(
        "psql:<stdin>:9: ERROR:  no\nLINE 1: ALTER ROLE x PASSWORD 'secret'",
        3,
    );
    assert!(
        statement.contains("ERROR:  no\n") && !statement.contains("secret"),
        "{statement}"
    );

    for tools in TOOLS {
        let sandbox = Sandbox::new(tools);
        sandbox.write("volume/.voodu-unpacked-complete", "7\n");
        sandbox.write("volume/pgdata/rows", "restored\n");
        let script = format!(
            "{SAYS}\nV_STATE=maintenance V_PRIMARY=0 Q_TAR=$BACKUPS/x\ngive_up 'nobody can log in' 2>&1; cat \"$UNPACKED/rows\"; echo $SHAPE; [ ! -e \"$UNPACKED_COMPLETE\" ]"
        );
        let said = sandbox.output(&script);
        assert!(said.contains("what was unpacked is kept in"), "{said}");
        assert!(said.ends_with("restored\nempty\n"), "{said}");
    }
}

/// Killed at whatever command, a pod keeps all of the settings or none.
#[test]
fn settings_are_kept_whole() {
    for at in 1..60 {
        let sandbox = Sandbox::new(Tools::Native);
        for file in ["50-streaming", "99-overrides"] {
            sandbox.write(&format!("conf/voodu-{file}.conf"), "x = 1\n");
        }
        let killed = format!(
            "{SAYS}\nFELL_BACK=; set -T; LEFT={at}; trap '[ $BASHPID != $$ ] || [ $((LEFT -= 1)) -gt 0 ] || kill -9 $$' DEBUG\nkeep_good_settings\ntrap - DEBUG"
        );
        let ended = sandbox.bash(&killed).status.success();
        let kept = sandbox.output("ls \"$GOOD_CONF\" 2>/dev/null | wc -l");
        assert!(
            ["0\n", "2\n"].contains(&&kept[..]),
            "killed at {at}: {kept}"
        );
        let again =
            format!("{SAYS}\nFELL_BACK=; keep_good_settings; ls -A \"$GOOD_CONF\" | grep -c conf$");
        assert_eq!(sandbox.output(&again), "2\n");
        if ended {
            return;
        }
    }
    panic!("it never came to its end");
}

/// The replication password was changed, and then the volume was lost, which held the new one.
#[test]
fn a_pod_that_has_only_an_older_password_names_the_way_out() {
    let waits = |answer: &str| {
        says(&format!(
            "PG_NAME=db PG_SCOPE_SUFFIX=.s.voodu\nremote_sql() {{ echo \"{answer}\"; return 1; }}\npause() {{ TICKS=$((TICKS + 5)); }}\nrecord_changed() {{ [ \"$TICKS\" -ge 300 ]; }}\nwait_for_primary 2>&1 || :"
        ))
    };
    let refused = waits("FATAL:  password authentication failed for user repl");
    assert_eq!(
        refused.matches("vd apply -f <file>").count(),
        1,
        "{refused}"
    );
    let starting = waits("FATAL:  the database system is starting up");
    assert_eq!(
        starting.matches("waiting for pod 1").count(),
        2,
        "{starting}"
    );
    assert!(!starting.contains("vd apply"), "{starting}");
}

/// Killed after it had removed the backup, it finds the request again.
#[test]
fn what_a_failed_restore_kept_outlives_a_kill() {
    for tools in TOOLS {
        let sandbox = Sandbox::new(tools);
        sandbox.write("volume/.voodu-unpacked/rows", "restored\n");
        std::fs::remove_dir(sandbox.path("volume/pgdata")).unwrap();
        let script = format!(
            "{SAYS}\nV_STATE=maintenance V_PRIMARY=0 Q_TAR=$BACKUPS/x Q_BYTES=7 Q_CHECKED=yes\nunpack 2>&1; cat \"$UNPACKED/rows\""
        );
        let said = sandbox.output(&script);
        assert!(
            said.contains("is not there any more, or not whole"),
            "{said}"
        );
        assert!(said.ends_with("restored\n"), "{said}");
    }
}
