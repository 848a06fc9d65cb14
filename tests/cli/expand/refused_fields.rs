//! Fields of the statefulset that would make a green apply and a dead database.

use serde_json::json;

use crate::support::{assert_refused, expand_spec};

#[test]
fn fields_of_the_statefulset() {
    for (spec, field) in [
        (json!({"env": {"PGDATA": "/x"}}), "env.PGDATA:"),
        (json!({"env": {"PG_PORT": "1"}}), "env.PG_PORT:"),
        (
            json!({"env": {"POSTGRES_PASSWORD": "hunter9"}}),
            "env.POSTGRES_PASSWORD:",
        ),
        (
            json!({"env": {"VOODU_REPLICA_ORDINAL": "0"}}),
            "env.VOODU_REPLICA_ORDINAL:",
        ),
        (json!({"env": {"BACKUP_KEEP": "5"}}), "env.BACKUP_KEEP:"),
        (json!({"env": {"A": "hunter9\nB=1"}}), "env.A:"),
        (json!({"env": {"A": ["hunter9"]}}), "env.A:"),
        (json!({"env": {"A": "x".repeat(200_000)}}), "env.A:"),
        (json!({"env": {"A B": "x"}}), "env.\"A B\":"),
        (json!({"env": {"A=": "x"}}), "env.\"A=\":"),
        (json!({"env": ["A=1"]}), "env:"),
        (json!({"env": [{}, {}]}), "env: written twice"),
        (json!({"env_from": "aws/cli"}), "env_from:"),
        (json!({"env_from": ["../x"]}), "env_from[0]:"),
        (json!({"command": "bash"}), "command:"),
        (json!({"command": [["bash"]]}), "command[0]:"),
    ] {
        assert_refused(&expand_spec(&spec), field);
    }
}

#[test]
fn what_docker_could_not_run() {
    for (spec, field) in [
        (json!({"ports": ["0.0.0.0:5432"]}), "ports[0]:"),
        (json!({"ports": ["5432", "x"]}), "ports[1]:"),
        (json!({"ports": 5432}), "ports:"),
        (json!({"replicas": 2, "ports": ["5433:5432"]}), "ports[0]:"),
        (
            json!({"volumes": ["x:/var/lib/postgresql/data"]}),
            "volumes[0]:",
        ),
        (json!({"volumes": ["a:/x", "b:/x"]}), "volumes[1]:"),
        (json!({"volumes": ["../x:/y"]}), "volumes[0]:"),
        (
            json!({"volume_claim": {"_labels": ["data"], "mount_path": "/x"}}),
            "volume_claim \"data\".mount_path:",
        ),
        (
            json!({"volume_claims": [{"mount_path": "/x"}]}),
            "volume_claims:",
        ),
        (json!({"init": {}}), "init:"),
        (
            json!({"probes": {"liveness": {"period": "10s"}}}),
            "probes.liveness:",
        ),
        (
            json!({"probes": {"liveness": {"exec": {"command": ["x"]}, "period": 10}}}),
            "probes.liveness.period:",
        ),
        (json!({"probes": [{}, {}]}), "probes: written twice"),
        (
            json!({"resources": {"limits": {"cpu": "two"}}}),
            "resources.limits.cpu:",
        ),
        (
            json!({"resources": {"limits": {"memory": "4 GB"}}}),
            "resources.limits.memory:",
        ),
        (json!({"resources": [{}, {}]}), "resources: written twice"),
        (json!({"docker_options": "--init"}), "docker_options:"),
        (
            json!({"docker_options": ["--shm-size 1g"]}),
            "docker_options[0]:",
        ),
        (json!({"network_mode": "bridge"}), "network_mode:"),
        (
            json!({"network_mode": "host", "replicas": 2}),
            "network_mode:",
        ),
        (
            json!({"network_mode": "host", "networks": ["a"]}),
            "network_mode:",
        ),
        (json!({"networks": "backend"}), "networks:"),
        (json!({"restart": "sometimes"}), "restart:"),
        (json!({"ulimits": {"nproc": "many"}}), "ulimits.nproc:"),
        (json!({"extra_hosts": ["db"]}), "extra_hosts[0]:"),
        (json!({"cap_add": ["SYS NICE"]}), "cap_add[0]:"),
        (json!({"logs": {"max_files": "x"}}), "logs.max_files:"),
        (
            json!({"on_probe": {"failure": {"url": "x"}}}),
            "on_probe.failure:",
        ),
        (json!({"plugin": [{}, {}]}), "plugin:"),
        (json!({"_asset_digests": {}}), "_asset_digests:"),
        (
            json!({"replica": 3}),
            "replica: no such field; did you mean replicas?",
        ),
        (
            json!({"pgconfig": {}}),
            "pgconfig: no such field; did you mean pg_config?",
        ),
        (
            json!({"pasword": "hunter9"}),
            "pasword: no such field; did you mean password?",
        ),
    ] {
        assert_refused(&expand_spec(&spec), field);
    }
}
