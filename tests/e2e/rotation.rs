//! A replication password that is newer than the pods' environment.

use crate::support::{Cluster, Plan, docker_ok};

#[test]
fn a_newer_replication_password_survives_restarts() {
    let plan = Plan {
        replicas: 2,
        ..Plan::default()
    };
    let Some(cluster) = Cluster::up(plan) else {
        return;
    };
    cluster.sql(0, "ALTER ROLE repl PASSWORD 'n:e\\w'");
    for pod in [0, 1] {
        let write = "umask 077; printf '%s\\n' '*:*:*:repl:n\\:e\\\\w' >/var/lib/postgresql/data/.voodu-passfile";
        let name = cluster.pod(pod);
        docker_ok(&["exec", "-u", "postgres", &name, "bash", "-c", write]);
    }
    docker_ok(&["restart", &cluster.pod(1)]);
    cluster.wait_until_formed();
    docker_ok(&["restart", &cluster.pod(1), &cluster.pod(0)]);
    cluster.wait_until_formed();

    // The next apply brings the password to the environment; nothing is stuck on the older one.
    cluster.sql(0, "ALTER ROLE repl PASSWORD 'newest'");
    let newest = [(
        "POSTGRES_REPLICATION_PASSWORD".to_owned(),
        "newest".to_owned(),
    )];
    cluster
        .platform
        .seed_bucket(&cluster.scope, "db", &newest.into())
        .unwrap();
    assert_eq!(cluster.apply().changes.rolled.len(), 2);
    cluster.wait_until_formed();
}
