//! The jobs that restore, function by function and without a container.

use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Output};

use crate::support::{Sandbox, TOOLS, Tools};

/// Reads a dump to its end, which must be there.
const PG_RESTORE: &str =
    "#!/bin/bash\ncat >\"$SANDBOX/read\"\ngrep -q 'whole dump$' \"$SANDBOX/read\"\n";

/// Says that a tar is whole, or not.
const PLUGIN: &str = "#!/bin/bash\ncat \"$SANDBOX/checked\"\n[ ! -e \"$SANDBOX/damaged\" ]\n";

/// The text of a job, its directories in the sandbox, without the line that runs it.
fn functions(parts: &[&str], last: &str) -> String {
    let part = |name: &&str| {
        let path = format!("{}/templates/jobs/{name}.sh", env!("CARGO_MANIFEST_DIR"));
        std::fs::read_to_string(path).unwrap()
    };
    let text: String = parts.iter().map(part).collect::<Vec<_>>().join("\n");
    let text = text.trim_end().strip_suffix(last).unwrap();
    text.replace("BACKUPS=/backups", "BACKUPS=$SANDBOX/backups")
        .replace("/tmp/", "$SANDBOX/tmp/")
        .replace("/job/voodu-postgres", "$SANDBOX/fakes/plugin")
}

fn run(sandbox: &Sandbox, script: &str, arguments: &[&str]) -> Output {
    for (name, text) in [("pg_restore", PG_RESTORE), ("plugin", PLUGIN)] {
        let name = format!("fakes/{name}");
        sandbox.write(&name, text);
        let executable = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(sandbox.path(&name), executable).unwrap();
    }
    std::fs::create_dir_all(sandbox.path("tmp/restore")).unwrap();
    let fakes = sandbox.path("fakes");
    Command::new("/bin/bash")
        .args(["-c", script, "restore"])
        .args(arguments)
        .env_clear()
        .env("PATH", format!("{}:{}", fakes.display(), sandbox.tools()))
        .env("SANDBOX", fakes.parent().unwrap())
        .output()
        .expect("start bash")
}

/// The check of a file before anything is restored of it.
#[track_caller]
fn verifies(tools: Tools, sandbox: &Sandbox, arguments: &[&str], code: i32, expected: &str) {
    let script = functions(
        &["../entrypoint/session", "common", "restore"],
        "restore_dump",
    ) + "\nWORK=$SANDBOX/tmp/restore DROP=()\nopen_file\nverify\n";
    let output = run(sandbox, &script, arguments);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(code), "{tools:?}: {text}");
    assert!(text.contains(expected), "{tools:?}: {expected}\n{text}");
}

fn sum(sandbox: &Sandbox, name: &str) -> String {
    let output = Command::new("sha256sum").arg(sandbox.path(name)).output();
    String::from_utf8(output.unwrap().stdout).unwrap()[..64].to_owned()
}

#[test]
fn only_a_backup_that_was_read_whole_is_as_good_as_its_checksum() {
    for tools in TOOLS {
        let sandbox = Sandbox::new(tools);
        for place in ["backups", "elsewhere"] {
            sandbox.write(&format!("{place}/whole"), "whole dump");
            sandbox.write(&format!("{place}/cut"), "whole du");
        }
        let path = |name: &str| sandbox.path(name).display().to_string();
        let file = |name: &str| format!("file={}", path(name));
        let checksum = |name: &str| format!("checksum={}.sha256", path(name));
        let of_whole = format!("sha256={}", sum(&sandbox, "backups/whole"));
        let of_cut = format!("sha256={}", sum(&sandbox, "backups/cut"));
        let check = |arguments: &[&str], code: i32, expected: &str| {
            verifies(tools, &sandbox, arguments, code, expected);
        };
        let own = [&file("backups/whole")[..], &checksum("backups/whole")];
        check(&own, 0, "read to its end");
        // What somebody names, or what lies beside a file from elsewhere, says nothing of its end.
        let cut = [&file("backups/cut")[..], &checksum("backups/cut")];
        check(&[&cut[..], &[&of_cut]].concat(), 1, "is damaged or cut off");
        sandbox.write("elsewhere/cut.sha256", sum(&sandbox, "backups/cut"));
        let elsewhere = [&file("elsewhere/cut")[..], &checksum("elsewhere/cut")];
        check(&elsewhere, 1, "is damaged or cut off");
        check(&[elsewhere[0], &of_cut], 1, "is damaged or cut off");
        // The checksum of a capture does, and all that are known must be right.
        sandbox.write("backups/whole.sha256", sum(&sandbox, "backups/whole"));
        check(&own, 0, "sha256 matches");
        check(&[&own[..], &[&of_whole]].concat(), 0, "sha256 matches");
        check(
            &[&own[..], &[&of_cut]].concat(),
            1,
            "is damaged: its sha256",
        );
        sandbox.write("backups/whole.sha256", sum(&sandbox, "backups/cut"));
        check(
            &[&own[..], &[&of_whole]].concat(),
            1,
            "is damaged: its sha256",
        );
        sandbox.write("backups/whole.sha256", "");
        check(&own, 0, "read to its end");
    }
}

#[test]
fn a_physical_restore_that_is_refused_leaves_nothing() {
    for tools in TOOLS {
        let sandbox = Sandbox::new(tools);
        sandbox.write("backups/.restore-r001.tar", "tar");
        sandbox.write("backups/.restore-r001.00.request", "user=x");
        sandbox.write("checked", "it is cut off\n");
        sandbox.write("damaged", "");
        let script = functions(
            &[
                "../entrypoint/session",
                "common",
                "physical",
                "physical_restore",
            ],
            "restore",
        );
        let script = script + "\nrestore\n";
        let arguments = [
            "name=db.tar",
            "tar=.restore-r001.tar",
            "request=.restore-r001.00.request",
        ];
        let output = run(&sandbox, &script, &arguments);
        let text = String::from_utf8_lossy(&output.stdout);
        assert_eq!(output.status.code(), Some(1), "{tools:?}: {text}");
        assert!(
            text.contains("db.tar cannot be used: it is cut off; nothing was stopped"),
            "{text}"
        );
        let left = std::fs::read_dir(sandbox.path("backups")).unwrap();
        assert_eq!(left.count(), 0, "{tools:?}");
    }
}
