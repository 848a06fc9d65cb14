use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::*;

fn one(text: &str) -> Manifest {
    let mut manifests = read(text, None, &NoVariables).unwrap();
    assert_eq!(manifests.len(), 1);
    manifests.remove(0)
}

fn spec(body: &str) -> Value {
    one(&format!("postgres \"s\" \"n\" {{\n{body}\n}}")).spec
}

fn refusal(text: &str) -> String {
    format!("{:#}", read(text, None, &NoVariables).unwrap_err())
}

#[test]
fn the_whole_example_of_the_contract() {
    let manifest = one(r#"
postgres "clowk-lp" "db" {
  image = "postgres:16"
  replicas = 3
  env = { TZ = "UTC", N = 5 }
  pg_config = { max_connections = 200, log_connections = true }
  probes {
    liveness {
      tcp_socket { port = 5432 }
    }
  }
  resources {
    limits { cpu = "2" }
  }
  lang {
    name       = "generic"
    build_args = { PG_MAJOR = "16" }
  }
  volume_claim "data" { mount_path = "/x" }
}
"#);
    assert_eq!(manifest.reference(), "postgres/clowk-lp/db");
    assert_eq!(
        manifest.spec,
        json!({"image":"postgres:16","replicas":3,"env":{"TZ":"UTC","N":"5"},
        "pg_config":{"max_connections":200,"log_connections":true},
        "probes":{"liveness":{"tcp_socket":{"port":5432}}},
        "resources":{"limits":{"cpu":"2"}},
        "lang":{"name":"generic","build_args":{"PG_MAJOR":"16"}},
        "volume_claim":{"_labels":["data"],"mount_path":"/x"}})
    );
}

#[test]
fn literals_of_every_sort() {
    assert_eq!(
        spec("a = 1.1\nb = null\nc = [1, \"x\"]\nd = 2.0\ne = <<EOT\nhi\nEOT\nprobes {}"),
        json!({"a":1.1,"b":null,"c":[1,"x"],"d":2,"e":"hi\n","probes":{}})
    );
}

#[test]
fn repeated_blocks_become_an_array_in_order() {
    assert_eq!(
        spec("init \"a\" { x = 1 }\ninit \"b\" { x = 2 }"),
        json!({"init":[{"_labels":["a"],"x":1},{"_labels":["b"],"x":2}]})
    );
}

#[test]
fn a_block_wins_over_an_attribute_of_the_same_name() {
    assert_eq!(spec("p = 1\np { x = 2 }"), json!({"p":{"x":2}}));
}

#[test]
fn env_attributes_are_stringified_at_any_depth_and_env_blocks_are_not() {
    assert_eq!(
        spec("lang {\n  env = { A = 1, B = true, C = null, D = [1], E = 1e-7 }\n}"),
        json!({"lang":{"env":{"A":"1","B":"true","C":"","D":[1],"E":"1e-07"}}})
    );
    assert_eq!(spec("env {\n  A = 1\n}"), json!({"env":{"A":1}}));
}

#[test]
fn labels_name_scope_and_name() {
    assert_eq!(one("postgres {}").reference(), "postgres/postgres");
    assert_eq!(one("postgres \"db\" {}").reference(), "postgres/db");
    assert!(refusal("postgres \"a\" \"b\" \"c\" {}").contains("too many labels"));
}

#[test]
fn references_and_functions_are_refused() {
    assert!(refusal("postgres \"a\" \"b\" { x = foo }").contains("only literal values"));
    assert!(refusal("postgres \"a\" \"b\" { x = file(\"y\") }").contains("only literal values"));
}

#[test]
fn platform_references_stay_literal() {
    assert_eq!(
        spec("volumes = [\"${asset.s.n.conf}:/x:ro\"]"),
        json!({"volumes":["${asset.s.n.conf}:/x:ro"]})
    );
}

#[test]
fn the_same_resource_twice_is_refused() {
    let text = "postgres \"a\" \"b\" {}\npostgres \"a\" \"b\" {}";
    assert_eq!(refusal(text), "postgres/a/b is declared twice");
}

struct Fixed;

impl Variables for Fixed {
    fn shell(&self, name: &str) -> Option<String> {
        (name == "BOTH").then(|| "shell".to_owned())
    }

    fn bucket(&self, id: &ResourceId) -> BTreeMap<String, String> {
        let vars: &[(&str, &str)] = match id.to_string().as_str() {
            "s/n" => &[("BOTH", "own"), ("OWN", "own")],
            "s/other" => &[("OWN", "other"), ("FROM", "other")],
            _ => &[],
        };
        vars.iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect()
    }
}

#[test]
fn the_shell_wins_over_buckets_and_the_own_bucket_over_env_from() {
    let text =
        "postgres \"s\" \"n\" {\n  env_from = [\"other\"]\n  x = \"${BOTH} ${OWN} ${FROM}\"\n}";
    let manifest = read(text, None, &Fixed).unwrap().remove(0);
    assert_eq!(manifest.spec["x"], "shell own other");
}

#[test]
fn core_kinds_get_their_wire_spelling() {
    let stateful = one(
        "statefulset \"s\" \"n\" {\n  ports = [5432]\n  volume_claim \"data\" { mount_path = \"/x\" }\n}",
    );
    assert_eq!(
        stateful.spec,
        json!({"ports":["5432"],"volume_claims":[{"name":"data","mount_path":"/x"}],
            "logs":{"max_size":"10m","max_files":3}})
    );
    let cron = one(
        "cronjob \"s\" \"n\" {\n  schedule = \"@daily\"\n  image = \"a\"\n  command = [\"b\", 1]\n}",
    );
    assert_eq!(
        cron.spec,
        json!({"schedule":"@daily","job":{"image":"a","command":["b","1"],
            "logs":{"max_size":"10m","max_files":3}}})
    );
    let asset = one("asset \"s\" \"n\" { conf = \"text\" }");
    assert_eq!(asset.spec, json!({"files":{"conf":"text"}}));
    assert!(refusal("statefulset \"n\" {}").contains("needs two labels"));
    assert!(refusal("job \"s\" \"n\" { nope = 1 }").contains("\"nope\" is not expected"));
}
