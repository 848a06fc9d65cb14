//! `/config`, `/describe`, `/restart`, `/resource` and `/pods`.

use serde_json::{Value, json};
use voodu_standin::Kind;

use crate::support::{World, vars};

fn world() -> World {
    let world = World::new();
    world.apply_statefulset(json!({"image": "i", "replicas": 2, "env": {"E": "1"},
        "volume_claims": [{"name": "data", "mount_path": "/x"}]}));
    world.commands();
    world
}

const ROLL: [&str; 8] = [
    "stop s-db.1",
    "rm -f s-db.1",
    "volume create voodu-s-db-data-1",
    "run s-db.1",
    "stop s-db.0",
    "rm -f s-db.0",
    "volume create voodu-s-db-data-0",
    "run s-db.0",
];

#[test]
fn writing_config_truncates_the_env_file_and_rolls_every_pod() {
    let world = world();
    let (status, reply) = world.http("POST", "/config?scope=s&name=db", r#"{"X":"1"}"#);
    assert_eq!((status, reply), (200, json!({"status": "ok"})));
    assert_eq!(world.steps(), ROLL);
}

#[test]
fn writing_config_restarts_nothing_where_the_bucket_is_the_whole_environment() {
    let world = World::new();
    let app = crate::support::manifest("deployment", "s", "app", json!({"image": "i"}));
    world
        .platform
        .apply(vec![app], voodu_standin::ApplyOptions::default())
        .unwrap();
    world.commands();
    world.http("POST", "/config?scope=s&name=app", r#"{"X":"1"}"#);
    assert_eq!(world.fanned_out(), ["deployment/s/app"]);
    assert_eq!(world.commands(), Vec::<String>::new());
}

#[test]
fn without_restart_the_roll_is_only_armed() {
    let world = world();
    world.http(
        "POST",
        "/config?scope=s&name=db&restart=false",
        r#"{"X":"1"}"#,
    );
    let env = world.platform.root().join("apps/s-db/shared/.env");
    assert_eq!(std::fs::read_to_string(env).unwrap(), "X=1\n");
    assert_eq!(world.steps(), Vec::<String>::new());
    assert_eq!(world.fanned_out(), Vec::<String>::new());
    world.http("DELETE", "/resource?scope=s&name=db&ordinal=1", "");
    let steps = world.steps();
    assert_eq!(&steps[..2], ["stop s-db.1", "rm -f s-db.1"]);
    assert!(steps.ends_with(&ROLL.map(String::from)), "{steps:?}");
}

#[test]
fn config_is_read_merged_alone_or_by_key() {
    let world = World::new();
    let seed = |name: &str, pairs: &[(&str, &str)]| {
        world.platform.seed_bucket("s", name, &vars(pairs)).unwrap();
    };
    seed("", &[("A", "scope"), ("B", "scope")]);
    seed("db", &[("A", "app")]);
    let get = |query: &str| world.http("GET", &format!("/config?{query}"), "");
    let vars_of = |query: &str| get(query).1["data"]["vars"].clone();
    assert_eq!(vars_of("scope=s"), json!({"A": "scope", "B": "scope"}));
    assert_eq!(
        vars_of("scope=s&name=db"),
        json!({"A": "app", "B": "scope"})
    );
    assert_eq!(vars_of("scope=s&name=db&merge=false"), json!({"A": "app"}));
    assert_eq!(
        get("scope=s&name=db&key=B").1["data"],
        json!({"B": "scope"})
    );
    assert_eq!(get("scope=s&name=db&key=Z").0, 404);
    assert_eq!(get("name=db").0, 400);
}

#[test]
fn describe_shows_what_is_stored_and_what_runs() {
    let world = world();
    let (status, reply) = world.http("GET", "/describe?kind=statefulsets&name=db", "");
    assert_eq!(status, 200);
    let data = &reply["data"];
    assert_eq!(data["manifest"]["spec"]["env"], json!({"E": "1"}));
    assert_eq!(data["pods"][1]["name"], "s-db.1");
    assert_eq!(data["pods"][1]["resource_name"], "db");
    assert_eq!(
        data["volumes"],
        json!(["voodu-s-db-data-0", "voodu-s-db-data-1"])
    );
    assert_eq!(data["status"]["replicas"], 2);
    assert_eq!(data["status"]["releases"].as_array().unwrap().len(), 1);
    assert_eq!(
        world
            .http("GET", "/describe?kind=statefulset&name=no", "")
            .0,
        404
    );
    assert_eq!(world.http("GET", "/describe?kind=pods&name=db", "").0, 400);
    let other = crate::support::manifest("statefulset", "t", "db", json!({"image": "i"}));
    world
        .platform
        .apply(vec![other], voodu_standin::ApplyOptions::default())
        .unwrap();
    let (status, reply) = world.http("GET", "/describe?kind=statefulset&name=db", "");
    assert_eq!(status, 400);
    assert!(reply["error"].as_str().unwrap().contains("ambiguous"));
}

#[test]
fn restart_rolls_what_exists_and_creates_nothing() {
    let world = world();
    let (status, reply) = world.http("POST", "/restart?name=db", "");
    assert_eq!(status, 200);
    assert_eq!(reply["data"]["kind"], "statefulset");
    assert_eq!(world.steps(), ROLL);
    assert_eq!(world.http("POST", "/restart?name=no", "").0, 404);
    assert_eq!(world.http("POST", "/restart?name=db&kind=job", "").0, 400);
}

#[test]
fn deleting_one_pod_recreates_it_with_or_without_its_data() {
    let world = world();
    let (status, reply) = world.http("DELETE", "/resource?scope=s&name=db&ordinal=1", "");
    assert_eq!(status, 200);
    assert_eq!(
        reply["data"]["summary"],
        json!({"container_removed": "s-db.1"})
    );
    assert_eq!(world.steps(), ROLL[..4]);
    let query = "/resource?scope=s&name=db&ordinal=1&prune=true";
    let (_, reply) = world.http("DELETE", query, "");
    assert_eq!(
        reply["data"]["summary"]["volumes_removed"],
        json!(["voodu-s-db-data-1"])
    );
    assert_eq!(
        world
            .http("DELETE", "/resource?scope=s&name=no&ordinal=1", "")
            .0,
        404
    );
    assert_eq!(
        world
            .http("DELETE", "/resource?scope=s&name=db&ordinal=x", "")
            .0,
        400
    );
}

#[test]
fn deleting_everything_keeps_data_unless_pruned_and_never_takes_assets() {
    let world = world();
    let asset = crate::support::manifest("asset", "s", "db", json!({"files": {}}));
    world
        .platform
        .apply(vec![asset], voodu_standin::ApplyOptions::default())
        .unwrap();
    world
        .platform
        .seed_bucket("s", "db", &vars(&[("A", "1")]))
        .unwrap();
    world.platform.destroy("s", "db", false).unwrap();
    assert_eq!(world.platform.bucket("s", "db"), vars(&[("A", "1")]));
    assert!(world.platform.manifest(Kind::Asset, "s", "db").is_some());
    world.apply_statefulset(json!({"image": "i"}));
    let (_, reply) = world.http("DELETE", "/resource?scope=s&name=db&prune=true", "");
    let pruned = &reply["data"]["resources_wiped"][0]["pruned"];
    assert_eq!(pruned["config_wiped"], true);
    assert_eq!(pruned["volumes_removed"].as_array().unwrap().len(), 2);
    assert!(world.platform.bucket("s", "db").is_empty());
    assert_eq!(world.http("DELETE", "/resource?scope=s&name=db", "").0, 404);
}

#[test]
fn a_frozen_pod_is_left_alone_until_it_is_started() {
    let world = world();
    assert_eq!(world.http("POST", "/pods/s-db.1/stop", "").0, 200);
    world.commands();
    world.http("POST", "/config?scope=s&name=db", r#"{"X":"1"}"#);
    assert_eq!(world.steps(), ROLL[4..]);
    let (status, reply) = world.http("POST", "/pods/s-db.1/start", "");
    assert_eq!(status, 200);
    assert_eq!(
        reply["data"],
        json!({"name": "s-db.1", "recreated": true, "unfroze": true})
    );
    assert_eq!(world.steps(), ROLL[..4]);
    let pod = world.memory.container("s-db.1").unwrap();
    assert_eq!(pod.env["E"], "1");
    assert_eq!(world.http("POST", "/pods/other/stop", "").0, 400);
}

#[test]
fn pods_are_listed_and_described() {
    let world = world();
    let (_, reply) = world.http("GET", "/pods?scope=s&name=db", "");
    assert_eq!(reply["data"]["pods"].as_array().unwrap().len(), 2);
    let (_, reply) = world.http("GET", "/pods/s-db.0", "");
    let pod = &reply["data"]["pod"];
    assert_eq!(pod["env"]["VOODU_REPLICA_ORDINAL"], "0");
    assert_eq!(pod["state"]["running"], true);
    assert_eq!(pod["restart_policy"], "unless-stopped");
    assert_eq!(world.http("GET", "/pods/none", "").0, 404);
    assert_eq!(world.http("GET", "/pods/.x", "").0, 400);
    assert_eq!(world.http("GET", "/pods/s-db.0/ready", "").0, 404);
}

#[test]
fn unknown_paths_are_plain_text() {
    let world = World::new();
    assert_eq!(
        world.http("GET", "/nope", ""),
        (404, Value::from("404 page not found\n"))
    );
    assert_eq!(world.http("GET", "/health", "").1["status"], "ok");
    assert_eq!(world.http("PUT", "/config", "").0, 405);
    assert_eq!(
        world.http("GET", "/plugins", "").1["data"]["plugins"][0]["name"],
        "fake"
    );
}
