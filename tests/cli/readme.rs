//! The README against the code: every block expands, every table is complete.

use std::collections::BTreeSet;

use serde_json::Value;
use voodu_standin::hcl::{NoVariables, read};

use super::support::{config, expand, expand_spec, request};

const README: &str = include_str!("../../README.md");

/// The fenced parts in that language.
fn fenced(language: &str) -> Vec<&'static str> {
    let opening = format!("```{language}\n");
    let parts = README.split(opening.as_str()).skip(1);
    parts
        .map(|part| part.split("```").next().unwrap())
        .collect()
}

/// The words in backticks of each table row's first cell, in the table after that text.
fn first_cells(before: &str) -> BTreeSet<String> {
    let table = README.split(before).nth(1).unwrap();
    let rows = table.lines().skip_while(|line| !line.starts_with("| `"));
    let cells = rows
        .take_while(|line| line.starts_with('|'))
        .map(|line| line.split('|').nth(1).unwrap());
    cells
        .flat_map(|cell| cell.split('`').skip(1).step_by(2))
        .map(str::to_owned)
        .collect()
}

fn emitted(kind: &str) -> Value {
    let answer = expand_spec(&serde_json::json!({"replicas": 3}));
    let reply: Value = serde_json::from_str(&answer.stdout).unwrap();
    let manifests = reply["data"]["manifests"].as_array().unwrap().clone();
    manifests
        .into_iter()
        .find(|manifest| manifest["kind"] == kind)
        .unwrap()["spec"]
        .clone()
}

fn keys(object: &Value) -> BTreeSet<String> {
    object.as_object().unwrap().keys().cloned().collect()
}

/// Blocks of the platform's own kinds only have to be read.
#[test]
fn every_block_expands() {
    let mut expanded = 0;
    for text in fenced("hcl") {
        for mut block in read(text, None, &NoVariables).unwrap() {
            if ["postgres", "pg"].contains(&block.kind.as_str()) {
                // The platform keeps this one to itself.
                block.spec.as_object_mut().unwrap().remove("plugin");
                let answer = expand(&request(&block.spec, &config()));
                assert_eq!(answer.code, 0, "{text}\n{}", answer.stdout);
                expanded += 1;
            }
        }
    }
    assert!(expanded >= 4, "{expanded}");
}

#[test]
fn the_asset_table_is_the_asset() {
    let files = keys(&emitted("asset")["files"]);
    let table = first_cells("One asset with four files, mounted read-only:");
    assert_eq!(table, files);
    for volume in emitted("statefulset")["volumes"].as_array().unwrap() {
        let path = volume.as_str().unwrap().split(':').nth(1).unwrap();
        assert!(README.contains(&format!("`{path}`")), "{path}");
    }
}

#[test]
fn the_environment_table_is_the_environment() {
    let variables = keys(&emitted("statefulset")["env"]);
    assert_eq!(first_cells("Environment of the pods:"), variables);
}

#[test]
fn the_config_table_has_every_key_of_a_first_apply() {
    let answer = expand(&request(&serde_json::json!({}), &serde_json::json!({})));
    let reply: Value = serde_json::from_str(&answer.stdout).unwrap();
    let table = first_cells("Keys of the config (`vd config <scope>/<name>`):");
    for action in reply["data"]["actions"].as_array().unwrap() {
        for key in keys(&action["kv"]) {
            assert!(table.contains(&key), "{key}");
        }
    }
}

/// The layout has nothing that is not there, and every folder that is.
#[test]
fn the_layout_is_the_repository() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let named = first_cells("| Path | What is there |");
    for path in &named {
        assert!(root.join(path).exists(), "{path}");
    }
    for parent in ["src", "tests", "templates"] {
        for entry in std::fs::read_dir(root.join(parent)).unwrap() {
            let entry = entry.unwrap();
            let path = format!("{parent}/{}", entry.file_name().to_str().unwrap());
            let folder = entry.file_type().unwrap().is_dir();
            assert!(!folder || named.contains(&path), "{path} is not named");
        }
    }
}
