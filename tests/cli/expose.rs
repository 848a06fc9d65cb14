//! `expose` and `unexpose`: the port, the flag, and one restart.

use std::net::TcpListener;

use serde_json::json;
use voodu_standin::Kind;

use crate::support::world::{World, cluster};

const EXPOSE: [&str; 2] = ["pg:expose", "clowk-lp/db"];
const UNEXPOSE: [&str; 2] = ["pg:unexpose", "clowk-lp/db"];
const FLAG: &str = "PG_EXPOSE_PUBLIC";

/// A cluster on a port of the host that is free, and its block.
fn world(replicas: u16) -> (World, String, u16) {
    let listener = TcpListener::bind("0.0.0.0:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let world = World::with_cluster(replicas);
    let block = cluster(replicas, &format!("port = {port}"));
    world.apply(&block);
    (world, block, port)
}

fn ports(world: &World) -> serde_json::Value {
    let manifest = world.platform.manifest(Kind::Statefulset, "clowk-lp", "db");
    manifest.unwrap().spec["ports"].clone()
}

#[test]
fn there_and_back_with_one_restart_each() {
    let (world, block, port) = world(1);
    let digests = || {
        let manifest = world.platform.manifest(Kind::Statefulset, "clowk-lp", "db");
        manifest.unwrap().spec["_asset_digests"].clone()
    };
    let (stamped, before) = (digests(), world.rolled().len());
    let printed = world.vd_ok(&EXPOSE);
    assert!(printed.contains("bypass ufw"), "{printed}");
    assert_eq!(ports(&world), json!([format!("0.0.0.0:{port}:{port}")]));
    assert_eq!(world.value("clowk-lp", "db", FLAG).unwrap(), "true");
    assert_eq!(world.rolled().len(), before + 1);
    assert_eq!(digests(), stamped);
    assert_eq!(world.apply(&block), Vec::<String>::new());
    let again = world.vd_ok(&EXPOSE);
    assert!(
        again.contains("already exposed") && !again.contains('✓'),
        "{again}"
    );

    world.vd_ok(&UNEXPOSE);
    assert_eq!(ports(&world), json!([port.to_string()]));
    assert_eq!(world.value("clowk-lp", "db", FLAG), None);
    assert_eq!(world.rolled().len(), before + 2);
    assert_eq!(world.apply(&block), Vec::<String>::new());
    assert!(world.vd_ok(&UNEXPOSE).contains("is not exposed"));
    assert_eq!(world.fanned_out(), Vec::<String>::new());
    world.assert_only_asked();
}

#[test]
fn a_taken_port_is_named_before_the_pod_is_touched() {
    let (world, _, port) = world(1);
    let expose = ["expose", "clowk-lp/db"];
    world.prepare("published", &format!("other.0\t0.0.0.0:{port}->5432/tcp\n"));
    let by_container =
        format!("clowk-lp/db: port {port} of the host is taken by container other.0");
    world.refused(&expose, &by_container);
    world.prepare("published", "");
    let _holder = TcpListener::bind(("127.0.0.1", port)).unwrap();
    let by_process = format!("clowk-lp/db: port {port} of the host is taken by a process");
    world.refused(&expose, &by_process);
}

#[test]
fn several_pods_cannot_share_a_port_and_can_always_be_unexposed() {
    let (world, _, port) = world(2);
    let reason = format!("clowk-lp/db: 2 pods cannot share the host's port {port}");
    let refusal = world.refused(&["expose", "clowk-lp/db"], &reason);
    assert!(
        refusal.contains(&format!("0.0.0.0::{port}")) && refusal.contains("ssh -L"),
        "{refusal}"
    );
    world.seed("clowk-lp", "db", FLAG, "true");
    world.vd_ok(&UNEXPOSE);
    assert_eq!(world.value("clowk-lp", "db", FLAG), None);
}

#[test]
fn ports_of_the_block_s_own_stay() {
    let (world, block, port) = world(1);
    let own = block.replace(
        "\n}",
        &format!("\nports = [\"127.0.0.1:15432:{port}\"]\n}}"),
    );
    world.apply(&own);
    world.refused(
        &["expose", "clowk-lp/db"],
        "clowk-lp/db: its block sets ports itself",
    );
    let printed = world.vd_ok(&UNEXPOSE);
    assert!(printed.contains("those stay"), "{printed}");
    assert_eq!(ports(&world), json!([format!("127.0.0.1:15432:{port}")]));
}

/// An apply of the same block would publish the database again.
#[test]
fn what_else_publishes_it_is_said_or_overruled() {
    let (world, block, port) = world(1);
    let own = format!("\nports = [\"0.0.0.0:{port}:{port}\"]\n}}");
    world.apply(&block.replace("\n}", &own));
    let exposed = |world: &World| {
        let info = ["info", "clowk-lp/db", "--json"];
        world.answer(&info).document()["exposed"].clone()
    };
    assert_eq!(exposed(&world), true);
    let printed = world.vd_ok(&UNEXPOSE);
    assert!(printed.contains("take them out there"), "{printed}");
    assert_eq!(ports(&world), json!([port.to_string()]));
    assert_eq!(exposed(&world), false);

    let (world, block, port) = self::world(1);
    world.seed("clowk-lp", "", FLAG, "true");
    world.apply(&block);
    assert_eq!(ports(&world), json!([format!("0.0.0.0:{port}:{port}")]));
    world.vd_ok(&UNEXPOSE);
    assert_eq!(world.value("clowk-lp", "db", FLAG).unwrap(), "false");
    world.apply(&block);
    assert_eq!(ports(&world), json!([port.to_string()]));
}

#[test]
fn without_docker_s_word_nothing_is_done() {
    let (world, _, _) = world(1);
    std::fs::remove_file(world.bin().join("published")).unwrap();
    let error = world.answer(&["expose", "clowk-lp/db"]).error();
    assert!(error.starts_with("docker ps "), "{error}");
}
