//! The sign of life that a pod's script leaves.

use crate::support::{CLUSTER, Sandbox, TOOLS, Tools};

/// Waits until the file is there.
const LEFT: &str =
    "for ((i = 0; i < 100; i++)); do [ -f \"$HEARTBEAT\" ] && break; sleep 0.05; done";

#[test]
fn it_says_who_and_when_in_the_hosts_uptime() {
    for tools in TOOLS {
        let sandbox = Sandbox::new(tools);
        let script = format!(
            "ROLE=standby CHILD=1 V_EPOCH=7; beat 6; {LEFT}; read_uptime; echo $((UPTIME / 100))"
        );
        let uptime: u64 = sandbox.output(&script).trim().parse().unwrap();
        let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
        let text = sandbox.read("backups/.pod-0");
        let expected = |uptime: u64| {
            format!(
                "format=1\ncluster={CLUSTER}\nordinal=0\nboot={boot}uptime={uptime}\nepoch=7\nrole=standby\n"
            )
        };
        let near = uptime - 6..=uptime;
        assert!(
            near.clone().any(|uptime| text == expected(uptime)),
            "{text}"
        );
    }
}

/// A pod that waits leaves one every ten seconds, in ticks and in the shorter steps.
#[test]
fn it_comes_every_ten_seconds() {
    let sandbox = Sandbox::new(Tools::Native);
    let script = "leave_heartbeat() { SINCE_BEAT=0 COUNT=$((COUNT + 1)); }
        TICK=0; read() { :; }
        count() { COUNT=0; for ((i = 0; i < $2; i++)); do $1; done; echo $COUNT; }
        SINCE_BEAT=0; count tick 499; SINCE_BEAT=0; count tick 500; SINCE_BEAT=0; count step 3000";
    assert_eq!(sandbox.output(script), "9\n10\n10\n");
}

#[test]
fn what_is_planted_in_its_place_is_replaced_and_not_followed() {
    for tools in TOOLS {
        for plant in [
            "mkfifo \"$HEARTBEAT\"",
            "mkfifo \"$HEARTBEAT.new\"",
            "ln -s \"$SANDBOX/outside\" \"$HEARTBEAT\"",
            "ln -s \"$SANDBOX/outside\" \"$HEARTBEAT.new\"",
            "ln -s \"$SANDBOX\" \"$HEARTBEAT\"",
            "printf x >\"$HEARTBEAT.new\"",
        ] {
            let sandbox = Sandbox::new(tools);
            sandbox.output(&format!("{plant}; beat 6; wait \"$BEATER\""));
            let text = sandbox.read("backups/.pod-0");
            assert!(text.ends_with("role=none\n"), "{tools:?} {plant}: {text}");
            let path = sandbox.path("backups/.pod-0");
            assert!(path.symlink_metadata().unwrap().is_file(), "{plant}");
            assert!(!sandbox.path("outside").exists(), "{plant}");
        }
    }
}

/// A disk that hangs holds the supervisor up in nothing, and is not asked by ever more processes.
#[test]
fn one_that_does_not_end_is_not_waited_for() {
    let sandbox = Sandbox::new(Tools::Native);
    let script = "sleep 60 & SLOW=$!; BEATER=$SLOW
        for ((i = 0; i < 6; i++)); do leave_heartbeat; done
        [ -e \"$HEARTBEAT\" ] || echo none
        [ \"$BEATER\" = \"$SLOW\" ] && echo same
        leave_heartbeat; kill $SLOW; wait \"$BEATER\"; [ -e \"$HEARTBEAT\" ] && echo left";
    assert_eq!(sandbox.output(script), "none\nsame\nleft\n");
}

/// Nothing new can be made there, and the file has its block already.
#[test]
fn on_a_full_disk_it_goes_into_the_file_that_is_there() {
    for tools in TOOLS {
        let sandbox = Sandbox::new(tools);
        let script = "V_EPOCH=70000; beat 6; wait \"$BEATER\"; mkdir \"$HEARTBEAT.new\"; touch \"$HEARTBEAT.new/x\"
            V_EPOCH=7 SINCE_BEAT=300; beat 6; wait \"$BEATER\"";
        sandbox.output(&format!("{script}; :"));
        let text = sandbox.read("backups/.pod-0");
        assert!(text.ends_with("epoch=7\nrole=none\n"), "{tools:?}: {text}");
    }
}
