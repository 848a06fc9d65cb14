//! The hooks on the host: what they need, find and leave.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, SystemTime};

use super::machine::{HOSTS, Host, Machine, release, run, says};
use super::releases::{Releases, VERSION};

#[test]
fn a_binary_of_this_version_is_kept_without_network() {
    for host in HOSTS {
        let machine = Machine::new(host);
        fs::hard_link(env!("CARGO_BIN_EXE_voodu-postgres"), machine.binary()).unwrap();
        let outcome = machine.install_from("http://127.0.0.1:1");
        let said = format!("voodu-postgres {VERSION} is in place\n");
        assert_eq!((outcome.code, outcome.stdout), (0, said));
    }
}

#[test]
fn another_systems_machine_is_told_to_build() {
    for (system, name) in [("Linux", "riscv64"), ("Darwin", "arm64")] {
        let machine = Machine::new(Host::DebianWithCurl);
        machine.command(
            "uname",
            &format!("[ \"$1\" = -s ] && echo {system} || echo {name}"),
        );
        let outcome = machine.install(&Releases::of(release()));
        assert_eq!(outcome.code, 1);
        assert!(
            outcome.stderr.contains("run 'make install-local'"),
            "{outcome:?}"
        );
    }
}

#[test]
fn neither_home_nor_a_directory_for_temporary_files_is_needed() {
    for host in HOSTS {
        let machine = Machine::new(host);
        let mut hook = machine.hook("install");
        hook.env("TMPDIR", "/nonexistent")
            .env("VOODU_POSTGRES_RELEASE_BASE", Releases::of(release()).base);
        assert_eq!(run(&mut hook).code, 0);
        assert!(machine.binary().exists());
    }
}

#[test]
fn it_can_be_run_from_anywhere() {
    let machine = Machine::new(Host::DebianWithCurl);
    let mut hook = Command::new(machine.plugin("install"));
    hook.env_clear()
        .env("PATH", machine.plugin("../path"))
        .env("CDPATH", "/")
        .env("VOODU_POSTGRES_RELEASE_BASE", Releases::of(release()).base)
        .current_dir("/");
    assert_eq!(run(&mut hook).code, 0);
    assert!(machine.binary().exists());
}

#[test]
fn what_a_killed_run_left_is_removed_and_a_running_one_is_not() {
    for host in HOSTS {
        let machine = Machine::new(host);
        for (name, age) in [(".download.killed", 20), (".download.running", 2)] {
            let left = machine.plugin(name);
            fs::create_dir(&left).unwrap();
            fs::write(left.join("new"), "half").unwrap();
            let changed = SystemTime::now() - Duration::from_secs(60 * age);
            fs::File::open(left).unwrap().set_modified(changed).unwrap();
        }
        machine.install(&Releases::of(release()));
        let files = machine.files();
        assert_eq!(files[..2], [".download.running", "bin"], "{host:?}");
    }
}

#[test]
fn releases_are_where_plugin_yml_says() {
    let machine = Machine::new(Host::DebianWithCurl);
    machine.command("curl", "echo \"$*\" >&2; exit 7");
    let outcome = run(&mut machine.hook("install"));
    let url = format!("https://github.com/thadeu/voodu-postgres/releases/download/v{VERSION}/");
    assert!(outcome.stderr.contains(&url), "{outcome:?}");
}

#[test]
fn a_plugin_without_version_is_refused() {
    let machine = Machine::new(Host::DebianWithCurl);
    fs::write(machine.plugin("plugin.yml"), "name: postgres\n").unwrap();
    let outcome = machine.install(&Releases::of(release()));
    assert!(
        outcome.stderr.ends_with("plugin.yml has no version\n"),
        "{outcome:?}"
    );
}

#[test]
fn uninstall_deletes_nothing_and_says_what_stays() {
    for host in HOSTS {
        let machine = Machine::new(host);
        machine.place("0.9.0");
        let before = machine.files();
        let outcome = run(&mut machine.hook("uninstall"));
        assert_eq!(outcome.code, 0);
        for what in [
            "voodu-<scope>-<name>-data-<n>",
            "/opt/voodu/backups/<scope>/<name>",
        ] {
            assert!(outcome.stdout.contains(what), "{what}: {outcome:?}");
        }
        assert_eq!(machine.files(), before);
        assert_eq!(fs::read_to_string(machine.binary()).unwrap(), says("0.9.0"));
    }
}

/// A clone or an archive without the bits would not run the hooks.
#[test]
fn the_hooks_are_executable() {
    use std::os::unix::fs::PermissionsExt as _;
    for hook in ["install", "uninstall"] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(hook);
        let mode = fs::metadata(path).unwrap().permissions().mode();
        assert_eq!(mode & 0o111, 0o111, "{hook}");
    }
}
