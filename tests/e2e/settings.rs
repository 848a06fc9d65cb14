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
