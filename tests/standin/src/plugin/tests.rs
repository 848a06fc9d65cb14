use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, Instant};

use super::process::Failure;
use super::*;

fn plugin(yaml: &str, script: &str) -> (tempfile::TempDir, Plugins) {
    let root = tempfile::tempdir().unwrap();
    let directory = root.path().join("fake");
    fs::create_dir_all(directory.join("bin")).unwrap();
    fs::write(directory.join("plugin.yml"), yaml).unwrap();
    let binary = directory.join("bin/fake");
    fs::write(&binary, format!("#!/bin/bash\n{script}")).unwrap();
    fs::set_permissions(&binary, fs::Permissions::from_mode(0o755)).unwrap();
    let mut plugins = Plugins::default();
    plugins.add(root.path());
    (root, plugins)
}

const YAML: &str = "name: fake\naliases: [fk]\nentrypoint: bin/fake\nenv: {FROM_YAML: \"1\"}\n\
                    commands:\n  - name: expand\n  - name: a:b\n";

fn run(plugin: &Plugin, command: &str, limit: Duration) -> Result<Output, Failure> {
    plugin.run(&Invocation {
        command,
        arguments: &["x y".to_owned(), "--z".to_owned()],
        stdin: b"{\"hello\":1}".to_vec(),
        env: &BTreeMap::from([("VOODU_NODE".to_owned(), "voodu-0".to_owned())]),
        limit,
        hang_ups: &AtomicU64::new(0),
    })
}

#[test]
fn the_process_gets_argv_cwd_env_and_stdin() {
    let (root, plugins) = plugin(
        YAML,
        "printf '%s|' \"$@\"; pwd; cat; echo \"$FROM_YAML $VOODU_NODE $VOODU_PLUGIN_DIR\" >&2; exit 3",
    );
    let fake = plugins.find("fk").unwrap();
    let output = run(&fake, "a:b", Duration::from_secs(10)).unwrap();
    let directory = fs::canonicalize(root.path().join("fake")).unwrap();
    let directory = directory.display();
    assert_eq!(
        String::from_utf8(output.stdout).unwrap(),
        format!("a:b|x y|--z|{directory}\n{{\"hello\":1}}")
    );
    assert_eq!(
        String::from_utf8(output.stderr).unwrap(),
        format!("1 voodu-0 {directory}\n")
    );
    assert_eq!(output.status, 3);
}

#[test]
fn only_declared_commands_exist() {
    let (_root, plugins) = plugin(YAML, "");
    let fake = plugins.find("fake").unwrap();
    assert!(fake.declares("a:b") && !fake.declares("fake"));
    assert_eq!(fake.available(), "a:b, expand");
    let failure = run(&fake, "nope", Duration::from_secs(1)).unwrap_err();
    assert!(failure.to_string().contains("command \"nope\" not found"));
}

#[test]
fn without_entrypoint_each_file_is_a_command() {
    let (_root, plugins) = plugin("name: fake\n", "echo \"$1\"");
    let fake = plugins.find("fake").unwrap();
    let output = run(&fake, "fake", Duration::from_secs(10)).unwrap();
    assert_eq!(output.stdout, b"x y\n");
}

#[test]
fn a_plugin_directory_can_be_given_itself() {
    let (root, _) = plugin(YAML, "");
    let mut plugins = Plugins::default();
    plugins.add(&root.path().join("fake"));
    assert!(plugins.find("fake").is_ok() && plugins.find("fk").is_ok());
    assert_eq!(plugins.root(), root.path());
    assert!(plugins.find("other").is_err());
}

#[test]
fn malformed_metadata_is_an_error_for_the_name_and_skipped_for_aliases() {
    let (_root, plugins) = plugin("name: [", "");
    assert!(plugins.find("fake").is_err());
    assert!(plugins.all().is_empty());
}

#[test]
fn a_slow_plugin_is_killed_and_its_output_lost() {
    let (_root, plugins) = plugin(YAML, "echo '{\"status\":\"ok\"}'; exec sleep 20");
    let started = Instant::now();
    let failure = run(
        &plugins.find("fake").unwrap(),
        "expand",
        Duration::from_millis(300),
    );
    assert!(started.elapsed() < Duration::from_secs(5));
    assert_eq!(
        failure,
        Err(Failure::Killed(
            "plugin \"fake\": timeout after 300ms".to_owned()
        ))
    );
}

#[test]
fn a_signal_is_reported_as_minus_one() {
    let (_root, plugins) = plugin(YAML, "kill -9 $$");
    let output = run(
        &plugins.find("fake").unwrap(),
        "expand",
        Duration::from_secs(5),
    )
    .unwrap();
    assert_eq!(output.status, -1);
}
