//! Applications that have libpq, and what they see.

use proptest::strategy::{Strategy as _, ValueTree as _};
use proptest::test_runner::TestRunner;
use voodu_standin::Vars;

use super::{Cluster, docker, eventually, holds};

/// Applies an application with the libpq of that major version.
pub fn apply(cluster: &Cluster, name: &str, major: u16) {
    let command = r#"["sh", "-c", "trap exit INT TERM; sleep infinity & wait"]"#;
    let block = format!(
        "deployment \"{}\" \"{name}\" {{\n image = \"postgres:{major}\"\n command = {command}\n}}\n",
        cluster.scope
    );
    cluster
        .platform
        .apply_hcl(&block)
        .expect("apply the application");
}

/// Links an application to the cluster.
#[track_caller]
pub fn link(cluster: &Cluster, name: &str, flags: &[&str]) {
    let [db, app] = ["db", name].map(|name| format!("{}/{name}", cluster.scope));
    let output = cluster
        .platform
        .vd([&["pg:link", &db, &app], flags].concat());
    assert_eq!(output.status, 0, "{output:?}");
}

/// Runs SQL in an application's container through a variable of its environment.
pub fn ask(cluster: &Cluster, name: &str, variable: &str, sql: &str) -> Result<String, String> {
    let script = format!("exec psql \"${variable}\" -XAtq -c \"$1\"");
    let app = format!("{}-{name}.0", cluster.scope);
    let output = docker(&["exec", &app, "sh", "-c", &script, "sh", sql]);
    let text = |bytes| String::from_utf8_lossy(bytes).trim_end().to_owned();
    if output.status.success() {
        Ok(text(&output.stdout))
    } else {
        Err(text(&output.stderr))
    }
}

/// Waits until an application gets that answer.
#[track_caller]
pub fn answers(cluster: &Cluster, name: &str, variable: &str, sql: &str, expected: &str) {
    eventually(20, sql, || {
        let answer = ask(cluster, name, variable, sql)?;
        holds(answer == expected, || answer)
    });
}

/// Generated passwords, each with the URL that `link` stores for it.
pub fn urls_of_any_password(cluster: &Cluster, count: usize) -> Vec<(String, String)> {
    let block = format!("job \"{}\" \"app\" {{\n image = \"i\"\n}}\n", cluster.scope);
    cluster.platform.apply_hcl(&block).expect("apply the job");
    let mut runner = TestRunner::deterministic();
    let passwords = "[!-~ é§€😀]{1,40}".prop_filter("refused", |text| {
        text.trim() == text && !text.contains("${")
    });
    let one = |_| {
        let password = passwords.new_tree(&mut runner).expect("generate").current();
        let vars = Vars::from([("POSTGRES_PASSWORD".to_owned(), password.clone())]);
        let platform = &cluster.platform;
        platform
            .seed_bucket(&cluster.scope, "db", &vars)
            .expect("seed");
        // Link publishes no password that does not log in.
        cluster.sql(
            0,
            &format!("ALTER ROLE appuser PASSWORD $pw${password}$pw$"),
        );
        link(cluster, "app", &[]);
        let url = platform.bucket(&cluster.scope, "app")["DATABASE_URL"].clone();
        (password, url)
    };
    (0..count).map(one).collect()
}
