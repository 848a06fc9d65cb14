//! `expose` and `unexpose`: who can reach the port.

use std::net::{IpAddr, TcpListener, TcpStream};
use std::time::Duration;

use crate::support::{Cluster, Plan, docker_ok, eventually, holds};

const PORT: u16 = 5433;

/// An address of this host that is not its loopback's.
fn outside() -> IpAddr {
    let format = "{{(index .IPAM.Config 0).Gateway}}";
    let gateway = docker_ok(&["network", "inspect", "-f", format, "voodu0"]);
    gateway.parse().expect("the bridge's address")
}

fn reachable(address: IpAddr) -> bool {
    TcpStream::connect_timeout(&(address, PORT).into(), Duration::from_secs(2)).is_ok()
}

fn published(cluster: &Cluster) -> String {
    docker_ok(&["port", &cluster.pod(0)])
}

#[test]
fn expose_publishes_the_port_and_unexpose_takes_it_back() {
    let plan = Plan {
        replicas: 1,
        ..Plan::default()
    };
    let Some(cluster) = Cluster::up(plan) else {
        return;
    };
    let db = format!("{}/db", cluster.scope);
    let vd = |command: &str| cluster.platform.vd([command, &db]);
    let first = cluster.container_id(0);
    cluster.sql(0, "CREATE TABLE t AS SELECT 1 AS n");

    let holder = TcpListener::bind(("127.0.0.1", PORT)).expect("the port is free");
    let refused = vd("pg:expose");
    assert!(
        refused.stderr.contains("port 5433 of the host is taken"),
        "{refused:?}"
    );
    assert_eq!(
        (refused.status, cluster.container_id(0)),
        (1, first.clone())
    );
    drop(holder);

    let exposed = vd("pg:expose");
    assert_eq!(exposed.status, 0, "{exposed:?}");
    assert!(published(&cluster).contains("0.0.0.0:5433"));
    assert_ne!(cluster.container_id(0), first);
    eventually(20, "reaching it from outside", || {
        holds(reachable(outside()), || "refused".to_owned())
    });
    eventually(20, "the data", || cluster.try_sql(0, "SELECT n FROM t"));
    let second = cluster.container_id(0);
    assert_eq!(cluster.apply().changes.rolled, Vec::<String>::new());
    assert_eq!(vd("pg:expose").status, 0);
    assert_eq!(
        cluster.container_id(0),
        second,
        "exposed twice, restarted once"
    );

    let unexposed = vd("pg:unexpose");
    assert_eq!(unexposed.status, 0, "{unexposed:?}");
    assert!(
        published(&cluster).contains("127.0.0.1:"),
        "{}",
        published(&cluster)
    );
    assert!(!reachable(outside()));
    eventually(20, "the data", || cluster.try_sql(0, "SELECT n FROM t"));
    assert_eq!(cluster.apply().changes.rolled, Vec::<String>::new());
}
