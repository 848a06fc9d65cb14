//! Whether the pods' scripts act on the record that lies on this host.

use std::fs::{self, File};
use std::time::{Duration, SystemTime};

use crate::support::world::World;

const CHECK: [&str; 3] = ["pg:info", "clowk-lp/db", "--check"];
const PROMOTE: [&str; 4] = ["promote", "clowk-lp/db", "--replica", "1"];

/// The lines of a check that found something.
#[track_caller]
fn problems(world: &World) -> Vec<String> {
    let output = world.vd(&CHECK);
    assert_eq!(output.status, 1, "{output:?}");
    let lines = output.stdout.lines();
    lines
        .filter(|line| !line.starts_with("  ✓ "))
        .map(str::to_owned)
        .collect()
}

#[test]
fn a_script_that_stands_still_is_named_and_refused() {
    let world = World::with_cluster(3);
    world.beats(1, 40);
    assert_eq!(world.vd(&CHECK).status, 0);
    world.beats(1, 130);
    let [line] = &problems(&world)[..] else {
        panic!("one line")
    };
    assert!(
        line.starts_with("the script of clowk-lp-db.1 has stood still for 2 min")
            && line.ends_with("; docker restart clowk-lp-db.1"),
        "{line}"
    );
    let reason = "the script of clowk-lp-db.1 has stood still for 2 min";
    world.refused(&PROMOTE, reason);
    world.refused(&[&PROMOTE[..], &["--force"]].concat(), reason);
    world.refused(&[&PROMOTE[..], &["--dry-run"]].concat(), reason);
    // A pod that does not run, or that there is not any more, leaves none.
    world.becomes(1, "exited");
    let lines = problems(&world).join("\n");
    assert!(!lines.contains("script of"), "{lines}");
    world.beats(7, 130);
    assert!(!problems(&world).join("\n").contains("db.7"));
}

#[test]
fn a_directory_that_was_replaced_is_told_from_a_script_that_stands_still() {
    let world = World::with_cluster(2);
    for pod in 0..2 {
        fs::remove_file(world.backups("clowk-lp", "db").join(format!(".pod-{pod}"))).unwrap();
    }
    let lines = problems(&world).join("\n");
    assert_eq!(
        lines.matches("leaves no sign of life").count(),
        2,
        "{lines}"
    );
    world.prepare("elsewhere", "");
    let lines = problems(&world).join("\n");
    assert_eq!(
        lines
            .matches("sees another backups directory than this host")
            .count(),
        2,
        "{lines}"
    );
    assert!(lines.contains("docker restart clowk-lp-db.1"), "{lines}");
    let forced = [&PROMOTE[..], &["--force"]].concat();
    for words in [&PROMOTE[..], &forced[..]] {
        world.refused(words, "clowk-lp-db.1 sees another backups directory");
    }
}

#[test]
fn a_record_from_the_future_does_not_keep_a_check_quiet() {
    let world = World::with_cluster(3);
    world.next_record("primary=0\nstate=maintenance\n");
    for pod in 0..3 {
        world.says(pod, &[]);
    }
    assert_eq!(world.vd(&CHECK).status, 0, "it has just begun");
    let ahead = SystemTime::now() + Duration::from_secs(3 * 86_400);
    let record = File::options()
        .write(true)
        .open(world.record_path("clowk-lp", "db"))
        .unwrap();
    record.set_modified(ahead).unwrap();
    let lines = problems(&world);
    assert!(
        lines[0].starts_with("the cluster has been in maintenance for an unknown time"),
        "{lines:?}"
    );
    assert!(lines[1].contains("is dated 2 d in the future"), "{lines:?}");
}
