//! Input that wants to be a command, a path, a second setting, or simply too much.

use std::process::Command;

use serde_json::{Value, json};

use crate::support::{Answer, config, expand, expand_bytes, expand_spec, request};

const HOSTILE: &[&str] = &[
    "'",
    "\"",
    "\\",
    "a'b\"c",
    "$(touch /tmp/pwned)",
    "`id`",
    "${IFS}",
    "; rm -rf /",
    "a\nb",
    "a\r\nb",
    "../../etc/passwd",
    "a\u{0}b",
    "-v",
    "--privileged",
    "{{ x }}",
    "{% raw %}",
    "{# x #}",
    "%s%n",
    "é😀\u{202e}",
    "\u{1b}]0;x\u{7}",
    "*",
    "?",
    "~root",
    "#comment",
    "&&",
    "|",
    ">",
    "x=y",
];

/// Where a value goes, and the field that a refusal names.
fn blocks(value: &str) -> [(Value, &'static str); 9] {
    [
        (json!({"database": value}), "database"),
        (json!({"user": value}), "user"),
        (json!({"replication_user": value}), "replication_user"),
        (json!({"initdb_locale": value}), "initdb_locale"),
        (json!({"extensions": [value]}), "extensions[0]"),
        (json!({"image": value}), "image"),
        (json!({"ports": [value]}), "ports[0]"),
        (json!({"volumes": [format!("{value}:/x")]}), "volumes[0]"),
        (json!({"pg_config": {value: 1}}), "pg_config"),
    ]
}

#[test]
fn hostile_words_are_refused_where_they_could_act() {
    for value in HOSTILE {
        for (spec, field) in blocks(value) {
            // A dash is no option behind `--locale=`.
            if field == "initdb_locale" && value.starts_with('-') {
                continue;
            }
            let error = expand_spec(&spec).error();
            assert!(error.starts_with(field), "{value:?}: {error}");
        }
    }
}

#[test]
fn hostile_labels_are_refused() {
    for value in HOSTILE {
        for (scope, name) in [(*value, "db"), ("clowk-lp", *value)] {
            let request = json!({"kind": "postgres", "scope": scope, "name": name});
            assert_eq!(expand(&request).code, 1, "{value:?}");
        }
    }
}

/// The lines of a rendered conf file that postgres reads.
fn settings(answer: &Answer) -> Vec<String> {
    let text = answer.file("pg_overrides_conf");
    let lines = text
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.map(str::to_owned).collect()
}

#[test]
fn a_hostile_setting_stays_one_quoted_value() {
    for value in HOSTILE {
        let answer = expand_spec(&json!({"pg_config": {"a_setting": value, "z_setting": 1}}));
        if value.contains(['\n', '\0']) {
            assert!(
                answer.error().starts_with("pg_config.a_setting:"),
                "{value:?}"
            );
            continue;
        }
        let quoted = value.replace('\\', "\\\\").replace('\'', "''");
        assert_eq!(
            settings(&answer),
            [
                format!("a_setting = '{quoted}'"),
                "z_setting = 1".to_owned()
            ]
        );
    }
}

#[test]
fn a_hostile_variable_or_password_stays_a_value_and_reaches_no_script() {
    for value in HOSTILE {
        let with = |spec: Value, config: Value| expand(&request(&spec, &config));
        let env = with(json!({"env": {"A": value}}), config());
        if env.code == 0 {
            assert_eq!(env.statefulset()["env"]["A"], *value);
            assert_eq!(
                env.file("entrypoint"),
                expand_spec(&json!({})).file("entrypoint")
            );
        } else {
            assert!(value.contains(['\n', '\0']), "{value:?}: {}", env.error());
        }
        let password = with(json!({"password": value}), json!({}));
        if password.code == 0 {
            assert_eq!(password.statefulset()["env"]["POSTGRES_PASSWORD"], *value);
            assert_eq!(
                password.spec("asset"),
                expand_spec(&json!({})).spec("asset")
            );
        } else {
            let error = password.error();
            assert!(error.starts_with("password:"), "{value:?}: {error}");
        }
    }
}

#[test]
fn every_script_is_bash() {
    let answer = expand_spec(&json!({"pg_config": {"work_mem": "'; $(x)"}}));
    for key in ["entrypoint", "init_replication_sh"] {
        let script = answer.file(key);
        assert!(!script.trim().is_empty(), "{key}");
        let checked = Command::new("bash")
            .args(["-n", "-c", &script])
            .output()
            .unwrap();
        assert!(
            checked.status.success(),
            "{key}: {}",
            String::from_utf8_lossy(&checked.stderr)
        );
    }
}

#[test]
fn megabytes_are_answered() {
    let long = "x".repeat(1_000_000);
    for spec in [
        json!({"database": long}),
        json!({long.clone(): 1, "replica": 1}),
        json!({"env": {"A": long}}),
        json!({"env": {long.clone(): "x"}}),
        json!({"command": [long]}),
        json!({"pg_config": {long.clone(): 1}}),
    ] {
        let error = expand_spec(&spec).error();
        assert!(error.len() < 600, "{} bytes of error", error.len());
    }
    let setting = expand_spec(&json!({"pg_config": {"search_path": long}}));
    assert_eq!(settings(&setting), [format!("search_path = '{long}'")]);
}

#[test]
fn what_is_no_request_is_refused() {
    let deep = |depth: usize| {
        format!(
            r#"{{"name":"db","spec":{}1{}}}"#,
            r#"{"a":"#.repeat(depth),
            "}".repeat(depth)
        )
    };
    for (input, reason) in [
        (b"".to_vec(), "empty"),
        (b"   \n".to_vec(), "empty"),
        (b"null".to_vec(), "not a JSON object"),
        (b"[]".to_vec(), "not a JSON object"),
        (b"{".to_vec(), "not JSON"),
        (b"{} {}".to_vec(), "not JSON"),
        (b"\xef\xbb\xbf{}".to_vec(), "byte order mark"),
        (b"{\"name\":\"\xff\"}".to_vec(), "not UTF-8"),
        (b"{\"name\":\"\\ud800\"}".to_vec(), "not JSON"),
        (
            br#"{"spec":{"port":1e400}}"#.to_vec(),
            "number out of range",
        ),
        (deep(1_000).into_bytes(), "nested too deeply"),
        (deep(100_000).into_bytes(), "nested too deeply"),
        ("[".repeat(1_000_000).into_bytes(), "nested too deeply"),
    ] {
        let error = expand_bytes(input).error();
        assert!(error.contains(reason), "{reason}: {error}");
    }
}

#[test]
fn odd_but_valid_json_is_read_as_it_means() {
    let head = format!(
        r#""kind":"pg","scope":"a","name":"b","config":{}"#,
        config()
    );
    let spec = r#"{"port":1,"port":5433.0,"replicas":3.0,"pg_config":{"seq_page_cost":1e-07,"work_mem":1,"work_mem":65536.0}}"#;
    let answer = expand_bytes(format!(r#"{{{head},"spec":{{}},"spec":{spec}}}"#));
    assert_eq!(answer.statefulset()["env"]["PG_PORT"], "5433");
    assert_eq!(answer.statefulset()["replicas"], 3);
    assert_eq!(
        settings(&answer),
        ["seq_page_cost = 0.0000001", "work_mem = 65536"]
    );
}
