//! `link`: what reaches the application, what is remembered, what is refused.

use crate::support::world::{WEB, World, cluster};
use crate::support::{plugin, run};

const LINK: [&str; 3] = ["pg:link", "clowk-lp/db", "clowk-lp/web"];
const WRITE: &str = "DATABASE_URL";
const READ: &str = "DATABASE_READ_URL";

/// A key of the application's config, empty when it is not set.
fn web(world: &World, key: &str) -> String {
    world.value("clowk-lp", "web", key).unwrap_or_default()
}

/// A key of the cluster's config, empty when it is not set.
fn db(world: &World, key: &str) -> String {
    world.value("clowk-lp", "db", key).unwrap_or_default()
}

fn url(ordinals: &[u16], query: &str) -> String {
    let hosts: Vec<_> = ordinals
        .iter()
        .map(|n| format!("db-{n}.clowk-lp.voodu:5432"))
        .collect();
    let hosts = hosts.join(",");
    format!("postgres://appuser:hunter%2F2@{hosts}/appdata{query}")
}

#[test]
fn the_application_gets_the_primary_and_restarts_and_the_database_does_not() {
    let world = World::with_cluster(3);
    let printed = world.vd_ok(&LINK);
    assert!(printed.contains("primary db-0.clowk-lp.voodu"), "{printed}");
    assert_eq!(web(&world, WRITE), url(&[0], ""));
    assert_eq!(web(&world, READ), "");
    assert_eq!(db(&world, "POSTGRES_LINKED_CONSUMERS"), "clowk-lp/web");
    assert_eq!(world.fanned_out(), ["deployment/clowk-lp/web"]);
    assert_eq!(world.rolled(), ["clowk-lp-web.0"]);
    assert_eq!(world.apply(&cluster(3, "")), Vec::<String>::new());
    world.assert_only_asked();
}

#[test]
fn reads_go_to_every_standby() {
    let world = World::with_cluster(3);
    world.vd_ok(&[&LINK[..], &["--reads"]].concat());
    assert_eq!(web(&world, WRITE), url(&[0], ""));
    assert_eq!(web(&world, READ), url(&[1, 2], "?target_session_attrs=any"));
    assert_eq!(db(&world, "POSTGRES_LINKED_READERS"), "clowk-lp/web");
    assert_eq!(db(&world, "POSTGRES_LINKED_BALANCED"), "");
}

#[test]
fn load_balancing_is_asked_for_and_remembered() {
    let world = World::with_cluster(2);
    world.vd_ok(&[&LINK[..], &["--reads", "--load-balance"]].concat());
    let query = "?target_session_attrs=any&load_balance_hosts=random";
    assert_eq!(web(&world, READ), url(&[1], query));
    assert_eq!(db(&world, "POSTGRES_LINKED_BALANCED"), "clowk-lp/web");
    let alone = world.answer(&["link", "clowk-lp/db", "clowk-lp/web", "--load-balance"]);
    assert_eq!(alone.code, 2);
}

#[test]
fn the_primary_is_the_record_s_and_the_mirror_is_put_right() {
    let world = World::with_cluster(3);
    world.record("clowk-lp", "db", 1);
    world.vd_ok(&[&LINK[..], &["--reads"]].concat());
    assert_eq!(web(&world, WRITE), url(&[1], ""));
    assert_eq!(web(&world, READ), url(&[0, 2], "?target_session_attrs=any"));
    assert_eq!(db(&world, "PG_PRIMARY_ORDINAL"), "1");
    assert_eq!(world.fanned_out(), ["deployment/clowk-lp/web"]);
    assert_eq!(world.apply(&cluster(3, "")), Vec::<String>::new());
}

#[test]
fn a_mirror_that_was_set_by_hand_moves_nothing() {
    let world = World::with_cluster(3);
    world.seed("clowk-lp", "db", "PG_PRIMARY_ORDINAL", "2");
    world.vd_ok(&LINK);
    assert_eq!(web(&world, WRITE), url(&[0], ""));
    assert_eq!(db(&world, "PG_PRIMARY_ORDINAL"), "0");
}

#[test]
fn before_the_first_boot_the_initial_primary_counts() {
    let world = World::new();
    for (key, value) in [
        ("POSTGRES_PASSWORD", "hunter/2"),
        ("PG_PRIMARY_ORDINAL", "1"),
    ] {
        world.seed("clowk-lp", "db", key, value);
    }
    world.apply(&format!("{}{WEB}", cluster(3, "")));
    world.vd_ok(&LINK);
    assert_eq!(web(&world, WRITE), url(&[1], ""));
}

#[test]
fn the_record_of_another_cluster_says_nothing() {
    let world = World::with_cluster(3);
    let other = format!(
        "cluster={}\nepoch=9\nprimary=2\nstate=steady\n",
        "ab".repeat(16)
    );
    std::fs::write(world.record_path("clowk-lp", "db"), other).unwrap();
    world.becomes(0, "exited");
    let link = ["link", "clowk-lp/db", "clowk-lp/web"];
    world.refused(&link, "clowk-lp/db: no record says who is primary");
}

/// The initial primary is not the one of today for want of a record.
#[test]
fn without_a_record_nothing_is_published() {
    let world = World::with_cluster(2);
    std::fs::remove_file(world.record_path("clowk-lp", "db")).unwrap();
    world.becomes(0, "exited");
    for words in [
        &["link", "clowk-lp/db", "clowk-lp/web"][..],
        &["new-password", "clowk-lp/db"],
        &["new-password", "clowk-lp/db", "--replication"],
    ] {
        let error = world.refused(words, "clowk-lp/db: no record says who is primary");
        assert!(error.contains("vd pg:info clowk-lp/db"), "{error}");
    }
    let calls = world.docker_calls();
    assert!(!calls.contains("exec "), "{calls}");
}

#[test]
fn the_url_of_a_standby_is_not_published_as_the_primary_s() {
    let world = World::with_cluster(2);
    world.prepare("recovers", "");
    let link = ["link", "clowk-lp/db", "clowk-lp/web"];
    let reason = "pod 0 of clowk-lp/db is the primary in the record and still in recovery";
    world.refused(&link, reason);
}

#[test]
fn the_second_time_nothing_is_touched() {
    let world = World::with_cluster(3);
    let link = [&LINK[..], &["--reads"]].concat();
    world.vd_ok(&link);
    let before = (
        world.platform.events(),
        world.platform.bucket("clowk-lp", "db"),
    );
    let printed = world.vd_ok(&link);
    assert!(
        printed.contains("already linked") && !printed.contains('✓'),
        "{printed}"
    );
    assert_eq!(
        before,
        (
            world.platform.events(),
            world.platform.bucket("clowk-lp", "db")
        )
    );
}

#[test]
fn a_later_line_says_what_is_asked_now() {
    let world = World::with_cluster(2);
    world.vd_ok(&[&LINK[..], &["--reads"]].concat());
    world.vd_ok(&LINK);
    assert_eq!(
        (web(&world, READ), db(&world, "POSTGRES_LINKED_READERS")),
        (String::new(), String::new())
    );
    assert_eq!(web(&world, WRITE), url(&[0], ""));
}

#[test]
fn several_applications_one_of_them_in_another_scope() {
    let world = World::with_cluster(2);
    world.apply(&format!(
        "{WEB}job \"other\" \"import\" {{\n image = \"i\"\n}}\n"
    ));
    let printed = world.vd_ok(&["pg:link", "clowk-lp/db", "other/import", "--reads"]);
    assert!(printed.contains("its next run"), "{printed}");
    world.vd_ok(&LINK);
    let consumers = db(&world, "POSTGRES_LINKED_CONSUMERS");
    assert_eq!(consumers, "clowk-lp/web,other/import");
    assert_eq!(db(&world, "POSTGRES_LINKED_READERS"), "other/import");
    assert_eq!(
        world.value("other", "import", WRITE).unwrap(),
        url(&[0], "")
    );
}

#[test]
fn one_pod_has_no_standby_to_read_from() {
    let world = World::with_cluster(2);
    world.vd_ok(&[&LINK[..], &["--reads"]].concat());
    assert!(!web(&world, READ).is_empty());
    world.apply(&cluster(1, ""));
    let printed = world.vd_ok(&[&LINK[..], &["--reads"]].concat());
    assert!(
        printed.contains("not set: the cluster has one pod"),
        "{printed}"
    );
    assert_eq!(web(&world, READ), "");
    assert_eq!(db(&world, "POSTGRES_LINKED_READERS"), "clowk-lp/web");
    let mine = "postgres://me@elsewhere/x";
    world.seed("clowk-lp", "web", READ, mine);
    let printed = world.vd_ok(&[&LINK[..], &["--reads"]].concat());
    assert_eq!(web(&world, READ), mine);
    assert!(
        printed.contains("its DATABASE_READ_URL stays") && !printed.contains("replaced"),
        "{printed}"
    );
}

#[test]
fn a_value_of_the_operator_s_own_is_named_when_it_is_replaced() {
    let world = World::with_cluster(1);
    world.seed(
        "clowk-lp",
        "web",
        WRITE,
        "postgres://me:hunter9@elsewhere/x",
    );
    let printed = world.vd_ok(&LINK);
    assert!(printed.contains("was replaced"), "{printed}");
    assert_eq!(web(&world, WRITE), url(&[0], ""));
}

/// As in the upgrade to another major version.
#[test]
fn what_another_cluster_set_is_named_when_the_application_moves() {
    let world = World::with_cluster(2);
    world.apply(&cluster(2, "").replace("\"db\"", "\"db18\""));
    world.vd_ok(&[&LINK[..], &["--reads"]].concat());
    let moved = world.vd_ok(&["pg:link", "clowk-lp/db18", "clowk-lp/web"]);
    for words in [
        "the DATABASE_URL that it had, which link had not set for this cluster, was replaced",
        "its DATABASE_READ_URL stays, which link had not set for this cluster",
        "vd pg:unlink <that cluster> clowk-lp/web",
    ] {
        assert!(moved.contains(words), "{moved}");
    }
    world.vd_ok(&["pg:unlink", "clowk-lp/db", "clowk-lp/web"]);
    assert_eq!(web(&world, READ), "");
    assert!(web(&world, WRITE).contains("@db18-0."));
}

/// The port is a field like others: what link had set is still recognised as its own.
#[test]
fn after_a_change_of_the_port_the_urls_are_still_link_s() {
    let world = World::with_cluster(2);
    world.vd_ok(&[&LINK[..], &["--reads"]].concat());
    world.apply(&cluster(2, "port = 6543"));
    world.vd_ok(&["pg:unlink", "clowk-lp/db", "clowk-lp/web"]);
    assert_eq!(
        (web(&world, WRITE), web(&world, READ)),
        (String::new(), String::new())
    );
}

#[test]
fn what_cannot_be_linked_is_refused() {
    let world = World::with_cluster(2);
    world.apply("statefulset \"clowk-lp\" \"cache\" {\n image = \"redis\"\n}\n");
    world.apply(&cluster(1, "").replace("\"db\"", "\"db2\""));
    let shadowed =
        "deployment \"clowk-lp\" \"fixed\" {\n image = \"i\"\n env = { DATABASE_URL = \"x\" }\n}\n";
    world.apply(shadowed);
    let events = world.platform.events();
    for (provider, consumer, reason) in [
        (
            "clowk-lp/db",
            "clowk-lp/db",
            "clowk-lp/db: a cluster cannot be linked to itself",
        ),
        (
            "clowk-lp/nope",
            "clowk-lp/web",
            "clowk-lp/nope: there is no postgres cluster",
        ),
        (
            "clowk-lp/web",
            "clowk-lp/db",
            "clowk-lp/web: there is no postgres cluster",
        ),
        (
            "clowk-lp/cache",
            "clowk-lp/web",
            "clowk-lp/cache: a statefulset, but not",
        ),
        (
            "clowk-lp/db",
            "clowk-lp/nope",
            "clowk-lp/nope: there is no deployment",
        ),
        (
            "clowk-lp/db",
            "other/web",
            "other/web: there is no deployment",
        ),
        (
            "clowk-lp/db",
            "clowk-lp/db2",
            "clowk-lp/db2: a postgres cluster itself",
        ),
        (
            "clowk-lp/db",
            "clowk-lp/fixed",
            "clowk-lp/fixed: env in its block sets DATABASE_URL",
        ),
    ] {
        world.refused(&["link", provider, consumer], reason);
    }
    for malformed in ["db", "/db", "a/b/c", "a/", "../x", "a/b c", ""] {
        let answer = world.answer(&["link", malformed, "clowk-lp/web"]);
        assert_eq!(answer.code, 2, "{malformed}: {answer:?}");
    }
    assert_eq!(world.platform.events(), events);
}

#[test]
fn a_bucket_or_record_that_cannot_be_trusted_is_refused() {
    let world = World::with_cluster(2);
    let link = ["link", "clowk-lp/db", "clowk-lp/web"];
    world.seed("clowk-lp", "db", "POSTGRES_LINKED_CONSUMERS", "web");
    world.refused(
        &link,
        "POSTGRES_LINKED_CONSUMERS in the config: \"web\" is not",
    );
    world.seed("clowk-lp", "db", "POSTGRES_LINKED_CONSUMERS", "");
    world.record("clowk-lp", "db", 7);
    world.refused(&link, "clowk-lp/db: pod 7 is recorded as the primary");
    std::fs::write(world.record_path("clowk-lp", "db"), "primary=0\n").unwrap();
    world.refused(&link, "the topology record ");
    world.record("clowk-lp", "db", 0);
    world.seed("clowk-lp", "db", "POSTGRES_PASSWORD", "");
    world.refused(&link, "clowk-lp/db: POSTGRES_PASSWORD is missing");
}

#[test]
fn the_cli_s_own_output_flag_is_accepted() {
    let world = World::with_cluster(1);
    let printed = world.vd_ok(&[&LINK[..], &["-o", "json"]].concat());
    let reply: serde_json::Value = serde_json::from_str(&printed).unwrap();
    assert_eq!(reply["status"], "ok");
    assert_eq!(web(&world, WRITE), url(&[0], ""));
}

#[test]
fn by_hand_the_environment_names_the_controller() {
    let world = World::with_cluster(1);
    let link = ["link", "clowk-lp/db", "clowk-lp/web"];
    let error = run(plugin().args(link)).error();
    assert!(error.starts_with("no controller is known"), "{error}");
    let url = world.platform.url();
    // Nobody would carry out what it answers, and the URL in that holds the password.
    for (command, arguments) in [
        ("link", &["clowk-lp/db", "clowk-lp/web"][..]),
        ("unlink", &["clowk-lp/db", "clowk-lp/web"]),
        ("expose", &["clowk-lp/db"]),
        ("unexpose", &["clowk-lp/db"]),
    ] {
        let mut plugin = plugin();
        let answer = run(plugin
            .env("VOODU_CONTROLLER_URL", url)
            .arg(command)
            .args(arguments));
        assert!(!answer.stdout.contains("postgres://"), "{answer:?}");
        let typed = format!("run it as vd pg:{command} {}", arguments.join(" "));
        assert!(answer.error().contains(&typed), "{command}");
    }
}
