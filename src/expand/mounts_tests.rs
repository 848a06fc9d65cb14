use super::*;

fn merge(operators: &Value) -> Result<Mounts> {
    let cluster = ResourceRef::new("clowk-lp", "db")?;
    Mounts::merge(operators.as_object().unwrap(), &cluster, Path::new("/b"))
}

#[test]
fn our_mounts_stand_in_their_order() {
    for operators in [json!({}), json!({"volumes": []}), json!({"volumes": null})] {
        let mounts = merge(&operators).unwrap();
        assert_eq!(
            mounts.volumes,
            [
                "${asset.clowk-lp.db.entrypoint}:/usr/local/bin/voodu-postgres-entrypoint:ro",
                "${asset.clowk-lp.db.pg_overrides_conf}:/etc/postgresql/voodu-99-overrides.conf:ro",
                "${asset.clowk-lp.db.streaming_conf}:/etc/postgresql/voodu-50-streaming.conf:ro",
                "${asset.clowk-lp.db.init_replication_sh}:/docker-entrypoint-initdb.d/00_create_replication.sh:ro",
                "/b/clowk-lp/db:/backups:rw",
            ]
        );
        assert_eq!(mounts.claims, [json!({"name": "data", "mount_path": DATA})]);
        assert_eq!(mounts.backups_dir(), Some("/b/clowk-lp/db".into()));
    }
}

#[test]
fn an_entry_with_our_destination_takes_our_slot() {
    let mounts = merge(&json!({"volumes": ["extra:/extra", "/srv/b:/x/..//backups/:rw"]})).unwrap();
    assert_eq!(mounts.volumes.len(), 6);
    assert_eq!(mounts.volumes[4], "/srv/b:/x/..//backups/:rw");
    assert_eq!(mounts.volumes[5], "extra:/extra");
    assert_eq!(mounts.backups_dir(), Some("/srv/b".into()));
    let named = merge(&json!({"volumes": ["dumps:/backups"]})).unwrap();
    assert_eq!(named.backups_dir(), None);
}

#[test]
fn claims_merge_by_name() {
    let mounts = merge(&json!({
        "volume_claims": [{"name": "wal", "mount_path": "/wal", "size": 5}],
        "volume_claim": [{"_labels": ["data"], "size": "10Gi"}, {"_labels": ["tmp"], "mount_path": "/t"}],
    }));
    assert_eq!(
        mounts.unwrap().claims,
        [
            json!({"name": "data", "mount_path": DATA, "size": "10Gi"}),
            json!({"name": "wal", "mount_path": "/wal", "size": "5"}),
            json!({"name": "tmp", "mount_path": "/t"}),
        ]
    );
}

/// Docker makes the place of a mount inside the mount around it: an empty file of ours in the
/// operator's directory, or a container that never starts where that is read-only.
#[test]
fn what_lies_over_a_mount_of_ours_is_refused_with_the_way_to_do_it() {
    for place in [
        "/docker-entrypoint-initdb.d",
        "/docker-entrypoint-initdb.d/",
        "/x/../docker-entrypoint-initdb.d/.",
        "//docker-entrypoint-initdb.d",
        "/etc/postgresql",
        "/etc",
        "/usr/local/bin",
        "/usr",
        "/var/lib/postgresql",
        "/var",
    ] {
        for options in ["", ":ro", ":rw"] {
            let text = format!("/srv/scripts:{place}{options}");
            let refusal = merge(&json!({"volumes": [text]})).err().unwrap();
            assert!(
                refusal.to_string().contains("would lie over "),
                "{text}: {refusal}"
            );
            let directory = normalised(place);
            assert!(
                refusal.next().contains(&format!(":{directory}/my.file:ro")),
                "{}",
                refusal.next()
            );
        }
        let claim = json!({"volume_claim": {"_labels": ["a"], "mount_path": place}});
        assert!(
            merge(&claim)
                .err()
                .unwrap()
                .to_string()
                .contains("would lie over "),
            "{place}"
        );
    }
    for inside in [
        "/backups/offsite",
        "/backups/.topology",
        "/usr/local/bin/voodu-postgres-entrypoint/x",
    ] {
        let refusal = merge(&json!({"volumes": [format!("/srv/x:{inside}")]}))
            .err()
            .unwrap();
        assert!(
            refusal.to_string().contains("is the plugin's own"),
            "{inside}: {refusal}"
        );
    }
    for beside in [
        "/docker-entrypoint-initdb.d/10-roles.sql",
        "/etc/postgresql/my.conf",
        "/usr/local/bin/my-tool",
        "/var/lib/postgresql/tablespaces",
        "/backups-offsite",
    ] {
        assert!(
            merge(&json!({"volumes": [format!("/srv/x:{beside}:ro")]})).is_ok(),
            "{beside}"
        );
    }
}

#[test]
fn what_docker_or_the_data_cannot_bear_is_refused() {
    for (operators, path) in [
        (json!({"volumes": "a:/b"}), "volumes:"),
        (json!({"volumes": [5]}), "volumes[0]:"),
        (json!({"volumes": ["./x:/y"]}), "volumes[0]:"),
        (json!({"volumes": ["../x:/y"]}), "volumes[0]:"),
        (json!({"volumes": ["x:y"]}), "volumes[0]:"),
        (json!({"volumes": ["x:/y:quick"]}), "volumes[0]:"),
        (json!({"volumes": ["x:/y:ro:z"]}), "volumes[0]:"),
        (json!({"volumes": ["$(id):/y"]}), "volumes[0]:"),
        (json!({"volumes": ["x:/y", "z:/./y/"]}), "volumes[1]:"),
        (
            json!({"volumes": ["x:/var/lib/postgresql/data"]}),
            "volumes[0]:",
        ),
        (
            json!({"volumes": ["x:/var/lib/postgresql/data/pgdata/pg_wal"]}),
            "volumes[0]:",
        ),
        (
            json!({"volume_claim": {"_labels": ["data"], "mount_path": "/x"}}),
            "volume_claim \"data\".mount_path:",
        ),
        (
            json!({"volume_claim": {"_labels": ["a"]}}),
            "volume_claim \"a\".mount_path:",
        ),
        (
            json!({"volume_claim": {"_labels": ["a"], "mount_path": "/backups"}}),
            "volume_claim \"a\".mount_path:",
        ),
        (
            json!({"volume_claim": {"_labels": ["a"], "mount_path": "x"}}),
            "volume_claim \"a\".mount_path:",
        ),
        (
            json!({"volumes": ["x:/y"], "volume_claim": {"_labels": ["a"], "mount_path": "/y"}}),
            "volume_claim \"a\".mount_path:",
        ),
    ] {
        let refusal = merge(&operators).err().map(|refusal| refusal.to_string());
        assert!(
            refusal.as_ref().is_some_and(|text| text.starts_with(path)),
            "{operators}: {refusal:?}"
        );
    }
}

#[test]
fn docker_options_mount_nothing_over_ours_either() {
    for (options, why) in [
        (
            json!(["-v", "/srv/inits:/docker-entrypoint-initdb.d:ro"]),
            "docker_options[0]: \"/docker-entrypoint-initdb.d\" would lie over",
        ),
        (
            json!([
                "--shm-size=1g",
                "--mount",
                "type=bind,source=/srv,target=/var/lib/postgresql"
            ]),
            "docker_options[1]: \"/var/lib/postgresql\" would lie over",
        ),
        (
            json!(["--tmpfs=/var/lib/postgresql/data/pgdata"]),
            "docker_options[0]: /var/lib/postgresql/data is each pod's own data",
        ),
        (
            json!(["-v/srv:/backups"]),
            "docker_options[0]: the plugin mounts something of its own there",
        ),
        (
            json!(["-v", "/srv:/twice", "-v", "/opt:/twice"]),
            "docker_options[2]: something else is already mounted at \"/twice\"",
        ),
    ] {
        let refusal = merge(&json!({"docker_options": options})).err().unwrap();
        assert!(refusal.to_string().starts_with(why), "{refusal}");
    }
    let file = "/srv/10-roles.sql:/docker-entrypoint-initdb.d/10-roles.sql:ro";
    merge(&json!({"docker_options": ["-v", file, "--mount=type=tmpfs,dst=/scratch"]})).unwrap();
    let both = json!({"volumes": ["/srv:/twice"], "docker_options": ["-v", "/opt:/twice"]});
    merge(&both).err().unwrap();
}
