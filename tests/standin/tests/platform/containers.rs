//! The docker commands, word for word.

use serde_json::json;

use crate::support::{World, vars};

/// Replaces what differs from run to run.
fn masked(words: &[String], root: &str) -> Vec<String> {
    let mask = |word: &String| {
        for label in ["manifest_hash", "created_at", "release_id"] {
            if word.starts_with(&format!("voodu.{label}=")) {
                return format!("voodu.{label}=…");
            }
        }
        word.replace(root, "ROOT")
    };
    words.iter().map(mask).collect()
}

#[test]
fn the_run_line_of_a_statefulset_pod() {
    let world = World::new();
    world
        .platform
        .seed_bucket("Clowk-lp", "db", &vars(&[("SECRET", "x")]))
        .unwrap();
    let spec = json!({
        "image": "postgres:17", "replicas": 1, "command": ["postgres", "-c", "a=b"],
        "env": {"TZ": "UTC", "VOODU_NAME": "mine", "A": "1"},
        "ports": ["5432", "5433:5432"], "volumes": ["/host:/x:ro"],
        "volume_claims": [{"name": "data", "mount_path": "/data"}],
        "extra_hosts": ["a:1.2.3.4"], "cap_add": ["SYS_PTRACE"],
        "ulimits": {"nproc": "9:9", "core": "0"},
        "resources": {"limits": {"cpu": "500m", "memory": "512Mi"}},
        "docker_options": ["--stop-timeout=60", "--shm-size=256m"],
    });
    let block = crate::support::manifest("statefulset", "Clowk-lp", "db", spec);
    world
        .platform
        .apply(vec![block], voodu_standin::ApplyOptions::default())
        .unwrap();
    let commands = world.memory.commands();
    let root = world.platform.root().to_string_lossy().into_owned();
    let expected = "volume create --label createdby=voodu --label voodu.kind=statefulset \
        --label voodu.name=db --label voodu.replica_ordinal=0 --label voodu.claim=data \
        --label voodu.scope=Clowk-lp voodu-Clowk-lp-db-data-0";
    assert_eq!(commands[0].join(" "), expected);
    let expected = "run -d --name Clowk-lp-db.0 \
        --label createdby=voodu --label voodu.kind=statefulset --label voodu.scope=Clowk-lp \
        --label voodu.name=db --label voodu.replica_id=0 --label voodu.manifest_hash=… \
        --label voodu.created_at=… --label voodu.release_id=… --label voodu.replica_ordinal=0 \
        --label voodu.role=statefulset --restart unless-stopped \
        --add-host host.docker.internal:host-gateway --add-host a:1.2.3.4 --cap-add SYS_PTRACE \
        --network voodu0 --network-alias db-0.clowk-lp --network-alias db-0.clowk-lp.voodu \
        --network-alias db.clowk-lp --network-alias db.clowk-lp.voodu \
        -p 127.0.0.1::5432 -p 127.0.0.1:5433:5432 --env-file ROOT/apps/Clowk-lp-db/shared/.env \
        -e A=1 -e TZ=UTC -e VOODU_CONTROLLER_URL=http://host.docker.internal:8686 \
        -e VOODU_NAME=mine -e VOODU_REPLICA_ID=0 -e VOODU_REPLICA_ORDINAL=0 \
        -e VOODU_SCOPE=Clowk-lp -v /host:/x:ro -v voodu-Clowk-lp-db-data-0:/data \
        --ulimit core=0 --ulimit nofile=65536:65536 --ulimit nproc=9:9 --cpus 0.5 \
        --memory 536870912 --log-opt max-size=10m --log-opt max-file=3 --stop-timeout=60 \
        --shm-size=256m postgres:17 postgres -c a=b";
    let words: Vec<&str> = expected.split_whitespace().collect();
    assert_eq!(masked(&commands[1], &root), words);
    let env = std::fs::read_to_string(format!("{root}/apps/Clowk-lp-db/shared/.env")).unwrap();
    assert_eq!(env, "A=1\nSECRET=x\nTZ=UTC\nVOODU_NAME=mine\n");
}

#[test]
fn asset_references_become_host_paths_in_every_field() {
    let world = World::new();
    let reference = "${asset.s.db.conf}";
    world.expands_to(
        &json!([
            {"kind": "asset", "scope": "s", "name": "db", "spec": {"files": {"conf": "hi"}}},
            {"kind": "statefulset", "scope": "s", "name": "db", "spec": {
                "image": "i", "env": {"CONF": reference}, "command": [reference],
                "volumes": [format!("{reference}:/conf:ro")]}},
        ]),
        &json!([]),
    );
    world.platform.apply_hcl("fake \"s\" \"db\" {}").unwrap();
    let path = world.platform.root().join("assets/s/db/conf");
    let pod = world.memory.container("s-db.0").unwrap();
    assert_eq!(pod.volumes, [format!("{}:/conf:ro", path.display())]);
    assert_eq!(pod.command, [path.to_string_lossy()]);
    assert_eq!(pod.env["CONF"], path.to_string_lossy());
    let stored = world
        .platform
        .manifest(voodu_standin::Kind::Statefulset, "s", "db");
    assert_eq!(stored.unwrap().spec["env"]["CONF"], reference);
}

#[test]
fn env_from_comes_before_the_own_file() {
    let world = World::new();
    world.apply_statefulset(json!({"image": "i"}));
    let spec = json!({"image": "i", "env_from": ["db", "s/absent"]});
    let app = crate::support::manifest("deployment", "s", "app", spec);
    world
        .platform
        .apply(vec![app], voodu_standin::ApplyOptions::default())
        .unwrap();
    let root = world.platform.root().display().to_string();
    let container = world.memory.container("s-app.0").unwrap();
    assert_eq!(
        container.env_files,
        [
            format!("{root}/apps/s-db/shared/.env"),
            format!("{root}/apps/s-app/shared/.env")
        ]
    );
}

#[test]
fn init_containers_run_to_their_end_before_the_pod() {
    let world = World::new();
    let inits = json!([{"name": "prepare", "image": "busybox", "command": ["true"]}]);
    world.apply_statefulset(json!({"image": "i", "inits": inits}));
    assert_eq!(
        world.steps(),
        [
            "run s-db-init-prepare-0",
            "wait s-db-init-prepare-0",
            "stop s-db-init-prepare-0",
            "rm -f s-db-init-prepare-0",
            "run s-db.0"
        ]
    );
    world.memory.set_exit_code(3);
    let error = world.platform.apply_hcl(
        "statefulset \"s\" \"other\" {\n image = \"i\"\n init \"x\" { image = \"b\" }\n}",
    );
    let errors = error.unwrap().changes.errors;
    assert_eq!(
        errors,
        ["statefulset/s/other: init container \"x\": container exited 3"]
    );
}
