//! From a block to a running cluster.

use serde_json::Value;
use voodu_standin::Vars;

use crate::support::{Cluster, Plan, docker_ok};

/// Every character that a URL, a shell, a conf file or an SQL text treats in its own way.
const HARD: &str = r#"p a's"s`w$o{r}d\!#@:/?&=%2F;|<>()[]*~^+,"#;

fn passwords(superuser: &str, replication: &str) -> Vars {
    [
        ("POSTGRES_PASSWORD", superuser),
        ("POSTGRES_REPLICATION_PASSWORD", replication),
    ]
    .map(|(key, value)| (key.to_owned(), value.to_owned()))
    .into()
}

#[test]
fn three_pods_on_17_with_hard_passwords() {
    let block = "extensions = [\"uuid-ossp\", \"pg_stat_statements\"]\n initdb_locale = \"C.UTF-8\"\n \
                 pg_config = { max_connections = 60, log_connections = true, work_mem = \"7MB\" }";
    let plan = Plan {
        block: block.into(),
        bucket: passwords(HARD, &format!("r{HARD}")),
        ..Plan::default()
    };
    let Some(cluster) = Cluster::up(plan) else {
        return;
    };

    assert_eq!(
        [0, 1, 2].map(|pod| cluster.in_recovery(pod).unwrap()),
        ["f", "t", "t"]
    );
    for pod in 0..3 {
        let sql = "SELECT current_setting('max_connections'), current_setting('work_mem'), current_setting('wal_log_hints'), \
                   current_setting('port'), current_setting('password_encryption')";
        assert_eq!(
            cluster.sql(pod, sql),
            "60|7MB|on|5433|scram-sha-256",
            "pod {pod}"
        );
    }
    assert_eq!(cluster.sql(0, "SELECT datcollate, pg_encoding_to_char(encoding) FROM pg_database WHERE datname = 'appdata'"), "C.UTF-8|UTF8");
    cluster.sql(0, "CREATE TABLE t AS SELECT generate_series(1, 1000) AS i");
    cluster.wait_until_caught_up(0);
    for pod in 0..3 {
        assert_eq!(cluster.sql(pod, "SELECT sum(i) FROM t"), "500500");
        assert_eq!(
            cluster.login(pod, "appuser", HARD).unwrap(),
            "appuser",
            "pod {pod}"
        );
        assert!(
            cluster
                .login(pod, "appuser", "wrong")
                .unwrap_err()
                .contains("password authentication failed")
        );
    }
    no_secret_shows(&cluster, &[HARD.to_owned(), format!("r{HARD}")]);
}

/// Neither a log nor a command line of a pod holds a password.
fn no_secret_shows(cluster: &Cluster, secrets: &[String]) {
    for pod in 0..cluster.plan.replicas {
        let processes = docker_ok(&["top", &cluster.pod(pod), "-eo", "pid,args"]);
        for secret in secrets {
            assert!(
                !cluster.log(pod).contains(secret.as_str()),
                "in the log of pod {pod}"
            );
            assert!(
                !processes.contains(secret.as_str()),
                "in the processes of pod {pod}"
            );
        }
    }
}

#[test]
fn three_pods_on_15() {
    let plan = Plan {
        major: 15,
        block: "pg_config = { max_connections = 60 }".into(),
        ..Plan::default()
    };
    let Some(cluster) = Cluster::up(plan) else {
        return;
    };
    assert_eq!(
        [0, 1, 2].map(|pod| cluster.in_recovery(pod).unwrap()),
        ["f", "t", "t"]
    );
    assert!(cluster.sql(0, "SHOW server_version").starts_with("15."));
    let bucket = cluster.platform.bucket(&cluster.scope, "db");
    assert_eq!(
        cluster
            .login(2, "appuser", &bucket["POSTGRES_PASSWORD"])
            .unwrap(),
        "appuser"
    );
    assert_eq!(bucket["POSTGRES_PASSWORD"].len(), 64);
}

#[test]
fn one_pod_has_everything_that_a_later_scale_up_needs() {
    let Some(mut cluster) = Cluster::up(Plan {
        replicas: 1,
        ..Plan::default()
    }) else {
        return;
    };
    let settings = "SELECT current_setting('wal_log_hints'), current_setting('max_wal_senders'), current_setting('wal_keep_size')";
    assert_eq!(cluster.sql(0, settings), "on|10|1GB");
    assert_eq!(
        cluster.sql(
            0,
            "SELECT rolreplication, rolsuper FROM pg_roles WHERE rolname = 'repl'"
        ),
        "t|f"
    );
    let before = cluster.started_at(0);
    cluster.plan.replicas = 2;
    let report = cluster.apply();
    assert_eq!(report.changes.created, [cluster.pod(1)]);
    cluster.wait_until_formed();
    assert_eq!(cluster.started_at(0), before);
}

#[test]
fn the_fields_of_the_block_reach_the_containers() {
    let block = r#"
      env = { TZ = "America/Sao_Paulo", PGAPPNAME = "shop" }
      env_from = ["aws/cli"]
      resources {
        limits {
          cpu    = 1
          memory = "512Mi"
        }
      }
      volumes = ["/srv/extra:/extra:ro"]
      docker_options = ["--shm-size=99m", "--label=team=data"]
      probes {}
    "#;
    let Some(cluster) = Cluster::new(Plan {
        replicas: 1,
        block: block.into(),
        ..Plan::default()
    }) else {
        return;
    };
    let shared = cluster.platform.root().join("apps/aws-cli/shared");
    std::fs::create_dir_all(&shared).unwrap();
    std::fs::write(shared.join(".env"), "AWS_REGION=sa-east-1\n").unwrap();
    cluster.apply();
    cluster.wait_until_formed();

    let inspected: Value = serde_json::from_str(&docker_ok(&["inspect", &cluster.pod(0)])).unwrap();
    let (config, host) = (&inspected[0]["Config"], &inspected[0]["HostConfig"]);
    let env: Vec<&str> = config["Env"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(Value::as_str)
        .collect();
    for pair in [
        "TZ=America/Sao_Paulo",
        "PGAPPNAME=shop",
        "AWS_REGION=sa-east-1",
        "POSTGRES_USER=appuser",
        "PG_PORT=5433",
    ] {
        assert!(env.contains(&pair), "{pair} in {env:?}");
    }
    assert_eq!(host["NanoCpus"], 1_000_000_000_i64);
    assert_eq!(host["Memory"], 512 * 1024 * 1024);
    assert_eq!(host["ShmSize"], 99 * 1024 * 1024);
    assert_eq!(config["StopTimeout"], 60);
    assert_eq!(config["Labels"]["team"], "data");
    let binds: Vec<&str> = host["Binds"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(Value::as_str)
        .collect();
    assert!(binds.contains(&"/srv/extra:/extra:ro"), "{binds:?}");
    assert!(
        binds.iter().any(|bind| bind.ends_with(":/backups:rw")),
        "{binds:?}"
    );
    assert_eq!(
        cluster.sql(
            0,
            "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'shop'"
        ),
        "1"
    );
}
