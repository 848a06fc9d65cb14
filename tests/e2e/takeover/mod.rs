//! Clusters that the older plugin made: their buckets, specs and data directories.

use serde_json::{Value, json};
use voodu_standin::{ApplyOptions, Manifest, Vars};

use crate::support::{Cluster, Plan, docker_ok, eventually, holds};

const PASSWORD: &str = "0123456789abcdef";

fn older_init() -> &'static str {
    "psql -v ON_ERROR_STOP=1 -U \"$POSTGRES_USER\" -d postgres -c \"CREATE USER $PG_REPLICATION_USER WITH REPLICATION PASSWORD '$PG_REPLICATION_PASSWORD'\"\n\
     printf '\\nhost replication %s all scram-sha-256\\n' \"$PG_REPLICATION_USER\" >>\"$PGDATA/pg_hba.conf\"\n"
}

/// What the older plugin's expand gives for the block of [`Cluster::hcl`].
fn older_manifests(cluster: &Cluster) -> Vec<Manifest> {
    let scope = &cluster.scope;
    let mount = |key: &str, path: &str| format!("${{asset.{scope}.db.{key}}}:{path}:ro");
    let files = json!({
        "entrypoint": include_str!("older-entrypoint.sh"),
        "pg_overrides_conf": "# none\n",
        "streaming_conf": "hot_standby = on\nmax_wal_senders = 10\nwal_keep_size = '1GB'\n",
        "init_replication_sh": older_init(),
    });
    let env = json!({
        "PGDATA": "/var/lib/postgresql/data/pgdata", "PG_NAME": "db", "PG_PORT": "5433",
        "PG_SCOPE_SUFFIX": format!(".{scope}.voodu"), "PG_REPLICATION_USER": "repl", "PG_REPLICATION_PASSWORD": PASSWORD,
        "POSTGRES_DB": "appdata", "POSTGRES_USER": "appuser", "POSTGRES_PASSWORD": PASSWORD,
        "POSTGRES_INITDB_ARGS": "--locale=C.UTF-8 --encoding=UTF8",
    });
    let spec = json!({
        "image": format!("postgres:{}", cluster.plan.major), "replicas": cluster.plan.replicas, "env": env, "ports": ["5433"],
        "command": ["bash", "/usr/local/bin/voodu-postgres-entrypoint"],
        "volume_claims": [{"name": "data", "mount_path": "/var/lib/postgresql/data"}],
        "volumes": [
            mount("entrypoint", "/usr/local/bin/voodu-postgres-entrypoint"),
            mount("pg_overrides_conf", "/etc/postgresql/conf.d/voodu-99-overrides.conf"),
            mount("streaming_conf", "/etc/postgresql/conf.d/voodu-50-streaming.conf"),
            mount("init_replication_sh", "/docker-entrypoint-initdb.d/00_create_replication.sh"),
            format!("{}:/backups:rw", cluster.backups().display()),
        ],
    });
    let manifest = |kind: &str, spec: Value| {
        serde_json::from_value(json!({"kind": kind, "scope": scope, "name": "db", "spec": spec}))
            .unwrap()
    };
    vec![
        manifest("asset", json!({ "files": files })),
        manifest("statefulset", spec),
    ]
}

fn bucket(pairs: &[(&str, &str)]) -> Vars {
    pairs
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect()
}

/// A running cluster of the older plugin.
fn older_cluster(major: u16, replicas: u16) -> Option<Cluster> {
    let bucket = bucket(&[
        ("POSTGRES_PASSWORD", PASSWORD),
        ("POSTGRES_REPLICATION_PASSWORD", PASSWORD),
        ("PG_PRIMARY_ORDINAL", "0"),
        ("BACKUP_KEEP", "30"),
    ]);
    let cluster = Cluster::new(Plan {
        major,
        replicas,
        bucket,
        ..Plan::default()
    })?;
    cluster
        .platform
        .apply(older_manifests(&cluster), ApplyOptions::default())
        .unwrap();
    eventually(60, "the older cluster", || {
        let standbys = cluster.try_sql(
            0,
            "SELECT count(*) FROM pg_stat_replication WHERE application_name = 'voodu-postgres-standby' AND state = 'streaming'",
        )?;
        holds(standbys == (replicas - 1).to_string(), || standbys.clone())
    });
    // The older plugin wires its settings at the second boot.
    docker_ok(&["restart", &cluster.pod(0)]);
    eventually(60, "the second boot", || {
        cluster.try_sql(0, "CREATE TABLE t AS SELECT 1 AS i")
    });
    cluster.wait_until_caught_up(0);
    Some(cluster)
}

#[test]
fn one_pod_is_taken_over() {
    let Some(cluster) = older_cluster(15, 1) else {
        return;
    };
    assert_eq!(cluster.apply().changes.rolled.len(), 1);
    cluster.wait_until_formed();
    assert_eq!(cluster.sql(0, "SELECT i FROM t"), "1");
    assert_eq!(cluster.sql(0, "SHOW wal_log_hints"), "on");
    assert!(cluster.apply().changes.is_empty());
}

#[test]
fn three_pods_are_taken_over_with_one_roll() {
    let Some(cluster) = older_cluster(17, 3) else {
        return;
    };
    let system = "SELECT system_identifier FROM pg_control_system()";
    let before = cluster.sql(0, system);
    assert_eq!(cluster.apply().changes.rolled.len(), 3);
    cluster.wait_until_formed();
    cluster.wait_until_caught_up(0);
    assert_eq!(
        [0, 1, 2].map(|pod| cluster.sql(pod, system)),
        [(); 3].map(|()| before.clone())
    );
    assert_eq!(cluster.sql(2, "SELECT i FROM t"), "1");
    assert!(!cluster.log(1).contains("cloning"), "nothing was copied");
    let rights = "SELECT has_function_privilege('repl', 'pg_read_binary_file(text)', 'EXECUTE')";
    assert_eq!(
        cluster.sql(0, rights),
        "t",
        "the grants that pg_rewind needs were added"
    );
    assert!(
        cluster.apply().changes.is_empty(),
        "a second apply rolls nothing"
    );
}

#[test]
fn after_the_older_plugins_own_promote_the_promoted_pod_stays_the_primary() {
    let Some(cluster) = older_cluster(17, 3) else {
        return;
    };
    cluster.sql(1, "SELECT pg_promote()");
    cluster.sql(1, "INSERT INTO t VALUES (2)");
    // With a checkpoint in what pod 1 never got, postgres will not even start on pod 2.
    cluster.sql(0, "CHECKPOINT");
    cluster.sql(0, "INSERT INTO t VALUES (666)");
    eventually(30, "what pod 2 has and the new primary has not", || {
        let only_there = cluster.try_sql(2, "SELECT count(*) FROM t WHERE i = 666")?;
        holds(only_there == "1", || only_there.clone())
    });
    cluster.sql(2, "CHECKPOINT");
    cluster
        .platform
        .seed_bucket(
            &cluster.scope,
            "db",
            &bucket(&[("PG_PRIMARY_ORDINAL", "1")]),
        )
        .unwrap();
    docker_ok(&["stop", &cluster.pod(0)]);

    assert_eq!(cluster.apply().changes.rolled.len(), 3);
    cluster.wait_until_primary(1);
    cluster.wait_for_log(0, &["split-brain guard", "pod 1 is the primary"]);
    cluster.wait_for_log(2, &["this standby has WAL that pod 1 never got", "rejoin"]);
    docker_ok(&["restart", &cluster.pod(2)]);
    cluster.wait_for_log(2, &["this pod has WAL that pod 1 never got", "rejoin"]);
    assert_eq!(
        cluster.sql(1, "SELECT string_agg(i::text, ',' ORDER BY i) FROM t"),
        "1,2"
    );
    assert!(
        cluster.record().contains("primary=1\n"),
        "{}",
        cluster.record()
    );
    let bucket = cluster.platform.bucket(&cluster.scope, "db");
    assert_eq!(bucket["PG_INITIAL_PRIMARY"], "1");
    assert!(cluster.apply().changes.is_empty());

    for pod in [2, 0] {
        cluster.ask_to_rejoin(pod);
        eventually(30, "the end of the request", || {
            holds(!cluster.record().contains("rejoin"), || cluster.record())
        });
    }
    cluster.wait_until_formed_around(1);
    cluster.wait_until_caught_up(1);
    let rows = "SELECT string_agg(i::text, ',' ORDER BY i) FROM t";
    assert_eq!([0, 2].map(|pod| cluster.sql(pod, rows)), ["1,2", "1,2"]);
}
