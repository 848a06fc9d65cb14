//! `psql`: what it prints, and whose exit code comes back.

use crate::support::{Cluster, Plan};

#[test]
fn psql_answers_and_its_exit_code_comes_back() {
    let plan = Plan {
        replicas: 2,
        ..Plan::default()
    };
    let Some(cluster) = Cluster::up(plan) else {
        return;
    };
    let db = format!("{}/db", cluster.scope);
    let psql = |stdin: &str, words: &[&str]| {
        let shim = cluster.platform.shim().with_stdin(stdin);
        shim.capture([&["pg:psql", &db][..], words].concat())
    };
    let case = |stdin: &str, words: &[&str], status: i32, printed: &str| {
        let output = psql(stdin, words);
        let expected = format!("  ✓ psql in {}\n{printed}", cluster.pod(0));
        assert_eq!(
            (output.status, &output.stdout[..]),
            (status, &expected[..]),
            "{output:?}"
        );
    };
    let who = "SELECT current_user || '@' || current_database()";
    case("", &["-c", who, "--", "-At"], 0, "appuser@appdata\n");
    case("SELECT 2;\n", &["--", "-At"], 0, "2\n");
    case("", &["--", "-Atc", "SELECT 3"], 0, "3\n");
    case("", &["-c", "SELECT nonsense"], 1, "");
    case(
        "SELECT nonsense;\n",
        &["--", "--set=ON_ERROR_STOP=1"],
        3,
        "",
    );
    case("", &["--", "--dbname=nowhere", "-c", "SELECT 1"], 2, "");

    let standby = psql(
        "",
        &[
            "--replica",
            "1",
            "-c",
            "SELECT pg_is_in_recovery()",
            "--",
            "-At",
        ],
    );
    assert!(standby.stdout.ends_with("\nt\n"), "{standby:?}");
    let refused = psql("", &["--replica", "2"]);
    assert_eq!(refused.status, 1);
    assert!(
        refused.stderr.contains("use a number from 0 to 1"),
        "{refused:?}"
    );
}
