//! The command line itself: exit codes, and where errors go.

use serde_json::json;

use crate::support::{plugin, run};

#[test]
fn an_unknown_command_is_a_usage_error() {
    let answer = run(plugin().arg("exapnd"));
    assert_eq!(answer.code, 2);
    let document = answer.document();
    assert_eq!(document["status"], "error");
    let error = document["error"].as_str().unwrap();
    assert!(
        error.contains("exapnd") && error.ends_with("see vd postgres:help"),
        "{error}"
    );
    assert_eq!(answer.stderr, "");
}

#[test]
fn an_unknown_flag_or_argument_is_a_usage_error() {
    for args in [
        &["expand", "--bogus"][..],
        &["expand", "extra"],
        &["defaults", "-o", "yaml"],
        &["defaults", "-r", "x"],
    ] {
        let answer = run(plugin().args(args));
        assert_eq!(
            (answer.code, &answer.document()["status"]),
            (2, &json!("error")),
            "{args:?}"
        );
    }
}

#[test]
fn a_missing_argument_is_named() {
    let answer = run(plugin().args(["link", "clowk-lp/db"]));
    assert_eq!(answer.code, 2);
    let error = "the following required arguments were not provided: <CONSUMER>; see vd postgres:link --help";
    assert_eq!(answer.document()["error"], error);
}

#[test]
fn no_command_says_where_to_look() {
    let answer = run(&mut plugin());
    assert_eq!(answer.code, 2);
    let error = "no command given; see vd postgres:help";
    assert_eq!(answer.document()["error"], error);
}

#[test]
fn the_version_is_the_crates() {
    let answer = run(plugin().arg("--version"));
    let version = concat!("voodu-postgres ", env!("CARGO_PKG_VERSION"), "\n");
    assert_eq!((answer.code, &answer.stdout[..]), (0, version));
}
