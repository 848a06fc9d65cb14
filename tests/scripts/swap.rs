//! The data directory around a physical restore: whatever kills the pod at whatever command, the
//! data that count are in place in the end.

use std::os::unix::process::ExitStatusExt as _;

use crate::support::{Sandbox, TOOLS, Tools};

/// What the steps need of a pod; `V_EPOCH` says which maintenance is in view.
const POD: &str = r#"
V_CLUSTER=$PG_CLUSTER_ID ORDINAL=0 V_PRIMARY=0 V_STATE=maintenance Q_TAR=$BACKUPS/.restore-r001.tar
DATA_HERE() { echo "$(cat "$PGDATA/rows" 2>/dev/null || echo none)$(cat "$SANDBOX/counted" 2>/dev/null)"; }
record_change() { :; }
unpack() { mkdir -p "$UNPACKED" && echo "$BACKUP" >"$UNPACKED/rows" && printf '%s\n' "$V_EPOCH" >"$UNPACKED_COMPLETE"; }
start_restored() { "$STARTS" || { give_up "it did not start"; return 1; }; }
finish_restore() {
  printf 'cluster=%s\nepoch=%s\n' "$V_CLUSTER" "$V_EPOCH" >"$RESTORED"
  stamp_restored
  [ -z "${RECORD_HAS:-}" ] || echo " counted" >"$SANDBOX/counted"
  rm -f "$UNPACKED_COMPLETE"
}
retry() { :; }
record_changed() { return 1; }
"#;

/// A restore of `BACKUP` in the maintenance of epoch 5 that starts, or does not.
const RESTORES: &str = "V_EPOCH=5 BACKUP=first STARTS=true; restore_data";
const FAILS: &str = "V_EPOCH=5 BACKUP=first STARTS=false; restore_data";
/// What the plugin leaves where it takes a restore back, and the pod's next boot.
const TAKEN_BACK: &str = "[ -e \"$SANDBOX/counted\" ] || printf 'cluster=%s\\nwithdrawn=5\\n' \"$V_CLUSTER\" >\"$RESTORED\"; V_STATE=steady V_EPOCH=6; undo_restore; tidy_after_restore";
/// What the pod does when the record says that the maintenance is over.
const GOES_ON: &str = "V_STATE=steady V_EPOCH=6; undo_restore; tidy_after_restore";
/// The next maintenance.
const RESTORES_AGAIN: &str = "V_EPOCH=7 BACKUP=second STARTS=true; undo_restore; restore_data; V_STATE=steady V_EPOCH=8; undo_restore; tidy_after_restore";
const FAILS_AGAIN: &str = "V_EPOCH=7 BACKUP=second STARTS=false; undo_restore; restore_data; V_STATE=steady V_EPOCH=8; undo_restore; tidy_after_restore";

/// A pod with old data.
fn pod(tools: Tools) -> Sandbox {
    let sandbox = Sandbox::new(tools);
    sandbox.write("volume/pgdata/rows", "old\n");
    sandbox
}

/// Runs it until its command number `at`, where the shell is killed. Whether it came so far.
fn killed(sandbox: &Sandbox, script: &str, at: usize) -> bool {
    let output = sandbox.bash(&format!(
        "{POD}\nset -T; LEFT={at}; trap '[ $BASHPID != $$ ] || [ $((LEFT -= 1)) -gt 0 ] || kill -9 $$' DEBUG\n{script}\ntrap - DEBUG"
    ));
    output.status.signal() == Some(9)
}

/// Which data are in place, and that nothing else is left.
#[track_caller]
fn in_place(sandbox: &Sandbox, script: &str) -> String {
    let data = sandbox.output(&format!("{POD}\n({script}) >&2\nDATA_HERE"));
    let left = sandbox.output(
        "for path in \"$UNPACKED\" \"$UNPACKED_COMPLETE\" \"$BEFORE_RESTORE\"; do [ ! -e \"$path\" ] || echo \"${path##*/}\"; done",
    );
    assert_eq!(left, "", "{script}");
    data.trim_end().to_owned()
}

/// Kills `first` at each of its commands and sees what `then` makes of it.
#[track_caller]
fn at_each_command(first: &str, then: &str, prepare: &str, may: &[&str]) {
    for tools in TOOLS {
        let stride = if matches!(tools, Tools::Native) {
            2
        } else {
            11
        };
        let mut at = 1;
        loop {
            let sandbox = pod(tools);
            sandbox.output(&format!("{POD}\n({prepare}) >&2"));
            let came_so_far = killed(&sandbox, first, at);
            let found = in_place(&sandbox, then);
            assert!(
                may.contains(&found.as_str()),
                "{tools:?}: killed at command {at} of: {first}\nthen: {then}\nin place: {found}"
            );
            if !came_so_far {
                break;
            }
            at += stride;
        }
        assert!(at > 10, "too few commands to mean anything: {at}");
    }
}

#[test]
fn a_restore_that_is_taken_back_gives_the_old_data_back() {
    // It counts, or it does not.
    at_each_command(RESTORES, GOES_ON, ":", &["old", "first"]);
    // Taken back after the swap, and the pod is killed while it takes it back.
    let swapped = "V_EPOCH=5 BACKUP=first; unpack; swap_in";
    at_each_command(GOES_ON, GOES_ON, swapped, &["old"]);
    at_each_command(GOES_ON, RESTORES_AGAIN, swapped, &["second"]);
    at_each_command(GOES_ON, FAILS_AGAIN, swapped, &["old"]);
}

#[test]
fn a_restore_that_fails_gives_the_old_data_back() {
    at_each_command(FAILS, &format!("{FAILS}; {GOES_ON}"), ":", &["old"]);
    at_each_command(FAILS, FAILS_AGAIN, ":", &["old"]);
}

/// The marks of a restore are written before the record that makes it count.
#[test]
fn a_restore_counts_with_the_record_and_not_with_its_marks() {
    let restores = format!("RECORD_HAS=1; {RESTORES}");
    at_each_command(&restores, TAKEN_BACK, ":", &["old", "first counted"]);
}

#[test]
fn a_record_that_got_the_epoch_of_a_lost_maintenance_gives_the_old_data_back() {
    let swapped = "V_EPOCH=5 BACKUP=first; unpack; swap_in";
    let lost = "V_STATE=steady V_EPOCH=5; undo_restore; tidy_after_restore";
    at_each_command(lost, lost, swapped, &["old"]);
}

/// The old data went first, for want of room.
#[test]
fn what_was_restored_without_room_is_no_half_copy() {
    let without_room = "unpack() { rm -rf \"$PGDATA\"; mkdir -p \"$UNPACKED\" && echo first >\"$UNPACKED/rows\" && printf '5\\n' >\"$UNPACKED_COMPLETE\"; }; sentinel_set \"$CLONE_SENTINEL\"";
    let first = format!("{without_room}; {RESTORES}");
    let then = format!(
        "V_EPOCH=5 STARTS=true; [ ! -e \"$UNPACKED_COMPLETE\" ] || restore_data; {GOES_ON}; [ ! -e \"$CLONE_SENTINEL\" ]"
    );
    for tools in TOOLS {
        let sandbox = pod(tools);
        sandbox.output(&format!("{POD}\n({first}) >&2"));
        assert!(!sandbox.path("volume/.voodu-clone").exists(), "{tools:?}");
    }
    let swapped = format!("{without_room}; V_EPOCH=5; unpack; swap_in");
    at_each_command(&then, &then, &swapped, &["first"]);
}

/// A primary whose promotion was interrupted still looks like a standby.
#[test]
fn a_pod_with_a_standbys_files_goes_back_to_its_data() {
    for tools in TOOLS {
        let sandbox = pod(tools);
        for file in ["PG_VERSION", "global/pg_control", "standby.signal"] {
            sandbox.write(&format!("volume/pgdata/{file}"), "x");
        }
        let script = format!("{POD}\n({FAILS}) 2>&1; DATA_HERE");
        let said = sandbox.output(&script);
        assert!(said.contains("the old data are back in place"), "{said}");
        assert!(said.ends_with("old\n"), "{said}");
    }
}

/// What an earlier restore left is none of the data that a clone brought.
#[test]
fn a_clone_forgets_the_restores_before_it() {
    for tools in TOOLS {
        let sandbox = pod(tools);
        let script = format!(
            "{POD}\n({RESTORES}; echo 5 >\"$UNPACKED_COMPLETE\"; echo cloned >\"$PGDATA/rows\"; forget_restores; \
             V_EPOCH=9; printf 'cluster=%s\\nepoch=7\\n' \"$V_CLUSTER\" >\"$RESTORED_HERE\"; undo_restore) >&2; DATA_HERE"
        );
        assert_eq!(sandbox.output(&script), "cloned\n");
    }
}

/// The one before ended within the same second: nobody removed yet what it replaced.
#[test]
fn a_restore_right_after_another_one_keeps_what_the_first_one_brought() {
    at_each_command(FAILS_AGAIN, FAILS_AGAIN, RESTORES, &["first"]);
    at_each_command(RESTORES_AGAIN, RESTORES_AGAIN, RESTORES, &["second"]);
}

/// Another restore may have asked right when the record said that this one is over.
#[test]
fn the_request_of_the_next_restore_stays() {
    let end = "own_timeline() { echo 2; }
        V_CLUSTER=$PG_CLUSTER_ID V_PRIMARY=0 V_STATE=maintenance V_EPOCH=5 V_TIMELINE=2 V_TARGET='' V_STOPPED_AT='' V_CLEAN='' V_REJOIN='' SHAPE=standby
        data_shape() { :; }
        request() { printf 'cluster=%s\\nepoch=%s\\ntar=.restore-r00%s.tar\\nbytes=1\\n' \"$V_CLUSTER\" $1 $1 >\"$REQUEST\"; }
        request 5; : >\"$BACKUPS/.restore-r005.tar\"; request_load || echo unread";
    for tools in TOOLS {
        for (over, asks) in [
            ("finish_restore", "record_replace"),
            ("give_up \"it did not start\"", "record_change"),
        ] {
            for (meanwhile, expected) in [("request 6", ".restore\n"), (":", "")] {
                let sandbox = Sandbox::new(tools);
                let list = "cd \"$BACKUPS\"; ls -d .restore .restore-r* 2>/dev/null || :";
                let script = format!("{end}\n{asks}() {{ {meanwhile}; }}\n{over}\n{list}");
                assert_eq!(sandbox.output(&script), expected, "{over}, {meanwhile}");
            }
        }
    }
}
