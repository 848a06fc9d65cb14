//! The decision table: every combination of record, state, role and data.

use crate::support::{Sandbox, Tools};

const SHAPES: [&str; 7] = [
    "empty", "init", "fresh", "clone", "standby", "primary", "unknown",
];
const STATES: [&str; 4] = ["", "steady", "handover", "maintenance"];
const RECORDS: [&str; 6] = ["none", "ours", "foreign", "garbage", "lost", "contradicted"];

/// The table as a person would say it.
fn expected(mine: bool, shape: &str, record: &str, state: &str) -> &'static str {
    match (mine, shape, record, state) {
        (_, "unknown", _, _) => "refuse_unknown",
        (_, _, "foreign", _) => "refuse_foreign",
        (_, _, "garbage", _) => "refuse_garbage",
        (false, "standby", "lost" | "contradicted", _) => "follow",
        (_, _, "lost" | "contradicted", _) => "wait_for_outcome",
        (_, _, _, "maintenance") => "wait_out_maintenance",
        (true, "empty" | "init", "none", _) => "first_boot",
        (true, "fresh", ..) => "finish_first_boot",
        (true, "clone", "ours", _) => "refuse_half_copy",
        (true, "empty" | "init", "ours", _) => "refuse_empty",
        (true, "primary", _, "handover") => "hand_over",
        (true, "standby", "ours", "handover") => "take_back",
        (true, "primary", ..) => "run_primary",
        (true, "standby", "ours", _) => "promote",
        (true, "standby" | "clone", "none", _) => "wait_for_record",
        (false, "empty" | "init" | "fresh" | "clone", ..) => "clone",
        (false, "standby", ..) => "follow",
        (false, "primary", ..) => "guard",
        other => panic!("the table has no row for {other:?}"),
    }
}

#[test]
fn every_combination_has_its_action() {
    let mut script = String::new();
    let mut wanted = Vec::new();
    for mine in [true, false] {
        for shape in SHAPES {
            for record in RECORDS {
                for state in STATES {
                    let primary = u8::from(!mine);
                    let case = format!(
                        "SHAPE={shape} V_RECORD={record} V_STATE={state} V_EPOCH=3 V_PRIMARY={primary} V_CLEAN= V_REJOIN=; decide; \
                         echo \"{mine} {shape} {record} $V_STATE: $ACTION $(type -t \"act_$ACTION\")\"\n"
                    );
                    script += &case;
                    // The actions of main.sh are not loaded here: main.sh runs the pod.
                    let action = expected(mine, shape, record, state);
                    wanted.push(format!("{mine} {shape} {record} {state}: {action}"));
                }
            }
        }
    }
    let output = Sandbox::new(Tools::Native).output(&script);
    for (line, want) in output.lines().zip(&wanted) {
        assert_eq!(line.trim_end_matches("function").trim_end(), want);
    }
    assert_eq!(output.lines().count(), wanted.len());
}

#[test]
fn every_action_is_a_function_of_the_scripts() {
    let directory = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("templates/entrypoint");
    let scripts: String = std::fs::read_dir(directory)
        .unwrap()
        .map(|file| std::fs::read_to_string(file.unwrap().path()).unwrap())
        .collect();
    for mine in [true, false] {
        for shape in SHAPES {
            for (record, state) in [
                ("none", ""),
                ("ours", "steady"),
                ("ours", "handover"),
                ("ours", "maintenance"),
                ("lost", "handover"),
            ] {
                let action = expected(mine, shape, record, state);
                assert!(
                    scripts.contains(&format!("act_{action}() {{")),
                    "act_{action} is missing"
                );
            }
        }
    }
}

#[test]
fn an_old_primary_gives_its_data_up_only_when_the_record_names_it() {
    let case = |clean: &str, rejoin: &str| {
        let script = format!(
            "SHAPE=primary V_RECORD=ours V_STATE=steady V_PRIMARY=1 V_CLEAN={clean} V_REJOIN={rejoin}; decide; echo $ACTION"
        );
        Sandbox::new(Tools::Native)
            .output(&script)
            .trim()
            .to_owned()
    };
    assert_eq!(case("", ""), "guard");
    assert_eq!(case("2", "3"), "guard");
    assert_eq!(case("2@0/5A8,10@0/6B0", "3"), "guard");
    assert_eq!(case("2@0/5A8,0@0/6B0", ""), "follow_clean");
    assert_eq!(case("0@0/5A8,2@0/6B0", ""), "follow_clean");
    assert_eq!(case("0", ""), "follow_clean");
    assert_eq!(case("", "0"), "rejoin");
    assert_eq!(case("0", "0"), "follow_clean");
}

#[test]
fn a_standby_that_is_asked_to_rejoin_does_so_once() {
    let case = |rejoin: &str, rejoined: &str| {
        let script = format!(
            "SHAPE=standby V_RECORD=ours V_STATE=steady V_PRIMARY=1 V_CLEAN= V_REJOIN={rejoin} REJOINED={rejoined}; decide; echo $ACTION $REJOINED"
        );
        Sandbox::new(Tools::Native)
            .output(&script)
            .trim()
            .to_owned()
    };
    assert_eq!(case("", ""), "follow");
    assert_eq!(case("2", ""), "follow");
    assert_eq!(case("0", ""), "rejoin");
    assert_eq!(case("0", "1"), "follow 1");
    assert_eq!(case("", "1"), "follow", "another request counts again");
    // A copy on which no server was started: wherever it was made, and whatever was killed since.
    let sandbox = Sandbox::new(Tools::Native);
    sandbox.write("volume/pgdata/backup_label", "START WAL LOCATION\n");
    let script = "SHAPE=standby V_RECORD=ours V_STATE=steady V_PRIMARY=1 V_CLEAN= V_REJOIN=0; decide; echo $ACTION $REJOINED";
    assert_eq!(sandbox.output(script), "follow 1\n");
}
