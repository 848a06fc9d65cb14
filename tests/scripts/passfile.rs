//! The passfile keeps any password that the platform can carry.

use proptest::prelude::*;

use crate::support::{Sandbox, TOOLS, Tools};

/// What libpq makes of a passfile line's last field (libpq's passwordFromFile):
/// a backslash stands for the character after it.
fn as_libpq_reads(field: &str) -> String {
    let mut text = String::new();
    let mut characters = field.chars();
    while let Some(character) = characters.next() {
        text.push(if character == '\\' {
            characters.next().unwrap_or('\\')
        } else {
            character
        });
    }
    text
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[track_caller]
fn survives(tools: Tools, passwords: &[String]) {
    let sandbox = Sandbox::new(tools);
    let mut script = String::new();
    for (index, password) in passwords.iter().enumerate() {
        let step = format!(
            "REPLICATION_PASSWORD={}\nwrite_passfile\ncp \"$PASSFILE\" \"$SANDBOX/{index}\"\nstored_password >\"$SANDBOX/{index}.back\"\n",
            quoted(password)
        );
        script += &step;
    }
    sandbox.output(&script);
    for (index, password) in passwords.iter().enumerate() {
        assert_eq!(
            &sandbox.read(&format!("{index}.back")),
            password,
            "read back by the script"
        );
        let line = sandbox.read(&index.to_string());
        let field = line
            .strip_prefix("*:*:*:replicator:")
            .unwrap()
            .strip_suffix('\n')
            .unwrap();
        assert_eq!(&as_libpq_reads(field), password, "read by libpq");
    }
}

#[test]
fn special_characters_survive_with_both_tool_sets() {
    let passwords: Vec<String> = [
        r"\",
        ":",
        r"\:",
        r":\",
        r"\\:\:",
        r#"q'uo"te $x `id` & \& %2F @#/?"#,
        "{}",
        "*",
    ]
    .map(str::to_owned)
    .to_vec();
    for tools in TOOLS {
        survives(tools, &passwords);
    }
}

/// What `follow_record` leaves in the passfile, with an older password in the pod's environment and a
/// newer one put there by a rotation.
fn after_following(tools: Tools, receiver: &str) -> String {
    let sandbox = Sandbox::new(tools);
    sandbox.output(&format!(
        "REPLICATION_PASSWORD=newer && write_passfile && REPLICATION_PASSWORD=older ENV_REPLICATION_PASSWORD=older\n\
         receiver_runs() {{ {receiver}; }}\nsession() {{ echo 1; }}\n\
         trap '' HUP; CHILD=$$ V_PRIMARY=0 V_EPOCH=1; follow_record; stored_password >\"$SANDBOX/stored\"\n"
    ));
    sandbox.read("stored")
}

#[test]
fn a_standby_that_streams_leaves_a_rotated_password_alone() {
    for tools in TOOLS {
        assert_eq!(after_following(tools, "true"), "newer");
        assert_eq!(after_following(tools, "false"), "older", "which logs in");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]
    #[test]
    fn any_password_survives(passwords in prop::collection::vec(r#"[ -~é\\:'"]{1,40}"#, 40)) {
        survives(Tools::Native, &passwords);
    }
}
