//! Blocks as an operator writes them, and what the platform gets.

use serde_json::{Value, json};

use crate::support::{expand_spec, hcl};

/// The statefulset of a block written in HCL.
#[track_caller]
fn expanded(block: &str) -> Value {
    expand_spec(&hcl::spec(&format!(
        "postgres \"clowk-lp\" \"db\" {{\n{block}\n}}"
    )))
    .statefulset()
}

#[test]
fn the_example_of_the_contract() {
    let statefulset = expanded(
        r#"
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
        volume_claim "data" { mount_path = "/var/lib/postgresql/data" }
        "#,
    );
    assert_eq!(statefulset["image"], "postgres:16");
    assert_eq!(statefulset["replicas"], 3);
    assert_eq!(
        (&statefulset["env"]["TZ"], &statefulset["env"]["N"]),
        (&json!("UTC"), &json!("5"))
    );
    assert_eq!(
        statefulset["probes"],
        json!({"liveness": {"tcp_socket": {"port": 5432}}})
    );
    assert_eq!(statefulset["resources"], json!({"limits": {"cpu": "2"}}));
    assert_eq!(
        statefulset["lang"],
        json!({"name": "generic", "build_args": {"PG_MAJOR": "16"}})
    );
    assert!(statefulset.get("volume_claim").is_none() && statefulset.get("pg_config").is_none());
}

#[test]
fn claims_and_inits() {
    let statefulset = expanded(
        r#"
        volume_claim "data" { size = "10Gi" }
        volume_claim "wal" { mount_path = "/wal" }
        init "one" {
          image   = "busybox"
          command = ["true"]
          retries = "2"
        }
        init "two" {}
        "#,
    );
    assert_eq!(
        statefulset["volume_claims"],
        json!([
            {"name": "data", "mount_path": "/var/lib/postgresql/data", "size": "10Gi"},
            {"name": "wal", "mount_path": "/wal"},
        ])
    );
    assert_eq!(
        statefulset["inits"],
        json!([{"name": "one", "image": "busybox", "command": ["true"], "retries": 2}, {"name": "two"}])
    );
    assert!(statefulset.get("volume_claim").is_none() && statefulset.get("init").is_none());
}

#[test]
fn numbers_become_the_strings_that_the_platform_decodes() {
    let statefulset = expanded(
        r#"
        env {
          N = 5
          F = 1.5
        }
        ports = [5432]
        resources {
          limits {
            cpu    = 1.5
            memory = 4294967296
          }
        }
        ulimits        = { nproc = 8192 }
        docker_options = ["--cpu-shares", 512]
        probes {
          readiness {
            http_get {
              port = "8008"
              path = "/"
            }
          }
        }
        "#,
    );
    assert_eq!(
        (&statefulset["env"]["N"], &statefulset["env"]["F"]),
        (&json!("5"), &json!("1.5"))
    );
    assert_eq!(statefulset["ports"], json!(["5432"]));
    assert_eq!(
        statefulset["resources"],
        json!({"limits": {"cpu": "1.5", "memory": "4294967296"}})
    );
    assert_eq!(statefulset["ulimits"], json!({"nproc": "8192"}));
    assert_eq!(
        statefulset["docker_options"],
        json!([
            "--cpu-shares",
            "512",
            "--stop-timeout=60",
            "--shm-size=256m"
        ])
    );
    assert_eq!(statefulset["probes"]["readiness"]["http_get"]["port"], 8008);
}

#[test]
fn null_and_empty_blocks() {
    let statefulset = expanded(
        "image = null\nprobes {}\nvolumes = []\nenv = { A = null }\nports = null\nhealth_check = null",
    );
    assert_eq!(statefulset["image"], "postgres:latest");
    assert_eq!(statefulset["probes"], json!({}));
    assert_eq!(statefulset["volumes"].as_array().unwrap().len(), 5);
    assert!(statefulset["env"].get("A").is_none());
    assert_eq!(statefulset["ports"], json!(["5432"]));
    assert_eq!(
        statefulset["health_check"],
        "pg_isready -U postgres -d postgres -p 5432"
    );
}

#[test]
fn a_heredoc_loses_its_line_end() {
    let statefulset = expanded("env = { A = \"x\" }\nhealth_check = <<EOT\npg_isready\nEOT");
    assert_eq!(statefulset["health_check"], "pg_isready\n");
    let env = expand_spec(&json!({"env": {"A": "one line\n"}})).statefulset()["env"].clone();
    assert_eq!(env["A"], "one line");
}

#[test]
fn the_operators_own_fields_win() {
    let statefulset = expanded(
        r#"
        command      = ["bash", "-c", "exec postgres"]
        health_check = "true"
        ports        = []
        restart      = "always"
        networks     = ["backend"]
        env_from     = ["aws/cli", "monitoring"]
        labels       = { team = "db" }
        some_new_field = { a = [1, 2] }
        volumes      = ["/srv/b:/backups", "extra:/extra:ro"]
        "#,
    );
    assert_eq!(
        statefulset["command"],
        json!(["bash", "-c", "exec postgres"])
    );
    assert_eq!(statefulset["health_check"], "true");
    assert_eq!(statefulset["ports"], json!([]));
    assert_eq!(statefulset["restart"], "always");
    assert_eq!(statefulset["some_new_field"], json!({"a": [1, 2]}));
    assert_eq!(statefulset["volumes"][4], "/srv/b:/backups");
    assert_eq!(statefulset["volumes"][5], "extra:/extra:ro");
}

#[test]
fn a_build_runs_the_image_that_voodu_tags() {
    for block in [
        "workdir = \"infra\"",
        "dockerfile = \"D\"",
        "path = \".\"",
        "lang { name = \"generic\" }",
    ] {
        assert_eq!(expanded(block)["image"], "clowk-lp-db:latest", "{block}");
    }
    assert_eq!(
        expanded("workdir = \"infra\"\nimage = \"mine:1\"")["image"],
        "mine:1"
    );
}

#[test]
fn the_plugins_own_fields_do_not_leak() {
    let statefulset = expand_spec(&json!({
        "database": "appdata", "user": "appuser", "password": "hunter2", "port": 5433,
        "initdb_locale": "de_DE.UTF-8", "initdb_encoding": "UTF8", "replication_user": "repl",
        "pg_config": {"work_mem": "1MB"}, "extensions": ["uuid-ossp"], "plugin": {"version": "1.0.0"},
    }))
    .statefulset();
    let names: Vec<_> = statefulset.as_object().unwrap().keys().collect();
    assert_eq!(
        names,
        [
            "command",
            "docker_options",
            "env",
            "health_check",
            "image",
            "ports",
            "probes",
            "replicas",
            "volume_claims",
            "volumes",
        ]
    );
    let env = &statefulset["env"];
    assert_eq!(
        env["POSTGRES_INITDB_ARGS"],
        "--locale=de_DE.UTF-8 --encoding=UTF8"
    );
    assert_eq!(env["PG_PORT"], "5433");
    assert_eq!(
        statefulset["health_check"],
        "pg_isready -U appuser -d appdata -p 5433"
    );
}
