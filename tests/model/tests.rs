//! What the model is asked.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::explore::{at_random, everything};
use crate::steps::Actor;
use crate::world::{Budget, World};

const SMALL: Budget = Budget {
    commits: 2,
    crashes: 1,
    handovers: 2,
    forced: 1,
};

#[test]
fn two_pods_in_every_order_of_events() {
    let explored = everything(World::new(2, SMALL));
    assert!(explored.states > 400_000, "{}", explored.states);
    held_against_the_code(&explored.actors);
}

#[test]
fn three_pods_at_random() {
    let budget = Budget {
        commits: 20,
        crashes: 12,
        handovers: 12,
        forced: 3,
    };
    for seed in 0..3_000 {
        at_random(World::new(3, budget), seed, 400);
    }
}

fn source(name: &str) -> String {
    fs::read_to_string(path(name)).unwrap()
}

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

/// Each step is a function, and each change of the record that the handover's script or the plugin
/// can make is a step.
#[track_caller]
fn held_against_the_code(actors: &BTreeSet<Actor>) {
    let scripts = sources(&["templates/entrypoint"]);
    let plugin = sources(&["src/model", "src/cluster", "src/cluster/handover"]);
    for actor in actors {
        match actor {
            Actor::Fate => {}
            Actor::Script(name) => {
                assert!(scripts.contains(&format!("\n{name}() {{")), "{name}");
            }
            Actor::Plugin(name) => {
                assert!(plugin.contains(&format!("fn {name}(")), "{name}");
            }
        }
    }
    let handover = source("templates/entrypoint/handover.sh");
    let of_the_script = handover.lines().filter_map(|line| {
        let name = line.split_once("() {")?.0;
        name.starts_with("record_").then_some(name)
    });
    // Two steps share it.
    for name in of_the_script.filter(|name| *name != "record_end_handover") {
        let step = actors
            .iter()
            .any(|actor| matches!(actor, Actor::Script(step) if *step == name));
        assert!(step, "{name} is no step of the model");
    }
}
