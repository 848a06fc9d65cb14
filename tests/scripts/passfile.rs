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
            "store_password {}\ncp \"$PASSFILE\" \"$SANDBOX/{index}\"\nstored_password >\"$SANDBOX/{index}.back\"\n",
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
            .lines()
            .next()
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

/// The password that is chosen after a rotation from `older` to `newer`, with `env` in the pod's
/// environment and `role` as the one that logs in; nobody answers when that is empty.
fn chosen(tools: Tools, env: &str, role: &str) -> String {
    let sandbox = Sandbox::new(tools);
    sandbox.write(
        "volume/.voodu-passfile",
        "*:*:*:replicator:newer\n*:*:*:replicator:older\n",
    );
    let refusal = if role.is_empty() {
        "timeout expired"
    } else {
        "password authentication failed"
    };
    sandbox.output(&format!(
        "session() {{ [ \"$PGPASSWORD\" = '{role}' ] || {{ echo '{refusal}' >&2; return 1; }}; }}\n\
         REPLICATION_PASSWORD={env} ENV_REPLICATION_PASSWORD={env}; choose_password 0\n\
         printf %s \"$REPLICATION_PASSWORD\" >\"$SANDBOX/chosen\"\n"
    ));
    sandbox.read("chosen")
}

#[test]
fn whichever_password_logs_in_is_chosen() {
    for tools in TOOLS {
        assert_eq!(
            chosen(tools, "oldest", "newer"),
            "newer",
            "after a rotation"
        );
        assert_eq!(
            chosen(tools, "newest", "newest"),
            "newest",
            "after the next apply"
        );
        assert_eq!(
            chosen(tools, "oldest", "older"),
            "older",
            "after one that was interrupted"
        );
        assert_eq!(chosen(tools, "oldest", ""), "newer", "while nobody answers");
        assert_eq!(chosen(tools, "newer", "newer"), "newer");
    }
}

/// What the passfile holds after a choice, with these passwords on its lines before.
fn stored_after(env: &str, lines: &[&str], role: &str) -> String {
    let sandbox = Sandbox::new(Tools::Busybox);
    let line = |password: &&str| format!("*:*:*:replicator:{password}\n");
    let text: Vec<_> = lines.iter().map(line).collect();
    sandbox.write("volume/.voodu-passfile", text.concat());
    sandbox.output(&format!(
        "session() {{ [ \"$PGPASSWORD\" = '{role}' ] || {{ echo 'password authentication failed' >&2; return 1; }}; }}\n\
         REPLICATION_PASSWORD={env} ENV_REPLICATION_PASSWORD={env}; choose_password 0\nwrite_passfile\n"
    ));
    let text = sandbox.read("volume/.voodu-passfile");
    text.replace("*:*:*:replicator:", "").replace('\n', " ")
}

#[test]
fn only_a_password_that_just_logged_in_replaces_the_stored_one() {
    let cases = [
        ("a", &["b", "c"][..], "b", "b c "),
        ("a", &["b", "c"], "a", "a b c "),
        ("a", &["b", "c"], "c", "c b "),
        ("a", &["b", "c"], "unknown", "b c "),
        // The next apply brought the environment up to the first line, and a rotation that was
        // interrupted had not changed the role.
        ("b", &["b", "c"], "c", "c b "),
        ("a", &["b", "c", "d", "e"], "e", "e b c d "),
        ("a", &[], "unknown", "a "),
    ];
    for (env, lines, role, expected) in cases {
        assert_eq!(stored_after(env, lines, role), expected, "{lines:?} {role}");
    }
}

/// `new-password --replication` left the new password in a primary's passfile, whose environment has
/// the one before; then the primary is handed over and its server becomes a standby.
#[test]
fn a_pod_that_was_primary_keeps_what_a_rotation_left_there() {
    for tools in TOOLS {
        let sandbox = Sandbox::new(tools);
        sandbox.write("volume/.voodu-passfile", "*:*:*:replicator:newer\n");
        sandbox.write("volume/pgdata/postgresql.conf", "");
        sandbox.output(
            "session() { [ \"$PGPASSWORD\" = newer ] || { echo 'password authentication failed' >&2; return 1; }; }\n\
             REPLICATION_PASSWORD=older ENV_REPLICATION_PASSWORD=older V_PRIMARY=1\n\
             make_standby; choose_password 1; wire_settings; write_runtime_conf 1\n",
        );
        assert_eq!(
            sandbox.read("volume/.voodu-passfile"),
            "*:*:*:replicator:newer\n"
        );
    }
}

#[test]
fn other_pods_are_asked_with_every_password_that_may_be_the_right_one() {
    for role in ["oldest", "newer", "older", "unknown"] {
        let sandbox = Sandbox::new(Tools::Native);
        sandbox.write(
            "volume/.voodu-passfile",
            "*:*:*:replicator:newer\n*:*:*:replicator:older\n",
        );
        sandbox.output(&format!(
            "session() {{ [ \"$PGPASSWORD\" = {role} ] && echo t || {{ echo 'FATAL: password authentication failed' >&2; return 1; }}; }}\n\
             REPLICATION_PASSWORD=oldest; remote_sql db-1 <<<'SELECT' >\"$SANDBOX/answer\" 2>&1\n:\n"
        ));
        let expected = if role == "unknown" {
            "FATAL: password authentication failed\n"
        } else {
            "t\n"
        };
        assert_eq!(sandbox.read("answer"), expected, "{role}");
    }
}

/// What a look at the record leaves in the passfile of a standby with an older password in its
/// environment, after a rotation put a newer one there.
fn after_following(tools: Tools, receiver: &str, role: &str) -> String {
    let sandbox = Sandbox::new(tools);
    sandbox.output(&format!(
        "REPLICATION_PASSWORD=newer && write_passfile && REPLICATION_PASSWORD=older ENV_REPLICATION_PASSWORD=older\n\
         receiver_runs() {{ {receiver}; }}\n\
         session() {{ [ \"$PGPASSWORD\" = {role} ] || {{ echo 'password authentication failed' >&2; return 1; }}; }}\n\
         trap '' HUP; CHILD=$$ V_PRIMARY=0 V_EPOCH=1; follow_record; stored_password >\"$SANDBOX/stored\"\n"
    ));
    sandbox.read("stored")
}

#[test]
fn a_standby_that_streams_leaves_a_rotated_password_alone() {
    for tools in TOOLS {
        assert_eq!(after_following(tools, "true", "newer"), "newer");
        assert_eq!(after_following(tools, "false", "newer"), "newer");
        assert_eq!(after_following(tools, "false", "older"), "older");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]
    #[test]
    fn any_password_survives(passwords in prop::collection::vec(r#"[ -~é\\:'"]{1,40}"#, 40)) {
        survives(Tools::Native, &passwords);
    }
}
