//! The topology record: strict to read, all or nothing to write.

use crate::support::{CLUSTER, Sandbox, TOOLS, Tools, record, record_of};

const OTHER: &str = "ffeeddccbbaa99887766554433221100";
const VIEW: &str = "echo \"$V_RECORD $V_EPOCH $V_PRIMARY\"";

#[test]
fn good_records_are_read() {
    for text in [
        record(1, 0, ""),
        record(999, 12, "clean=0\nrejoin=3\n"),
        record(7, 1, "").replace("steady", "maintenance"),
        record(7, 1, "timeline=4\nclean=0@0/5A8,12@F/6B0\nsettles=4\n"),
        record(7, 1, "timeline=999999999\nclean=0@0/5A8\nrejoin=2\n"),
        record(7, 1, "target=2\n").replace("steady", "handover"),
        record(7, 1, "target=2\nstopped_at=0/5A8\n").replace("steady", "handover"),
    ] {
        let sandbox = Sandbox::new(Tools::Native);
        sandbox.write("backups/.topology", &text);
        assert_eq!(
            sandbox.output("record_load \"$RECORD\"; echo $?"),
            "0\n",
            "{text}"
        );
    }
}

#[test]
fn anything_else_is_garbage() {
    let good = record(3, 1, "");
    let mut bad: Vec<Vec<u8>> = [
        "",
        "\n",
        "{}",
        "cluster=x\n",
        "$(touch pwned)\n",
        "epoch=1\n",
        &good[..good.len() - 1],
        &good.replace("epoch=3", "epoch=03"),
        &good.replace("epoch=3", "epoch=0"),
        &good.replace("epoch=3", "epoch=-1"),
        &good.replace("epoch=3", "epoch=9999999999999999999"),
        &good.replace("epoch=3", "epoch="),
        &good.replace("epoch=3", "epoch=a[$(touch pwned)]"),
        &good.replace("epoch=3", "epoch=3 "),
        &good.replace("primary=1", "primary=01"),
        &good.replace("primary=1", "primary=1x"),
        &good.replace("primary=1", "primary=`id`"),
        &good.replace("steady", "Steady"),
        &good.replace("steady", ""),
        &good.replace("state=steady\n", ""),
        &good.replace("state=steady", "state=handover"),
        &good.replace(CLUSTER, &CLUSTER[1..]),
        &good.replace(CLUSTER, &CLUSTER.to_uppercase()),
        &format!("{good}{good}"),
        &format!("{good}primary=2\n"),
        &format!("{good}\n"),
        &format!("\n{good}"),
        &format!("{good}# comment\n"),
        &format!("{good}surprise=1\n"),
        &format!("{good}clean=x\n"),
        &format!("{good}clean=\n"),
        &format!("{good}clean=0,\n"),
        &format!("{good}clean=,0\n"),
        &format!("{good}clean=0@\n"),
        &format!("{good}clean=0@0/5a8\n"),
        &format!("{good}clean=0@0/5A8,0@0/6B0\n"),
        &format!("{good}clean=0@0/5A8 2@0/6B0\n"),
        &format!("{good}timeline=0\n"),
        &format!("{good}timeline=04\n"),
        &format!("{good}timeline=1234567890\n"),
        &format!("{good}settles=0\n"),
        &format!("{good}target=2\n"),
        &format!("{good}stopped_at=0/1\n"),
        &format!("{good}rejoin\n"),
        &good.replace('\n', "\r\n"),
        &format!("{good}{}\n", "x".repeat(5000)),
    ]
    .iter()
    .map(|text| text.as_bytes().to_vec())
    .collect();
    bad.push(good.replace("epoch", "ep\0och").into_bytes());
    bad.push([good.as_bytes(), b"\xff\xfe\n"].concat());
    bad.push(vec![b'x'; 1 << 20]);
    for text in bad {
        let sandbox = Sandbox::new(Tools::Native);
        sandbox.write("backups/.topology", &text);
        let shown = String::from_utf8_lossy(&text[..text.len().min(200)]).into_owned();
        assert_eq!(
            sandbox.output("cd \"$SANDBOX\"; record_load \"$RECORD\"; echo $?"),
            "2\n",
            "{shown}"
        );
        assert!(!sandbox.path("pwned").exists(), "{shown}");
    }
}

#[test]
fn what_is_no_plain_file_is_never_opened() {
    for (plant, code) in [
        ("mkfifo \"$RECORD\"", "2"),
        ("mkdir \"$RECORD\"", "2"),
        (
            "printf x >\"$SANDBOX/real\"; ln -s \"$SANDBOX/real\" \"$RECORD\"",
            "2",
        ),
        ("ln -s /nowhere \"$RECORD\"", "2"),
        ("ln -s /dev/zero \"$RECORD\"", "2"),
        (":", "1"),
    ] {
        let sandbox = Sandbox::new(Tools::Native);
        assert_eq!(
            sandbox.output(&format!("{plant}; record_load \"$RECORD\"; echo $?")),
            format!("{code}\n"),
            "{plant}"
        );
    }
}

/// After the last look at a file somebody puts a pipe in its place.
const EXCHANGED: &str = "[() {
    builtin [ \"$@\"
    local code=$?
    case $* in \"! -L $FILE ]\" | \"! -f $FILE ]\") rm -f \"$FILE\" && mkfifo \"$FILE\" ;; esac
    return $code
  }";

#[test]
fn a_pipe_that_comes_between_look_and_open_blocks_nobody() {
    for (file, read, expected) in [
        ("$RECORD", "read_file \"$RECORD\"", "2\n"),
        ("$RECORD_LOCK", "record_replace record_is_useless :", "1\n"),
    ] {
        let sandbox = Sandbox::new(Tools::Native);
        sandbox.write("backups/.topology", record(1, 0, ""));
        sandbox.write("backups/.topology.lock", "");
        let script = format!(
            "FILE={file}; SHAPE=primary; observe; {EXCHANGED}
            set -m; ({read}; echo $?) & reader=$!; set +m
            for ((i = 0; i < 50; i++)); do kill -0 $reader 2>/dev/null || break; sleep 0.1; done
            kill -KILL -- -$reader 2>/dev/null && echo blocked; wait"
        );
        assert_eq!(sandbox.output(&script), expected, "{file}");
    }
}

#[test]
fn one_of_many_creators_wins() {
    for tools in TOOLS {
        let sandbox = Sandbox::new(tools);
        let script = "SHAPE=primary; observe
            for ORDINAL in 1 2 3 4 5 6 7 8; do { record_create && echo \"$ORDINAL\"; } & done; wait";
        let winners = sandbox.output(script);
        assert_eq!(winners.lines().count(), 1, "{tools:?}: {winners}");
        assert_eq!(
            sandbox.read("backups/.topology"),
            record(1, winners.trim().parse().unwrap(), "timeline=1\n")
        );
    }
}

#[test]
fn a_record_is_written_over_a_planted_link_or_lock() {
    for plant in [
        "ln -s \"$SANDBOX/outside\" \"$RECORD\"",
        "ln -s \"$SANDBOX/outside\" \"$RECORD_LOCK\"",
        "mkfifo \"$RECORD_LOCK\"",
        "ln -s \"$SANDBOX/outside\" \"$RECORD.voodu.aaaaaa\"",
    ] {
        let sandbox = Sandbox::new(Tools::Native);
        sandbox.output(&format!(
            "{plant}; SHAPE=primary; V_RECORD=none V_CLUSTER=$ENV_CLUSTER; record_create"
        ));
        assert_eq!(
            sandbox.read("backups/.topology"),
            record(1, 0, "timeline=1\n"),
            "{plant}"
        );
        assert!(!sandbox.path("outside").exists(), "{plant}");
    }
}

/// What a pod with data makes of a shared record and of its own copy.
#[track_caller]
fn seen(shape: &str, shared: &str, copy: &str) -> (String, String) {
    let sandbox = Sandbox::new(Tools::Native);
    for (name, text) in [("backups/.topology", shared), ("volume/.topology", copy)] {
        if !text.is_empty() {
            sandbox.write(name, text);
        }
    }
    let view = sandbox.output(&format!("SHAPE={shape}; observe; {VIEW}"));
    let left = std::fs::read_to_string(sandbox.path("backups/.topology")).unwrap_or_default();
    (view.trim().to_owned(), left)
}

#[test]
fn the_newest_of_record_and_copy_counts_and_is_published() {
    let (old, new) = (record(4, 0, ""), record(5, 1, ""));
    for shape in ["primary", "standby", "empty"] {
        assert_eq!(seen(shape, &new, &old), ("ours 5 1".into(), new.clone()));
        assert_eq!(seen(shape, &old, &new), ("ours 5 1".into(), new.clone()));
        assert_eq!(seen(shape, "", &new), ("ours 5 1".into(), new.clone()));
        assert_eq!(
            seen(shape, "garbage", &new),
            ("ours 5 1".into(), new.clone())
        );
        assert_eq!(
            seen(shape, &new, "garbage"),
            ("ours 5 1".into(), new.clone())
        );
        assert_eq!(seen(shape, "", ""), ("none  0".into(), String::new()));
        assert_eq!(
            seen(shape, "garbage", ""),
            ("garbage  0".into(), "garbage".into())
        );
    }
}

#[test]
fn another_clusters_record_is_never_obeyed_nor_replaced_by_a_copy() {
    let foreign = record_of(OTHER, 9, 1, "");
    assert_eq!(
        seen("primary", &foreign, &record(4, 0, "")),
        ("foreign  0".into(), foreign.clone())
    );
    assert_eq!(
        seen("standby", &foreign, &record(4, 0, "")),
        ("foreign  0".into(), foreign.clone())
    );
    assert_eq!(
        seen("primary", &foreign, ""),
        ("foreign  0".into(), foreign.clone())
    );
    // A cluster deleted with its volumes leaves its record in the backups directory.
    assert_eq!(
        seen("empty", &foreign, ""),
        ("none  0".into(), foreign.clone())
    );
    assert_eq!(
        seen("fresh", &foreign, ""),
        ("none  0".into(), foreign.clone())
    );
    assert_eq!(seen("init", &foreign, ""), ("none  0".into(), foreign));
}

#[test]
fn a_pod_with_data_trusts_its_own_copys_cluster_not_its_environment() {
    let theirs = record_of(OTHER, 9, 1, "");
    assert_eq!(
        seen("standby", &theirs, &theirs),
        ("ours 9 1".into(), theirs.clone())
    );
    assert_eq!(seen("primary", &record(1, 0, ""), &theirs).0, "foreign  0");
    assert_eq!(seen("empty", &record(1, 0, ""), &theirs).0, "ours 1 0");
}

#[test]
fn a_copy_goes_on_while_another_pod_is_asked_to_rejoin() {
    for (next, code) in [
        (record(4, 1, "rejoin=2\n"), "0"),
        (record(4, 2, ""), "1"),
        (record(4, 1, "").replace("steady", "maintenance"), "1"),
        ("garbage\n".to_owned(), "0"),
    ] {
        let sandbox = Sandbox::new(Tools::Native);
        sandbox.write("backups/.topology", record(3, 1, ""));
        sandbox.write("next", &next);
        let script = format!(
            "exec {{TICK}}<> <(:); SHAPE=standby; observe; mv {} \"$RECORD\"; setsid sleep 0.3 & await_helper $! copying; echo $?",
            sandbox.path("next").display()
        );
        assert_eq!(sandbox.output(&script), format!("{code}\n"), "{next}");
    }
}
