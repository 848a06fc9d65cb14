//! What a data directory looks like to the entrypoint.

use crate::support::{Sandbox, TOOLS, Tools};

#[track_caller]
fn shape_of(files: &[&str]) -> String {
    let sandbox = Sandbox::new(Tools::Native);
    for file in files {
        sandbox.write(&format!("volume/{file}"), "17\n");
    }
    sandbox.output("data_shape; echo $SHAPE").trim().to_owned()
}

#[test]
fn shapes() {
    let primary = ["pgdata/PG_VERSION", "pgdata/global/pg_control"];
    assert_eq!(shape_of(&[]), "empty");
    assert_eq!(shape_of(&primary), "primary");
    assert_eq!(
        shape_of(&[primary[0], primary[1], "pgdata/standby.signal"]),
        "standby"
    );
    assert_eq!(
        shape_of(&[primary[0], primary[1], "pgdata/recovery.signal"]),
        "standby"
    );
    assert_eq!(shape_of(&[primary[0], primary[1], ".voodu-init"]), "init");
    assert_eq!(
        shape_of(&[
            primary[0],
            primary[1],
            "pgdata/standby.signal",
            ".voodu-clone"
        ]),
        "clone"
    );
    let sandbox = Sandbox::new(Tools::Native);
    let script = "sentinel_set \"$INIT_SENTINEL\" complete; data_shape; echo $SHAPE; sentinel_clear \"$INIT_SENTINEL\"; data_shape; echo $SHAPE";
    assert_eq!(sandbox.output(script), "fresh\nempty\n");
    assert_eq!(shape_of(&["pgdata/.hidden"]), "unknown");
    assert_eq!(shape_of(&["pgdata/PG_VERSION"]), "unknown");
}

/// `sync` and `mv` as they are called.
const LOGGED: &str = "mkdir \"$SANDBOX/bin\"
    for tool in sync mv; do
      printf '#!/bin/sh\\necho %s \"$@\" >>%s/log\\nexec %s \"$@\"\\n' \
        $tool \"$SANDBOX\" \"$(command -v $tool)\" >\"$SANDBOX/bin/$tool\"
      chmod +x \"$SANDBOX/bin/$tool\"
    done
    PATH=$SANDBOX/bin:$PATH";

#[test]
fn a_file_that_replaces_another_is_on_disk_with_its_name() {
    for tools in TOOLS {
        let sandbox = Sandbox::new(tools);
        sandbox.output(&format!(
            "{LOGGED}; printf x | install_file \"$VOLUME/.voodu-file\" 0600"
        ));
        let log = sandbox.read("log");
        let steps: Vec<_> = log.lines().map(|line| line.split(' ').next()).collect();
        assert_eq!(steps, [Some("sync"), Some("mv"), Some("sync")], "{log}");
        let volume = sandbox.path("volume");
        assert!(
            log.ends_with(&format!("sync {}\n", volume.display())),
            "{log}"
        );
    }
}

#[test]
fn no_rename_is_left_without_the_sync_of_its_directory() {
    let templates = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("templates");
    let folders = ["", "entrypoint", "jobs"].map(|folder| templates.join(folder));
    let files = folders
        .iter()
        .flat_map(|folder| std::fs::read_dir(folder).unwrap());
    let files = files.map(|entry| entry.unwrap().path());
    let mut renames = 0;
    // A heartbeat says nothing after a crash of the host.
    let files = files.filter(|file| !file.ends_with("heartbeat.sh"));
    for file in files.filter(|file| file.extension().is_some_and(|end| end == "sh")) {
        let text = std::fs::read_to_string(&file).unwrap();
        let lines: Vec<_> = text.lines().collect();
        for (number, line) in lines.iter().enumerate() {
            if !line.split([' ', '{', '(']).any(|word| word == "mv") || line.trim().starts_with('#')
            {
                continue;
            }
            renames += 1;
            let after = lines[number..].iter().take(5);
            assert!(
                after.into_iter().any(|line| ["sync \"$", "sync /"]
                    .iter()
                    .any(|sync| line.contains(sync))),
                "{}:{}",
                file.display(),
                number + 1
            );
        }
    }
    assert!(renames > 5, "{renames}");
}

#[test]
fn a_missing_directory_is_empty() {
    let sandbox = Sandbox::new(Tools::Native);
    assert_eq!(
        sandbox.output("rmdir \"$PGDATA\"; data_shape; echo $SHAPE"),
        "empty\n"
    );
}

#[test]
fn wiping_empties_the_data_directory_alone() {
    for tools in TOOLS {
        let sandbox = Sandbox::new(tools);
        sandbox.write("outside/precious", "x");
        sandbox.write("volume/.topology", "x");
        sandbox.write("volume/pgdata/base/1/2", "x");
        std::os::unix::fs::symlink(
            sandbox.path("outside"),
            sandbox.path("volume/pgdata/pg_tblspc"),
        )
        .unwrap();
        assert_eq!(
            sandbox.output("data_wipe; data_shape; echo $SHAPE"),
            "empty\n"
        );
        assert_eq!(sandbox.read("outside/precious"), "x");
        assert_eq!(sandbox.read("volume/.topology"), "x");
    }
}

#[test]
fn settings_are_wired_once_and_an_operators_lines_stay() {
    for tools in TOOLS {
        let sandbox = Sandbox::new(tools);
        let wired = format!(
            "include_dir '{}'\ninclude_if_exists 'voodu-runtime.conf'\n",
            sandbox.path("conf").display()
        );
        let conf = "volume/pgdata/postgresql.conf";
        sandbox.write(
            conf,
            "work_mem = 1MB # mine\ninclude_dir = '/etc/postgresql/conf.d'\n",
        );
        sandbox.output("wire_settings");
        assert_eq!(
            sandbox.read(conf),
            format!("work_mem = 1MB # mine\n{wired}")
        );
        sandbox.output("wire_settings; wire_settings");
        assert_eq!(
            sandbox.read(conf),
            format!("work_mem = 1MB # mine\n{wired}")
        );
    }
}

#[test]
fn the_runtime_settings_name_the_primary_and_hold_no_secret() {
    let sandbox = Sandbox::new(Tools::Native);
    let script = "ORDINAL=2 REPLICATION_PASSWORD=geheim; write_runtime_conf 1; echo \"<$RUNTIME_CHANGED>\"; write_runtime_conf 1; echo \"<$RUNTIME_CHANGED>\"";
    assert_eq!(sandbox.output(script), "<1>\n<>\n");
    let conf = sandbox.read("volume/pgdata/voodu-runtime.conf");
    assert!(conf.contains("host=db-1.shop.voodu port=5432 user=replicator application_name=voodu-postgres-standby-2"), "{conf}");
    assert!(!conf.contains("geheim"), "{conf}");
    assert!(sandbox.read("volume/.voodu-passfile").contains("geheim"));
}

#[test]
fn files_are_installed_private_and_never_through_a_planted_link() {
    use std::os::unix::fs::PermissionsExt;
    for tools in TOOLS {
        let sandbox = Sandbox::new(tools);
        sandbox.write("outside", "precious");
        std::os::unix::fs::symlink(sandbox.path("outside"), sandbox.path("backups/file")).unwrap();
        sandbox.output("printf new | install_file \"$BACKUPS/file\" 0600");
        assert_eq!(sandbox.read("outside"), "precious");
        assert_eq!(sandbox.read("backups/file"), "new");
        let mode = std::fs::metadata(sandbox.path("backups/file"))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}

const OLD: &str = "old\n";
const NEW: &str = "new\n";

/// How far a swap had come, the files that it left, and whose data is wanted in the end.
type State = (
    &'static str,
    &'static [(&'static str, &'static str)],
    &'static str,
);

#[test]
fn a_swap_is_finished_from_wherever_it_was_interrupted() {
    let states: [State; 5] = [
        (
            "before the copy was complete",
            &[
                ("pgdata/PG_VERSION", OLD),
                (".voodu-beside/PG_VERSION", NEW),
            ],
            OLD,
        ),
        (
            "complete",
            &[
                ("pgdata/PG_VERSION", OLD),
                (".voodu-beside/PG_VERSION", NEW),
                (".voodu-beside-complete", ""),
            ],
            NEW,
        ),
        (
            "old data moved",
            &[
                (".voodu-replaced/PG_VERSION", OLD),
                (".voodu-beside/PG_VERSION", NEW),
                (".voodu-beside-complete", ""),
            ],
            NEW,
        ),
        (
            "copy moved",
            &[
                (".voodu-replaced/PG_VERSION", OLD),
                ("pgdata/PG_VERSION", NEW),
                (".voodu-beside-complete", ""),
            ],
            NEW,
        ),
        (
            "mark removed",
            &[
                (".voodu-replaced/PG_VERSION", OLD),
                ("pgdata/PG_VERSION", NEW),
            ],
            NEW,
        ),
    ];
    for (name, files, want) in states {
        let sandbox = Sandbox::new(Tools::Busybox);
        for (file, text) in files {
            sandbox.write(&format!("volume/{file}"), text);
        }
        if !files.iter().any(|(file, _)| file.starts_with("pgdata")) {
            std::fs::remove_dir(sandbox.path("volume/pgdata")).unwrap();
        }
        sandbox.output("finish_swap");
        assert_eq!(sandbox.read("volume/pgdata/PG_VERSION"), want, "{name}");
        let left = sandbox.output("ls -A \"$VOLUME\"");
        assert_eq!(left, "pgdata\n", "{name}");
    }
}

/// A server that did not start on its old data says nothing about the settings.
#[test]
fn other_data_get_the_mounted_settings_again() {
    let sandbox = Sandbox::new(Tools::Native);
    let script = "V_PRIMARY=1 TRY_GOOD_SETTINGS=1
        check_major() { :; }
        choose_password() { :; }
        write_passfile() { :; }
        wait_for_primary() { return 1; }
        act_rejoin
        echo \"settings:$TRY_GOOD_SETTINGS\"";
    assert_eq!(sandbox.output(script), "settings:\n");
}

/// A pod can be killed between the two steps of a replacement, and each time the file has another name.
#[test]
fn what_a_killed_pod_left_half_written_goes_at_the_next_boot() {
    for tools in TOOLS {
        let sandbox = Sandbox::new(tools);
        let mine = [
            "volume/.voodu-passfile.voodu.a1B2c3",
            "volume/.voodu-passfile.voodu.0.a1B2c3",
            "volume/pgdata/voodu-runtime.conf.voodu.0.a1B2c3",
            "volume/.voodu-good-conf/a.conf.voodu.0.a1B2c3",
            "backups/.restored.voodu.0.a1B2c3",
            "backups/.topology.reserve-0-1.voodu.a1B2c3",
        ];
        let others = [
            "backups/.restored.voodu.1.a1B2c3",
            "backups/.topology.reserve-1-1.voodu.a1B2c3",
            "backups/.topology.voodu.a1B2c3",
            "backups/b001.dump",
            "volume/.voodu-passfile",
            "volume/pgdata/base/1.voodu.0.a1B2c3",
        ];
        for name in mine.iter().chain(&others) {
            sandbox.write(name, "");
            let path = sandbox.path(name);
            let touched = std::process::Command::new("touch")
                .args(["-d", "1 hour ago"])
                .arg(path)
                .status();
            assert!(touched.unwrap().success());
        }
        // The plugin may be at it right now.
        sandbox.write("volume/.voodu-passfile.voodu.z9Y8x7", "");
        sandbox.output("sweep_unfinished");
        for name in mine {
            assert!(!sandbox.path(name).exists(), "{tools:?}: {name}");
        }
        for name in others
            .iter()
            .chain(&["volume/.voodu-passfile.voodu.z9Y8x7"])
        {
            assert!(sandbox.path(name).exists(), "{tools:?}: {name}");
        }
        // In the directory that all pods share a name says whose file it is.
        let half_way = "sleep 1 | install_file \"$BACKUPS/.restored\" 0644 & sleep 0.5; ls -A \"$BACKUPS\"; wait";
        assert!(sandbox.output(half_way).contains(".restored.voodu.0."));
    }
}
