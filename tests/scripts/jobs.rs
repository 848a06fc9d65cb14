//! The job that captures, with this machine's tools and with busybox', without a container.

use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::process::{Command, Output};

use crate::support::{Sandbox, TOOLS, Tools, job_script};

const FILE: &str = "b007-20260504T020000Z.dump";

/// Writes what it is told to, or not all of it.
const PG_DUMP: &str = r#"#!/bin/bash
while [ "$1" != -f ]; do shift; done
if [ -e "$SANDBOX/cut" ]; then printf 'whole du' >"$2"; else printf 'whole dump' >"$2"; fi
[ ! -e "$SANDBOX/broken" ] || { echo 'pg_dump: error: no' >&2; exit 1; }
"#;

/// Reads its input to the end, which must be there, and never as root: anybody's dump may be in it.
const PG_RESTORE: &str = "#!/bin/bash\n[ \"$USER_IS\" = postgres ] && grep -q 'whole dump$'\n";

const GOSU: &str = "#!/bin/bash\nUSER_IS=$1 exec \"${@:2}\"\n";

/// Runs the whole job with more arguments, its directories in the sandbox.
fn run(sandbox: &Sandbox, arguments: &[&str]) -> Output {
    sandbox.fakes(&[
        ("pg_dump", PG_DUMP),
        ("pg_restore", PG_RESTORE),
        ("gosu", GOSU),
    ]);
    sandbox
        .job("capture", |script| script)
        .args([
            "cluster=s/db",
            "id=b007",
            "container=c",
            "source=0",
            "compress=6",
        ])
        .args([
            "user=u",
            "database=d",
            "port=1",
            "raw=2048",
            "estimate=1024",
        ])
        .arg(format!("file={FILE}"))
        .args(arguments)
        .output()
        .expect("start bash")
}

fn files(sandbox: &Sandbox) -> Vec<String> {
    let entries = std::fs::read_dir(sandbox.path("backups")).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = names.collect();
    names.sort();
    names
}

#[track_caller]
fn said(output: &Output, code: i32, tools: Tools) -> String {
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(code), "{tools:?}: {text}");
    assert_eq!(output.stderr, b"", "{tools:?}");
    text
}

#[test]
fn a_capture_is_published_with_its_checksum() {
    for tools in TOOLS {
        let sandbox = Sandbox::new(tools);
        let text = said(&run(&sandbox, &[]), 0, tools);
        assert!(text.starts_with("capture: pg_dump → "), "{text}");
        assert!(
            text.contains("raw size 2 kB, estimated dump ~1 kB, container c)\ndone: 10 B in "),
            "{text}"
        );
        assert!(text.contains(&format!(
            "postgres s/db: backup b007 captured ({FILE}, 10 B, source: ordinal 0, "
        )));
        let checksum = format!("{FILE}.sha256");
        assert_eq!(files(&sandbox), [FILE, &checksum]);
        let checked = Command::new("sha256sum")
            .args(["--check", "--strict", "--quiet", &checksum])
            .current_dir(sandbox.path("backups"))
            .status();
        assert!(checked.unwrap().success());
        for name in [FILE, &checksum] {
            let path = sandbox.path(&format!("backups/{name}"));
            let mode = std::fs::metadata(path).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o640, "{name}");
        }
    }
}

#[test]
fn a_capture_that_fails_leaves_nothing_and_deletes_nothing() {
    for tools in TOOLS {
        let sandbox = Sandbox::new(tools);
        sandbox.write("broken", "");
        sandbox.write("backups/b001-20260101T000000Z.dump", "whole dump");
        let text = said(
            &run(&sandbox, &["expired=b001-20260101T000000Z.dump"]),
            1,
            tools,
        );
        assert!(
            text.contains("pg_dump: error: no\nfailed: pg_dump did not succeed"),
            "{text}"
        );
        assert_eq!(files(&sandbox), ["b001-20260101T000000Z.dump"]);
    }
}

#[test]
fn a_dump_that_cannot_be_read_back_is_removed() {
    for tools in TOOLS {
        let sandbox = Sandbox::new(tools);
        sandbox.write("cut", "");
        let text = said(&run(&sandbox, &[]), 1, tools);
        assert!(text.contains(&format!(
            "failed: {FILE} cannot be read back: it is removed"
        )));
        assert_eq!(files(&sandbox), Vec::<String>::new());
    }
}

#[test]
fn what_lies_in_the_way_is_not_written_to() {
    for tools in TOOLS {
        let sandbox = Sandbox::new(tools);
        let partial = sandbox.path(&format!("backups/{FILE}.partial"));
        sandbox.write("backups/good.dump", "good");
        symlink(sandbox.path("backups/good.dump"), &partial).unwrap();
        let text = said(&run(&sandbox, &[]), 1, tools);
        assert!(text.contains(".partial is already there"), "{text}");
        assert_eq!(sandbox.read("backups/good.dump"), "good");
        std::fs::remove_file(&partial).unwrap();
        // A directory under the final name takes nothing in.
        std::fs::create_dir(sandbox.path(&format!("backups/{FILE}"))).unwrap();
        let text = said(&run(&sandbox, &[]), 1, tools);
        assert!(text.contains("could not be given its name"), "{text}");
        assert!(!partial.exists());
    }
}

#[test]
fn others_are_verified_and_pruned_after_success() {
    for tools in TOOLS {
        let sandbox = Sandbox::new(tools);
        let names = ["b001-20260101T000000Z.dump", "b002-20260102T000000Z.dump"];
        let cut = "b003-20260103T000000Z.dump";
        for name in names {
            sandbox.write(&format!("backups/{name}"), "whole dump");
        }
        sandbox.write(&format!("backups/{cut}"), "whole dum");
        let outside = sandbox.path("outside");
        sandbox.write("outside", "whole dump");
        let link = "b004-20260104T000000Z.dump";
        symlink(&outside, sandbox.path(&format!("backups/{link}"))).unwrap();
        let arguments = [names[0], names[1], cut, link].map(|name| format!("verify={name}"));
        let expired = [names[1], "b000-20250101T000000Z.dump", link];
        let expired = expired.map(|name| format!("expired={name}"));
        let all = arguments.iter().chain(&expired).map(String::as_str);
        let all: Vec<_> = all.chain(["retention=keep 1"]).collect();
        let text = said(&run(&sandbox, &all), 0, tools);
        for expected in [
            &format!("{} had no checksum: it was read back whole", names[0])[..],
            &format!("warning: {cut} had no checksum, and cannot be read back whole"),
            "retention (keep 1): pruned 1 backup(s): b002\n",
        ] {
            assert!(text.contains(expected), "{expected}\n{text}");
        }
        // A file that takes long to read does not keep the disk full.
        assert!(
            text.find("retention") < text.find("had no checksum"),
            "{text}"
        );
        assert_eq!(
            files(&sandbox),
            [
                names[0],
                &format!("{}.sha256", names[0]),
                cut,
                link,
                FILE,
                &format!("{FILE}.sha256")
            ]
        );
        assert!(outside.exists());
    }
}

#[test]
fn a_checksum_that_cannot_be_written_is_no_damage() {
    for tools in TOOLS {
        let sandbox = Sandbox::new(tools);
        let whole = "b001-20260101T000000Z.dump";
        sandbox.write(&format!("backups/{whole}"), "whole dump");
        std::fs::create_dir(sandbox.path(&format!("backups/{whole}.sha256"))).unwrap();
        let text = said(&run(&sandbox, &[&format!("verify={whole}")]), 0, tools);
        assert!(
            text.contains(&format!(
                "warning: {whole} was read back whole, but its checksum could not be written"
            )),
            "{text}"
        );
        assert!(!text.contains("cannot be read back"), "{text}");
    }
}

#[test]
fn sizes_are_spelled_as_in_the_lists() {
    let functions = job_script("capture");
    let functions = functions.split("# --- One backup").next().unwrap();
    for (bytes, human, whole) in [
        (0, "0 B", "0 B"),
        (1023, "1023 B", "1023 B"),
        (1024, "1.0 kB", "1 kB"),
        (1_048_575, "1.0 MB", "1 MB"),
        (257_215_693, "245.3 MB", "245 MB"),
        (3 << 30, "3.0 GB", "3 GB"),
        (5_i64 << 50, "5.0 PB", "5 PB"),
    ] {
        let text = format!("{functions}\nhuman {bytes}; echo; whole {bytes}");
        let output = Command::new("/bin/bash")
            .args(["-c", &text])
            .env("SANDBOX", "")
            .output()
            .unwrap();
        let output = String::from_utf8(output.stdout).unwrap();
        assert_eq!(output, format!("{human}\n{whole}"), "{bytes}");
    }
}
