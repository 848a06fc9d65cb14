//! Whole replies, pinned: `tests/golden/expand/<case>/request.json` and what comes of it.

use std::fs;

use serde_json::Value;

use crate::support::golden::{assert_golden, cases, path};
use crate::support::{Answer, expand_bytes};

fn pretty(value: &Value) -> String {
    format!("{}\n", serde_json::to_string_pretty(value).unwrap())
}

fn expanded(case: &str) -> Answer {
    expand_bytes(fs::read(path(&format!("expand/{case}/request.json"))).unwrap())
}

#[test]
fn every_case_gives_its_files() {
    for case in cases("expand") {
        let answer = expanded(&case);
        let file = |name: &str| format!("expand/{case}/{name}");
        assert_golden(&file("statefulset.json"), &pretty(&answer.statefulset()));
        assert_golden(&file("overrides.conf"), &answer.file("pg_overrides_conf"));
    }
}

#[test]
fn the_replication_settings_are_the_same_for_all() {
    for case in cases("expand") {
        assert_golden("streaming.conf", &expanded(&case).file("streaming_conf"));
    }
}

#[test]
fn the_manifests_carry_the_blocks_own_name() {
    for case in cases("expand") {
        let request = fs::read(path(&format!("expand/{case}/request.json"))).unwrap();
        let request: Value = serde_json::from_slice(&request).unwrap();
        let data = expanded(&case).data();
        let kinds: Vec<_> = data["manifests"]
            .as_array()
            .unwrap()
            .iter()
            .map(|manifest| {
                assert_eq!(
                    (&manifest["scope"], &manifest["name"]),
                    (&request["scope"], &request["name"])
                );
                manifest["kind"].clone()
            })
            .collect();
        assert_eq!(kinds, ["asset", "statefulset"]);
    }
}
