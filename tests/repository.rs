//! What the repository publishes: its versions, its workflows and its Makefile agree.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_norway::Value;

const VERSION: &str = env!("CARGO_PKG_VERSION");
const RELEASED: [&str; 2] = ["voodu-postgres_linux_amd64", "voodu-postgres_linux_arm64"];

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn read(name: &str) -> String {
    fs::read_to_string(path(name)).unwrap()
}

fn yaml(name: &str) -> Value {
    serde_norway::from_str(&read(name)).unwrap()
}

/// The shell of each step of a workflow.
fn steps(workflow: &str) -> Vec<String> {
    let document = yaml(workflow);
    let jobs = document["jobs"].as_mapping().unwrap();
    let steps = jobs
        .values()
        .flat_map(|job| job["steps"].as_sequence().unwrap());
    steps
        .filter_map(|step| step.get("run"))
        .map(|run| run.as_str().unwrap().to_owned())
        .collect()
}

const WORKFLOWS: [&str; 2] = [".github/workflows/ci.yml", ".github/workflows/release.yml"];

/// Runs make on this repository's Makefile in another directory, without building, and as if no other
/// make ran these tests.
fn make(directory: &Path, arguments: &[&str]) -> Output {
    let mut make = Command::new("make");
    for inherited in ["MAKELEVEL", "MAKEFLAGS", "MFLAGS"] {
        make.env_remove(inherited);
    }
    let output = make
        .args(["--file", path("Makefile").to_str().unwrap()])
        .args(["--old-file", "build"])
        .args(arguments)
        .current_dir(directory)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    output
}

/// What `make help` lists.
fn targets() -> BTreeSet<String> {
    let output = make(&path(""), &["help"]);
    let text = String::from_utf8(output.stdout).unwrap();
    let words = |line: &str| {
        let mut words = line.split_whitespace();
        assert_eq!(words.next(), Some("make"));
        let target = words.next().unwrap().to_owned();
        assert!(words.next().is_some(), "{target} has no text");
        target
    };
    text.lines().map(words).collect()
}

#[test]
fn plugin_yml_is_what_the_controller_needs() {
    let plugin = yaml("plugin.yml");
    assert_eq!(plugin["name"], "postgres");
    assert_eq!(plugin["aliases"][0], "pg");
    assert_eq!(plugin["version"], VERSION);
    assert_eq!(plugin["homepage"], env!("CARGO_PKG_REPOSITORY"));
    assert_eq!(plugin["entrypoint"], "bin/voodu-postgres");
    for needed in ["expand", "help"] {
        let commands = plugin["commands"].as_sequence().unwrap();
        assert!(commands.iter().any(|command| command["name"] == needed));
    }
}

#[test]
fn the_readme_names_this_version() {
    let readme = read("README.md");
    let after = ["--version ", "version = \"", "download/v"];
    for before in after {
        for rest in readme.split(before).skip(1) {
            if rest.starts_with(|first: char| first.is_ascii_digit()) {
                let digits = |c: char| !(c.is_ascii_digit() || c == '.');
                assert_eq!(rest.split(digits).next(), Some(VERSION), "{before}");
            }
        }
    }
}

#[test]
fn make_help_lists_every_target() {
    let makefile = read("Makefile");
    let all: BTreeSet<_> = makefile
        .lines()
        .filter_map(|line| line.strip_prefix(".PHONY: "))
        .filter(|target| !target.starts_with("need-"))
        .map(str::to_owned)
        .collect();
    assert_eq!(targets(), all);
}

#[test]
fn the_workflows_are_shell_that_calls_what_exists() {
    let targets = targets();
    for workflow in WORKFLOWS {
        let steps = steps(workflow);
        assert!(!steps.is_empty());
        for step in steps {
            let checked = Command::new("bash").args(["-n", "-c", &step]).status();
            assert!(checked.unwrap().success(), "{step}");
            let words: Vec<_> = step.split_whitespace().collect();
            for pair in words.windows(2) {
                match pair[0] {
                    "make" => assert!(targets.contains(pair[1]), "make {}", pair[1]),
                    "bash" => assert!(path(pair[1]).exists(), "bash {}", pair[1]),
                    _ => {}
                }
            }
        }
    }
}

#[test]
fn a_release_has_the_files_that_the_install_hook_asks_for() {
    let (makefile, install) = (read("Makefile"), read("install"));
    assert!(makefile.contains("voodu-postgres_linux_$${pair%:*}"));
    assert!(install.contains("voodu-postgres_linux_$arch"));
    for file in RELEASED {
        let kind = file.rsplit('_').next().unwrap();
        assert!(makefile.contains(&format!("{kind}:")), "{kind}");
        assert!(install.contains(&format!("arch={kind}")), "{kind}");
    }
}

#[test]
fn a_local_install_is_what_the_controller_loads_and_nothing_else() {
    let root = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let checkout = root.path().join("checkout");
    let plugins = root.path().join("plugins");
    fs::create_dir_all(checkout.join("bin")).unwrap();
    fs::create_dir_all(plugins.join("postgres/bin")).unwrap();
    fs::create_dir_all(plugins.join(".install-postgres.killed/bin")).unwrap();
    fs::write(plugins.join("postgres/bin/of-the-older-plugin"), "").unwrap();
    for file in ["plugin.yml", "install", "uninstall"] {
        fs::copy(path(file), checkout.join(file)).unwrap();
    }
    fs::write(checkout.join("bin/voodu-postgres"), "").unwrap();
    fs::write(checkout.join("README.md"), "").unwrap();

    let argument = format!("PLUGINS_ROOT={}", plugins.display());
    make(&checkout, &["install-local", &argument]);

    let files = files_below(&plugins);
    let expected = ["bin/voodu-postgres", "install", "plugin.yml", "uninstall"];
    let expected = expected.map(|file| format!("postgres/{file}"));
    assert_eq!(files.into_iter().collect::<Vec<_>>(), expected);
}

fn files_below(folder: &Path) -> BTreeSet<String> {
    fn collect(root: &Path, folder: &Path, files: &mut BTreeSet<String>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                collect(root, &path, files);
            } else {
                let name = path.strip_prefix(root).unwrap();
                files.insert(name.display().to_string());
            }
        }
    }
    let mut files = BTreeSet::new();
    collect(folder, folder, &mut files);
    files
}
