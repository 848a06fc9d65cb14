//! What an operator writes into `pg_config` is what postgres reads.

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

use crate::support::{Cluster, Plan};

/// HCL's spelling of a string.
fn hcl_string(text: &str) -> String {
    let escaped = text
        .replace('\\', r"\\")
        .replace('"', "\\\"")
        .replace("${", "$${")
        .replace("%{", "%%{");
    format!("\"{escaped}\"")
}

#[test]
fn postgres_reads_every_value_as_the_block_has_it() {
    let mut runner = TestRunner::deterministic();
    let strategy = prop::collection::vec("[ -~äß€]{0,30}", 200);
    // The platform fills in `${…}` before a plugin sees the file.
    let mut values: Vec<String> = strategy.new_tree(&mut runner).unwrap().current();
    for value in &mut values {
        *value = value.replace("${", "$_").replace("%{", "%_");
    }
    values.extend(
        [
            r"'",
            r"\",
            r"\'",
            r"''",
            r"\\n",
            "a' # b",
            "'; DROP TABLE t; --",
            "include '/etc/passwd'",
            "$(id)",
            "`id`",
        ]
        .map(str::to_owned),
    );
    let settings: Vec<String> = values
        .iter()
        .enumerate()
        .map(|(index, value)| format!("    \"probe.v{index}\" = {}\n", hcl_string(value)))
        .collect();
    let settings = settings.concat();
    let numbers = "seq_page_cost = 0.0000001\n random_page_cost = 1.1\n work_mem = 65536.0\n autovacuum = false\n";
    let block = format!("pg_config = {{\n{settings}{numbers}}}");
    let Some(cluster) = Cluster::up(Plan {
        replicas: 1,
        block,
        ..Plan::default()
    }) else {
        return;
    };

    for (index, value) in values.iter().enumerate() {
        assert_eq!(
            cluster.sql(0, &format!("SHOW probe.v{index}")),
            value.trim_end(),
            "{value:?}"
        );
    }
    let read = "SELECT current_setting('seq_page_cost'), current_setting('random_page_cost'), current_setting('work_mem'), current_setting('autovacuum')";
    assert_eq!(cluster.sql(0, read), "1e-07|1.1|64MB|off");
}

/// An extension that has to be preloaded can be used by an init script.
#[test]
fn the_settings_hold_while_init_scripts_run() {
    let script = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("10-extension.sql");
    let text = "CREATE EXTENSION pg_stat_statements;
        SELECT count(*) FROM pg_stat_statements;
        CREATE TABLE seen AS SELECT current_setting('work_mem') AS work_mem, current_setting('wal_log_hints') AS hints;\n";
    std::fs::write(&script, text).unwrap();
    let with = |settings: &str| {
        let script = script.display();
        let volume = format!("{script}:/docker-entrypoint-initdb.d/10-extension.sql:ro");
        Cluster::new(Plan {
            replicas: 1,
            block: format!("volumes = [\"{volume}\"]\npg_config = {{\n{settings}}}"),
            ..Plan::default()
        })
    };
    // Nobody could confirm the script's commits, and nobody could write, if these held as well.
    let Some(cluster) = with(
        "shared_preload_libraries = \"pg_stat_statements\"\nwork_mem = \"7MB\"\n \
         synchronous_standby_names = \"nobody\"\ndefault_transaction_read_only = true\n",
    ) else {
        return;
    };
    cluster.apply();
    cluster.wait_until_primary(0);
    assert_eq!(cluster.sql(0, "SELECT * FROM seen"), "7MB|on");
    assert!(
        !cluster.log(0).contains("trying it without"),
        "{}",
        cluster.log(0)
    );
}

#[test]
fn settings_that_keep_the_server_from_starting_do_not_keep_a_cluster_from_its_first_boot() {
    let Some(cluster) = Cluster::up(Plan {
        replicas: 1,
        block: "pg_config = {\nshared_preload_libraries = \"no_such_library\"\n}".to_owned(),
        ..Plan::default()
    }) else {
        return;
    };
    cluster.wait_for_log(0, &["trying it without the block's settings"]);
}
