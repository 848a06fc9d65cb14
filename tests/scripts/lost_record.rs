//! What each pod makes of a lost record: from its copy, from what it did, and from what others
//! published meanwhile. Pod 0 of these tests is the old primary unless a case says otherwise.

use crate::support::{Sandbox, TOOLS, Tools, record};

fn handover(epoch: u32, target: u32, rest: &str) -> String {
    let text = format!("target={target}\n{rest}timeline=4\nclean=2@0/1A8\n");
    record(epoch, 0, &text).replace("steady", "handover")
}

fn steady(epoch: u32, rest: &str) -> String {
    record(epoch, 0, &format!("timeline=4\nclean=2@0/1A8\n{rest}"))
}

/// A pod with this copy of the record and this shared one; what it sees, and what is published
/// afterwards.
struct Case {
    ordinal: usize,
    shape: &'static str,
    copy: String,
    shared: String,
    announced: &'static str,
}

impl Case {
    fn new(ordinal: usize, copy: String) -> Self {
        Self {
            ordinal,
            shape: "primary",
            copy,
            shared: String::new(),
            announced: "",
        }
    }

    fn shared(self, shared: String) -> Self {
        Self { shared, ..self }
    }

    fn shape(self, shape: &'static str) -> Self {
        Self { shape, ..self }
    }

    fn announced(self, announced: &'static str) -> Self {
        Self { announced, ..self }
    }

    #[track_caller]
    fn leads_to(&self, view: &str, published: &str) {
        for tools in TOOLS {
            let sandbox = Sandbox::new(tools);
            for (name, text) in [
                ("backups/.topology", &self.shared[..]),
                ("volume/.topology", &self.copy),
                ("volume/.voodu-announced", self.announced),
            ] {
                if !text.is_empty() {
                    sandbox.write(name, text);
                }
            }
            let script = format!(
                "SHAPE={}; observe; echo \"$V_RECORD $V_EPOCH $V_PRIMARY $V_STATE\"",
                self.shape
            );
            let child = sandbox.spawn(self.ordinal, &script);
            let output = child.wait_with_output().expect("wait for bash");
            let seen = String::from_utf8_lossy(&output.stdout);
            let shown = String::from_utf8_lossy(&output.stderr);
            assert_eq!(seen.trim(), view, "{tools:?} {shown}");
            let left =
                std::fs::read_to_string(sandbox.path("backups/.topology")).unwrap_or_default();
            assert_eq!(left, published, "{tools:?} {shown}");
        }
    }
}

#[test]
fn a_steady_copy_is_published_by_anybody() {
    for ordinal in [0, 1, 2] {
        Case::new(ordinal, steady(7, "")).leads_to("ours 7 0 steady", &steady(7, ""));
        let outdated = Case::new(ordinal, steady(7, "")).shared(steady(6, ""));
        outdated.leads_to("ours 7 0 steady", &steady(7, ""));
    }
}

#[test]
fn a_handover_is_never_published_from_a_copy() {
    // A third pod knows nothing of how it went on.
    Case::new(2, handover(8, 1, ""))
        .shape("standby")
        .leads_to("lost 8 0 handover", "");
    Case::new(2, handover(8, 1, ""))
        .shape("standby")
        .shared(steady(7, ""))
        .leads_to("lost 8 0 handover", &steady(7, ""));
}

#[test]
fn the_target_gives_the_role_back() {
    for copy in [handover(8, 1, ""), handover(9, 1, "stopped_at=0/5A8\n")] {
        let case = || Case::new(1, copy.clone()).shape("standby");
        let resolved = steady(11, "settles=8\n");
        case().leads_to("ours 11 0 steady", &resolved);
        case()
            .shared("garbage".to_owned())
            .leads_to("ours 11 0 steady", &resolved);
        case()
            .shared(steady(7, ""))
            .leads_to("ours 11 0 steady", &resolved);
        // Whatever is newer counts.
        let newer = steady(12, "");
        case()
            .shared(newer.clone())
            .leads_to("ours 12 0 steady", &newer);
    }
}

#[test]
fn an_old_primary_that_did_not_announce_its_stop_takes_the_role_back() {
    for announced in ["", "4\n", "garbage"] {
        let case = || Case::new(0, handover(8, 1, "")).announced(announced);
        case().leads_to("ours 9 0 steady", &steady(9, ""));
        case()
            .shared(steady(7, ""))
            .leads_to("ours 9 0 steady", &steady(9, ""));
    }
}

#[test]
fn an_old_primary_that_announced_its_stop_waits_for_the_target() {
    let stopped = || handover(9, 1, "stopped_at=0/5A8\n");
    let cases = || {
        [
            Case::new(0, stopped()),
            Case::new(0, handover(8, 1, "")).announced("9\n"),
        ]
    };
    for case in cases() {
        let epoch = if case.announced.is_empty() { 9 } else { 8 };
        case.leads_to(&format!("lost {epoch} 0 handover"), "");
    }
    // An older record, or the end of an earlier handover, is no answer.
    for other in [steady(7, ""), steady(11, "settles=5\n")] {
        for case in cases() {
            let epoch = if case.announced.is_empty() { 9 } else { 8 };
            case.shared(other.clone())
                .leads_to(&format!("lost {epoch} 0 handover"), &other);
        }
    }
    let taken_over = record(10, 1, "timeline=5\nclean=2@0/1A8,0@0/5A8\n");
    for (answer, view) in [
        (steady(11, "settles=8\n"), "ours 11 0 steady"),
        (steady(9, ""), "ours 9 0 steady"),
        (taken_over, "ours 10 1 steady"),
        (stopped(), "ours 9 0 handover"),
    ] {
        for case in cases() {
            case.shared(answer.clone()).leads_to(view, &answer);
        }
    }
}

#[test]
fn a_maintenance_is_published_by_anybody() {
    let maintenance = || steady(8, "").replace("steady", "maintenance");
    for (ordinal, shape) in [(0, "primary"), (1, "standby")] {
        Case::new(ordinal, maintenance())
            .shape(shape)
            .leads_to("ours 8 0 maintenance", &maintenance());
    }
}

#[test]
fn an_announcement_that_did_not_get_out_is_made_again() {
    let stopped = handover(9, 1, "stopped_at=0/0\n");
    let waiting = handover(8, 1, "");
    Case::new(0, stopped.clone())
        .shared(waiting.clone())
        .leads_to("ours 8 0 handover", &waiting);
    // One to another pod, or of another epoch, is no answer.
    for other in [handover(8, 2, ""), handover(7, 1, "")] {
        Case::new(0, stopped.clone())
            .shared(other.clone())
            .leads_to("lost 9 0 handover", &other);
    }
}

#[test]
fn two_records_of_one_epoch_contradict_each_other() {
    let theirs = record(7, 1, "timeline=5\n");
    Case::new(0, steady(7, ""))
        .shared(theirs.clone())
        .leads_to("contradicted 7 0 steady", &theirs);
    // The same primary is no contradiction.
    let other = steady(7, "rejoin=2\n");
    Case::new(0, steady(7, ""))
        .shared(other.clone())
        .leads_to("ours 7 0 steady", &other);
}

#[test]
fn a_pod_of_format_1_stays_with_it() {
    let copy = record(8, 0, "target=1\n").replace("steady", "handover");
    Case::new(1, copy)
        .shape("standby")
        .leads_to("ours 11 0 steady", &record(11, 0, ""));
}

#[test]
fn a_full_disk_takes_a_record_into_reserved_space() {
    for tools in TOOLS {
        let sandbox = Sandbox::new(tools);
        sandbox.write("backups/.topology", steady(7, ""));
        // No new file can be made, and what is there cannot grow.
        let script = "SHAPE=primary; observe; reserve_space \"$BACKUPS\" || exit 1
            ls -A \"$BACKUPS\" | sort | tr '\\n' ' '
            mktemp() { return 1; }; export -f mktemp
            install_file() { cat >/dev/null; return 1; }
            record_change rejoin=2 && observe && record_change rejoin=1 && observe
            record_change rejoin=0; echo \"$? $V_EPOCH\"";
        assert_eq!(
            sandbox.output(script),
            ".topology .topology.lock .topology.reserve-0-1 .topology.reserve-0-2 1 9\n"
                .replace(".topology.lock ", ""),
            "{tools:?}"
        );
        assert_eq!(sandbox.read("backups/.topology"), steady(9, "rejoin=1\n"));
        // With space again there are two once more.
        let script = "SHAPE=primary; observe; reserve_space \"$BACKUPS\"; stat -c %s \"$BACKUPS\"/.topology.reserve-0-?";
        assert_eq!(sandbox.output(script), "4096\n4096\n");
    }
}

#[test]
fn a_clean_stop_is_known_by_its_location() {
    let sandbox = Sandbox::new(Tools::Native);
    let case = |clean: &str, pod: &str| {
        let script =
            format!("V_CLEAN={clean}; clean_stop {pod} && echo \"at $CLEAN_AT\" || echo no");
        sandbox.output(&script).trim().to_owned()
    };
    assert_eq!(case("", "0"), "no");
    assert_eq!(case("0", "0"), "at");
    assert_eq!(case("10@0/5A8", "0"), "no");
    assert_eq!(case("10@0/5A8,0@F/1", "0"), "at F/1");
    assert_eq!(case("0@0/5A8,10@F/1", "0"), "at 0/5A8");
    assert_eq!(case("0@0/5A8,10@F/1", "1"), "no");
    let script = "V_CLEAN=0@0/5A8,2@0/6B0,10@0/7; clean_without 1 2; echo; clean_without 0 10 2; echo; clean_without 5";
    let expected = "0@0/5A8,10@0/7\n\n0@0/5A8,2@0/6B0,10@0/7";
    assert_eq!(sandbox.output(script), expected);
}
