//! A server that does not end: what the log says of it, and what ends it.

use crate::support::{Sandbox, TOOLS};

/// A server that heeds no fast shutdown. Time goes by twenty times faster.
const SERVER: &str = r#"
deadline_in() { read_uptime && DEADLINE=$((UPTIME + $1 * 5)); }
keep_verifiers() { :; }
end_other_senders() { say "ends WAL senders"; }
exec {TICK}<> <(:)
(trap '' INT; : >"$SANDBOX/deaf"; exec sleep 60) >/dev/null 2>&1 &
CHILD=$! ROLE=primary ACTION=hold V_STATE=maintenance V_EPOCH=3 V_PRIMARY=0 V_CLUSTER=$ENV_CLUSTER
until [ -e "$SANDBOX/deaf" ]; do :; done
(sleep 12; exec kill -KILL "$CHILD") >/dev/null 2>&1 &
"#;

/// An archive command that hangs holds no restore up for ever, and the log names it.
#[test]
fn a_maintenance_says_what_it_waits_for_and_ends_a_hanging_archive_command() {
    for tools in TOOLS {
        let sandbox = Sandbox::new(tools);
        let script = format!(
            "{SERVER}
            record_changed() {{ return 1; }}
            stopped_cleanly() {{ [ -e \"$SANDBOX/down\" ] || {{ : >\"$SANDBOX/down\"; return 1; }}; }}
            began=$SECONDS
            role_holds 2>&1 || echo \"stopped, CHILD is '$CHILD'\"
            [ $((SECONDS - began)) -lt 15 ] || echo late"
        );
        let said = sandbox.output(&script);
        let lines: Vec<_> = said.lines().collect();
        assert!(lines[0].contains("stopping postgres"), "{said}");
        assert!(
            lines[1].contains("after 10 s: it writes its shutdown checkpoint"),
            "{said}"
        );
        assert!(lines[2].contains("ends WAL senders"), "{said}");
        for (line, seconds) in lines[3..].iter().zip(["20 s", "30 s", "40 s", "50 s"]) {
            assert!(
                line.contains(seconds) && line.contains("archive_command"),
                "{said}"
            );
        }
        assert!(
            lines[7].contains("does not end: stopping postgres at once"),
            "{said}"
        );
        assert_eq!(lines[8..], ["stopped, CHILD is ''"], "{said}");
    }
}

/// What is slow and goes on is waited for.
#[test]
fn an_archive_command_that_goes_on_is_not_cut_off() {
    for tools in TOOLS {
        let sandbox = Sandbox::new(tools);
        let script = format!(
            "{SERVER}
            record_changed() {{ return 1; }}
            ready=$PGDATA/pg_wal/archive_status
            mkdir -p \"$ready\" && for n in 1 2 3 4 5 6 7 8 9; do : >\"$ready/$n.ready\"; done
            # One segment in 20 s, and the last look is at an empty directory.
            stopped_cleanly() {{
              looks=$((${{looks:-0}} + 1))
              [ $((looks % 2)) = 0 ] || rm -f \"$ready/$((looks / 2)).ready\"
              [ \"$looks\" -lt 14 ] || kill -KILL \"$CHILD\"
            }}
            role_holds 2>&1 || echo stopped"
        );
        let said = sandbox.output(&script);
        assert!(
            said.contains("after 130 s") && said.ends_with("stopped\n"),
            "{said}"
        );
        assert!(!said.contains("at once"), "{said}");
    }
}

/// The restore was taken back, and the old primary is to serve again.
#[test]
fn a_server_that_is_down_but_for_its_archive_command_is_not_waited_for_when_the_record_moves_on() {
    for tools in TOOLS {
        let sandbox = Sandbox::new(tools);
        let script = format!(
            "{SERVER}
            SHARED_TEXT=old
            record_changed() {{ TEXT=$'cluster=00112233445566778899aabbccddeeff\nepoch=4\nprimary=0\nstate=steady\n'; }}
            stopped_cleanly() {{ :; }}
            began=$SECONDS
            role_holds 2>&1 || echo stopped
            [ $((SECONDS - began)) -lt 5 ] || echo late"
        );
        let said = sandbox.output(&script);
        assert!(
            said.ends_with("stopped\n") && !said.contains("20 s"),
            "{said}"
        );
    }
}
