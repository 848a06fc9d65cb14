//! The job that restores, when the connection ends before the server's reply to its COMMIT.

use std::process::{Command, Stdio};

use crate::support::{Sandbox, TOOLS, Tools};

/// Restores until `go-on` is there, and then says what it was told to.
const PG_RESTORE: &str = r#"#!/bin/bash
case "$*" in
  --version) echo 'pg_restore (PostgreSQL) 17.0' ;;
  "-l -v") cat >/dev/null; echo '; Dumped by pg_dump version: 17.0' ;;
  *--single-transaction*)
    : >"$SANDBOX/restoring"
    until [ -e "$SANDBOX/go-on" ]; do sleep 0.05; done
    cat "$SANDBOX/fails" >&2
    exit 1
    ;;
  *) cat >/dev/null ;;
esac
"#;

/// The server, whose word on the transaction is in `outcome`.
const PSQL: &str = r#"#!/bin/bash
sql=$(cat)
case $sql in
  *pg_is_in_recovery*) echo 'f|t' ;;
  *backend_xid*) [ ! -e "$SANDBOX/restoring" ] || { cat "$SANDBOX/xid"; : >"$SANDBOX/asked"; } ;;
  *"txid_status(777)"*) cat "$SANDBOX/outcome" ;;
  *voodu_df*) echo 99999999999 ;;
  *pg_database_size*) echo 1 ;;
esac
"#;

/// Nothing keeps the dump from being restored.
const REHEARSE: &str = "#!/bin/bash\n: >\"$8\"\n: >\"$4\"\n";

const GOSU: &str = "#!/bin/bash\nexec \"${@:2}\"\n";
const GONE: &str =
    "pg_restore: error: could not execute query: server closed the connection unexpectedly\n";

/// Runs the job with a server that says that of its transaction. Cancelled, or to its end.
fn said(tools: Tools, xid: &str, fails: &str, outcome: &str, cancelled: bool) -> (i32, String) {
    run(tools, xid, fails, outcome, cancelled, "1")
}

/// Cancelled while it looks up how its transaction ended, which the server says only afterwards.
fn said_late(outcome: &str) -> (i32, String) {
    run(Tools::Native, "777", GONE, outcome, true, "60")
}

fn run(
    tools: Tools,
    xid: &str,
    fails: &str,
    outcome: &str,
    cancelled: bool,
    patience: &str,
) -> (i32, String) {
    let is_late = patience == "60";
    let sandbox = Sandbox::new(tools);
    sandbox.fakes(&[
        ("pg_restore", PG_RESTORE),
        ("psql", PSQL),
        ("gosu", GOSU),
        ("voodu-postgres", REHEARSE),
    ]);
    sandbox.write("xid", xid);
    sandbox.write("fails", fails);
    sandbox.write("outcome", if is_late { "in progress" } else { outcome });
    sandbox.write("backups/b001.dump", "PGDMP and the rest");
    let file = format!("file={}", sandbox.path("backups/b001.dump").display());
    let waits = format!("$(outcome {patience})");
    let mut job = sandbox
        .job("restore", |script| script.replace("$(outcome 60)", &waits))
        .args(["cluster=s/db", "id=r001", "container=c"])
        .args([
            "name=b001.dump",
            "target=0",
            "user=u",
            "database=d",
            "port=1",
        ])
        .arg(file)
        .stdout(Stdio::piped())
        .spawn()
        .expect("start bash");
    let pid = job.id().to_string();
    for _ in 0..100 {
        if sandbox.path("asked").exists() || job.try_wait().unwrap().is_some() {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    std::thread::sleep(std::time::Duration::from_millis(400));
    if is_late {
        sandbox.write("go-on", "");
        std::thread::sleep(std::time::Duration::from_millis(800));
        sandbox.write("outcome", outcome);
    }
    if cancelled {
        assert!(
            Command::new("kill")
                .args(["-TERM", &pid])
                .status()
                .unwrap()
                .success()
        );
    } else {
        sandbox.write("go-on", "");
    }
    let output = job.wait_with_output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    (output.status.code().unwrap(), text)
}

#[test]
fn a_lost_reply_is_looked_up_by_the_number_of_the_transaction() {
    for tools in TOOLS {
        let (code, text) = said(tools, "777", GONE, "committed", false);
        assert_eq!(code, 0, "{text}");
        assert!(text.contains("it had committed the restore"), "{text}");
        assert!(
            text.contains("b001.dump restored into database d"),
            "{text}"
        );
        let (code, text) = said(tools, "777", GONE, "aborted", false);
        assert!(
            code == 1 && text.contains("the database is as it was"),
            "{text}"
        );
    }
}

#[test]
fn what_became_of_a_commit_is_not_guessed() {
    for (xid, outcome) in [("777", "in progress"), ("777", ""), ("", "")] {
        let (code, text) = said(Tools::Native, xid, GONE, outcome, false);
        let unknown =
            "whether the restore was committed is not known: look at what database d holds";
        assert!(
            code == 1 && text.contains(unknown),
            "{xid} {outcome}: {text}"
        );
        assert!(!text.contains("as it was"), "{text}");
        let (code, text) = said(Tools::Native, xid, GONE, outcome, true);
        assert!(
            code == 143 && text.contains(unknown),
            "{xid} {outcome}: {text}"
        );
    }
    // The server's own no is an answer, and so is a server that was never reached.
    for fails in [
        "pg_restore: error: could not execute query: ERROR:  relation exists\n",
        "pg_restore: error: connection to server at \"127.0.0.1\", port 1 failed: refused\n",
    ] {
        let (code, text) = said(Tools::Native, "", fails, "", false);
        assert!(
            code == 1 && text.contains("the database is as it was"),
            "{text}"
        );
    }
}

/// The server is asked how it ended, and does not answer yet.
#[test]
fn a_cancel_while_the_outcome_is_looked_up_guesses_nothing() {
    for (outcome, words) in [
        (
            "in progress",
            "whether the restore was committed is not known",
        ),
        ("committed", "when the restore was complete"),
    ] {
        let (code, text) = said_late(outcome);
        assert!(code == 143 && text.contains(words), "{text}");
    }
}

#[test]
fn a_cancel_that_comes_with_the_commit_says_how_it_ended() {
    for (outcome, words) in [
        ("committed", "when the restore was complete"),
        ("aborted", "the database is as it was"),
    ] {
        let (code, text) = said(Tools::Native, "777", GONE, outcome, true);
        assert!(code == 143 && text.contains(words), "{text}");
    }
}
