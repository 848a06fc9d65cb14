//! Blocks that must not be applied: each is refused with the field named, and nothing secret said.

use serde_json::{Value, json};

use crate::support::{assert_refused, config, config_with, expand, expand_spec, request};

#[test]
fn the_plugins_own_fields() {
    for (spec, field) in [
        (json!({"replicas": 0}), "replicas:"),
        (json!({"replicas": -1}), "replicas:"),
        (json!({"replicas": 1.5}), "replicas:"),
        (json!({"replicas": "3"}), "replicas:"),
        (json!({"replicas": 100_000}), "replicas:"),
        (json!({"port": 0}), "port:"),
        (json!({"port": 65_536}), "port:"),
        (json!({"port": "5432"}), "port:"),
        (json!({"port": true}), "port:"),
        (json!({"database": 5}), "database:"),
        (json!({"database": "app-data"}), "database:"),
        (json!({"database": "1app"}), "database:"),
        (json!({"database": "template0"}), "database:"),
        (json!({"database": "a".repeat(64)}), "database:"),
        (json!({"user": "app user"}), "user:"),
        (json!({"user": "pg_app"}), "user:"),
        (json!({"user": "public"}), "user:"),
        (json!({"user": "x'; DROP TABLE y; --"}), "user:"),
        (json!({"user": ["a"]}), "user:"),
        (json!({"replication_user": "none"}), "replication_user:"),
        (json!({"replication_user": "postgres"}), "replication_user:"),
        (json!({"user": "replicator"}), "replication_user:"),
        (json!({"password": 12_345}), "password:"),
        (json!({"password": " hunter9"}), "password:"),
        (json!({"password": "hunter9 "}), "password:"),
        (json!({"password": "hunter9${x}"}), "password:"),
        (json!({"password": "hunter9\nx"}), "password:"),
        (json!({"password": ["hunter9"]}), "password:"),
        (json!({"password": "hunter9"}), "password:"),
        (json!({"initdb_locale": "C; rm -rf /"}), "initdb_locale:"),
        (json!({"initdb_locale": "$(id)"}), "initdb_locale:"),
        (json!({"initdb_encoding": "UTF 8"}), "initdb_encoding:"),
        (json!({"initdb_encoding": 8}), "initdb_encoding:"),
        (json!({"extensions": "postgis"}), "extensions:"),
        (json!({"extensions": ["-x"]}), "extensions[0]:"),
        (json!({"extensions": ["ok", "a;b"]}), "extensions[1]:"),
        (json!({"extensions": {"a": 1}}), "extensions:"),
        (json!({"image": 17}), "image:"),
        (json!({"image": "--privileged"}), "image:"),
        (json!({"image": "Postgres:17"}), "image:"),
    ] {
        assert_refused(&expand_spec(&spec), field);
    }
}

#[test]
fn settings_of_postgres() {
    for (settings, field) in [
        (json!({"Work_Mem": 1}), "pg_config:"),
        (json!({"work_mem\nfsync": "off"}), "pg_config:"),
        (json!({"work_mem = 1 #": 1}), "pg_config:"),
        (json!({"a.b.c": 1}), "pg_config:"),
        (
            json!({"work_mem": "16MB\nfsync = off"}),
            "pg_config.work_mem:",
        ),
        (json!({"work_mem": "16MB\u{0}"}), "pg_config.work_mem:"),
        (json!({"work_mem": [1]}), "pg_config.work_mem:"),
        (json!({"work_mem": {"b": 1}}), "pg_config.work_mem:"),
        (json!({"port": 5433}), "pg_config.port:"),
        (
            json!({"primary_conninfo": "password=hunter9"}),
            "pg_config.primary_conninfo:",
        ),
        (json!({"hot_standby": false}), "pg_config.hot_standby:"),
        (
            json!({"listen_addresses": "localhost"}),
            "pg_config.listen_addresses:",
        ),
        (json!({"data_directory": "/x"}), "pg_config.data_directory:"),
        (json!({"hba_file": "/x"}), "pg_config.hba_file:"),
        (json!({"ident_file": "/x"}), "pg_config.ident_file:"),
        (json!({"include": "/x"}), "pg_config.include:"),
        (json!({"include_dir": "/x"}), "pg_config.include_dir:"),
        (
            json!({"include_if_exists": "/x"}),
            "pg_config.include_if_exists:",
        ),
        (
            json!({"restore_command": "x"}),
            "pg_config.restore_command:",
        ),
        (
            json!({"recovery_target_time": "x"}),
            "pg_config.recovery_target_time:",
        ),
        (
            json!({"unix_socket_directories": "/x"}),
            "pg_config.unix_socket_directories:",
        ),
        (json!({"config_file": "/x"}), "pg_config.config_file:"),
        (
            json!({"primary_slot_name": "x"}),
            "pg_config.primary_slot_name:",
        ),
        (
            json!({"external_pid_file": "/x"}),
            "pg_config.external_pid_file:",
        ),
        (json!({"cluster_name": "x"}), "pg_config.cluster_name:"),
        (
            json!({"password_encryption": "md5"}),
            "pg_config.password_encryption:",
        ),
        (json!({"wal_level": "Minimal"}), "pg_config.wal_level:"),
        (
            json!({"wal_sender_timeout": 0}),
            "pg_config.wal_sender_timeout:",
        ),
        (
            json!({"wal_sender_timeout": "0 s"}),
            "pg_config.wal_sender_timeout:",
        ),
        (json!({"max_wal_senders": 2}), "pg_config.max_wal_senders:"),
        (
            json!({"max_wal_senders": "2"}),
            "pg_config.max_wal_senders:",
        ),
    ] {
        assert_refused(&expand_spec(&json!({"pg_config": settings})), field);
    }
    assert_refused(&expand_spec(&json!({"pg_config": "x"})), "pg_config:");
    assert_refused(
        &expand_spec(&json!({"pg_config": [{}, {}]})),
        "pg_config: written twice",
    );
    assert_refused(
        &expand_spec(&json!({"replicas": 9})),
        "pg_config.max_wal_senders:",
    );
}

#[test]
fn the_bucket() {
    for (changes, key) in [
        (json!({"PG_PRIMARY_ORDINAL": "00"}), "PG_PRIMARY_ORDINAL"),
        (json!({"PG_PRIMARY_ORDINAL": "one"}), "PG_PRIMARY_ORDINAL"),
        (json!({"PG_INITIAL_PRIMARY": "-1"}), "PG_INITIAL_PRIMARY"),
        (json!({"PG_EXPOSE_PUBLIC": "yes"}), "PG_EXPOSE_PUBLIC"),
        (json!({"PG_CLUSTER_ID": "x"}), "PG_CLUSTER_ID"),
        (json!({"POSTGRES_PASSWORD": 5}), "POSTGRES_PASSWORD"),
        (
            json!({"POSTGRES_PASSWORD": "hunter9\nx"}),
            "POSTGRES_PASSWORD",
        ),
    ] {
        assert_refused(&expand(&request(&json!({}), &config_with(&changes))), key);
    }
    let exposed = config_with(&json!({"PG_EXPOSE_PUBLIC": "true"}));
    assert_refused(
        &expand(&request(&json!({"replicas": 2}), &exposed)),
        "replicas:",
    );
    let own_ports = json!({"replicas": 2, "ports": ["5432"]});
    assert_eq!(expand(&request(&own_ports, &exposed)).code, 0);
}

#[test]
fn labels_that_would_become_paths() {
    for (scope, name, field) in [
        (json!(""), json!("db"), "scope:"),
        (json!(null), json!("db"), "scope:"),
        (json!("../evil"), json!("db"), "scope:"),
        (json!("a/b"), json!("db"), "scope:"),
        (json!("a.b"), json!("db"), "scope:"),
        (json!("_a"), json!("db"), "scope:"),
        (json!("a"), json!("../../x"), "name:"),
        (json!("a"), json!("$(id)"), "name:"),
        (json!("a"), json!(""), "name:"),
        (json!("a"), json!(5), "name:"),
        (json!(["a"]), json!("db"), "scope:"),
    ] {
        let request = json!({"kind": "postgres", "scope": scope, "name": name, "config": config()});
        let error = expand(&request).error();
        assert!(error.starts_with(field), "{error}");
        assert!(
            !error.contains("vd delete"),
            "no command to paste with a broken name: {error}"
        );
    }
}

#[test]
fn of_several_wrong_fields_the_same_one_is_named_each_time() {
    let spec = json!({"replicas": 0, "port": 0, "user": "", "env": 5, "ports": 5, "volumes": 5});
    let error = expand_spec(&spec).error();
    for _ in 0..5 {
        assert_eq!(expand_spec(&spec).error(), error);
    }
}

#[test]
fn a_quoted_value_is_cut_and_on_one_line() {
    for text in ["x".repeat(1_000_000), "a\nb\u{1b}[31m\u{0}".to_owned()] {
        let spec: Value = json!({"database": text});
        assert_refused(&expand_spec(&spec), "database:");
    }
}
