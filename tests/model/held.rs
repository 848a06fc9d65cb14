//! The model's steps are functions of the scripts and of the plugin.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::steps::Actor;

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

/// The text of every file in these folders.
fn sources(folders: &[&str]) -> String {
    let files = folders
        .iter()
        .flat_map(|folder| fs::read_dir(path(folder)).unwrap());
    let paths = files.map(|file| file.unwrap().path());
    paths
        .filter(|path| path.is_file())
        .map(|path| fs::read_to_string(path).unwrap())
        .collect()
}

/// Changes of the record that are no step of their own: helpers of other changes, and the first
/// record of a cluster, before which there is nothing to model.
const NO_STEPS: [&str; 19] = [
    "record_parse",
    "record_field",
    "record_clean",
    "record_load",
    "record_render",
    "record_replace",
    "record_install",
    "record_install_reserved",
    "record_decided_on",
    "record_is_useless",
    "record_is_older",
    "record_is_outdated",
    "record_locked",
    "record_put",
    "record_create",
    "record_change",
    "record_next",
    "record_keep",
    // A step of the model by the name of what calls it.
    "record_stopped",
];

/// Each step is a function, and each change of the record that a script makes is a step.
#[track_caller]
pub fn held_against_the_code(actors: &BTreeSet<Actor>) {
    let scripts = sources(&["templates/entrypoint"]);
    let plugin = sources(&[
        "src/model",
        "src/cluster",
        "src/cluster/handover",
        "src/backups",
    ]);
    for actor in actors {
        match actor {
            Actor::Fate(_) | Actor::Postgres(_) => {}
            Actor::Script(name) => {
                assert!(scripts.contains(&format!("\n{name}() {{")), "{name}");
            }
            Actor::Plugin(name) => {
                assert!(plugin.contains(&format!("fn {name}(")), "{name}");
            }
        }
    }
    let changes = scripts.lines().filter_map(|line| {
        let name = line.split_once("() {")?.0;
        name.starts_with("record_").then_some(name)
    });
    for name in changes.filter(|name| {
        !NO_STEPS.contains(name) && !name.ends_with("changed") && !name.ends_with("moved")
    }) {
        let is_step = actors.contains(&Actor::Script(
            // The names of steps are known at compile time.
            actors
                .iter()
                .find_map(|actor| match actor {
                    Actor::Script(step) if *step == name => Some(*step),
                    _ => None,
                })
                .unwrap_or(""),
        ));
        assert!(is_step, "{name} is no step of the model");
    }
}
