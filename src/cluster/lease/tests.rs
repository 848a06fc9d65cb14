use super::*;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::process::Command;

use serde_json::json;

use crate::cluster::lease::mark::uptime;
use crate::controller::Kind;
use crate::controller::fake::FakeController;
use crate::wire::action::Restart;
use crate::wire::manifest::Manifest;

const SHORT: Duration = Duration::from_millis(200);

fn db() -> ResourceRef {
    ResourceRef::new("s", "db").unwrap()
}

fn attempt(dir: &Path) -> Result<io::Result<LeaseFile>> {
    acquire(&dir.join(NAME), "s/db", Instant::now() + SHORT)
}

/// A cluster with its backups in that directory, or in a volume.
fn cluster(backups: Option<&Path>) -> Cluster {
    let volume = backups.map_or("vault".into(), Path::to_string_lossy);
    let spec = json!({
        "image": "postgres:17", "replicas": 1, "volumes": [format!("{volume}:/backups")],
        "env": {
            "PG_CLUSTER_ID": "ab".repeat(16), "PG_PORT": "5432", "PG_PRIMARY_ORDINAL": "0",
            "PG_REPLICATION_USER": "replicator", "POSTGRES_DB": "postgres", "POSTGRES_USER": "postgres",
        },
    });
    let controller = FakeController::default().with_spec(Kind::Statefulset, "s/db", spec);
    Cluster::load(&controller, &db()).unwrap()
}

fn take_all(backups: Option<&Path>, own: &Path, holder: Holder) -> Result<Vec<LeaseFile>> {
    let own_dirs = vec![own.to_owned()];
    acquire_all(&cluster(backups), &Claim { holder, own_dirs }, SHORT)
}

fn set(value: &str) -> Action {
    Action::set(&db(), [("A", value.to_owned())], Restart::Skip)
}

#[test]
fn the_second_one_is_refused_and_told_who_has_it() {
    let dir = tempfile::tempdir().unwrap();
    let file = attempt(dir.path()).unwrap().unwrap();
    let first = Lease::hold(vec![file], Holder::Promote);
    let refused = attempt(dir.path()).err().unwrap();
    assert_eq!(
        refused.to_string(),
        "s/db: vd pg:promote is at work and changes roles, passwords or links; nothing was changed"
    );
    drop(first);
    assert!(attempt(dir.path()).unwrap().is_ok());
}

#[test]
fn a_process_that_is_killed_gives_it_back() {
    let dir = tempfile::tempdir().unwrap();
    drop(attempt(dir.path()).unwrap());
    let path = dir.path().join(NAME);
    let mut holder = Command::new("flock")
        .args(["-n".as_ref(), "-o".as_ref(), path.as_os_str()])
        .args(["sh", "-c", "echo held; exec sleep 3"])
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = [0; 5];
    std::io::Read::read_exact(&mut holder.stdout.take().unwrap(), &mut said).unwrap();
    assert!(attempt(dir.path()).is_err());
    holder.kill().unwrap();
    holder.wait().unwrap();
    assert!(attempt(dir.path()).unwrap().is_ok());
}

#[test]
fn what_was_planted_goes_and_leads_nowhere() {
    let dir = tempfile::tempdir().unwrap();
    let (path, elsewhere) = (dir.path().join(NAME), dir.path().join("b001.dump"));
    fs::write(&elsewhere, "a backup").unwrap();
    let plant: [&dyn Fn(); 3] = [
        &|| symlink(&elsewhere, &path).unwrap(),
        &|| fs::hard_link(&elsewhere, &path).unwrap(),
        &|| {
            let made = Command::new("mkfifo").arg(&path).status().unwrap();
            assert!(made.success());
        },
    ];
    for plant in plant {
        plant();
        let file = attempt(dir.path()).unwrap().unwrap();
        file.write("command=link\n");
        assert!(fs::symlink_metadata(&path).unwrap().is_file());
        assert_eq!(fs::read_to_string(&elsewhere).unwrap(), "a backup");
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        fs::remove_file(&path).unwrap();
    }
}

#[test]
fn where_no_file_can_be_had_only_a_change_of_roles_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let (backups, own) = (dir.path().join("db"), dir.path().join("own"));
    fs::create_dir_all(backups.join(NAME)).unwrap();
    let refused = take_all(Some(&backups), &own, Holder::NewPassword);
    let refused = refused.err().unwrap().to_string();
    assert!(refused.contains(NAME), "{refused}");
    let files = take_all(Some(&backups), &own, Holder::Promote).unwrap();
    assert_eq!(files.len(), 1);
    // The plugin's own directory is what counts where there is no other.
    drop(files);
    fs::remove_dir_all(&own).unwrap();
    fs::write(&own, "").unwrap();
    let refused = take_all(None, &own, Holder::Link).err().unwrap();
    assert!(refused.to_string().contains("own"), "{refused}");
    assert!(take_all(None, &own, Holder::Promote).unwrap().is_empty());
    fs::remove_dir(backups.join(NAME)).unwrap();
    let files = take_all(Some(&backups), &own, Holder::Link).unwrap();
    assert_eq!(files.len(), 1);
}

/// Behind a docker volume, before the first boot, and when the directory appears meanwhile.
#[test]
fn without_a_backups_directory_one_command_at_a_time_as_well() {
    let dir = tempfile::tempdir().unwrap();
    let (backups, own) = (dir.path().join("db"), dir.path().join("own"));
    for backups in [None, Some(&*backups)] {
        let first = take_all(backups, &own, Holder::Link).unwrap();
        assert_eq!(first.len(), 1);
        let refused = take_all(backups, &own, Holder::Unlink).err().unwrap();
        assert!(refused.to_string().contains("s/db: "), "{refused}");
    }
    let first = take_all(Some(&backups), &own, Holder::Link).unwrap();
    fs::create_dir(&backups).unwrap();
    assert!(take_all(Some(&backups), &own, Holder::Link).is_err());
    drop(first);
    assert_eq!(
        take_all(Some(&backups), &own, Holder::Link).unwrap().len(),
        2
    );
}

#[test]
fn a_mark_is_read_back_and_tells_no_value() {
    let actions = [set("hunter2"), Action::exec_local(&db(), Vec::new())];
    let mark = Mark::of(&actions, GRACE).unwrap();
    let text = mark.to_string();
    assert!(text.contains("last=s/db A ") && !text.contains("hunter2"));
    let read: Mark = text.parse().unwrap();
    assert_eq!(read.to_string(), text);
    assert_eq!(Mark::of(&[], GRACE), None);
    for garbage in [
        "",
        "until=1",
        "until=x\nlast=s/db A 00",
        "until=1\nlast=s A 00",
    ] {
        assert!(garbage.parse::<Mark>().is_err(), "{garbage}");
    }
}

#[test]
fn what_the_controller_stored_is_recognised() {
    let spec = json!({"replicas": 2, "env": {"B": "1", "A": "2"}});
    let controller = FakeController::default()
        .with_config("s/db", json!({"A": "1"}))
        .with_spec(Kind::Statefulset, "s/db", spec.clone());
    let manifest = |spec| Action::apply_manifest(&db(), Manifest::statefulset("s", "db", spec));
    for (action, expected) in [
        (set("1"), true),
        (set("2"), false),
        (set(""), false),
        (
            Action::set(&db(), [("B", String::new())], Restart::Skip),
            true,
        ),
        (manifest(spec), true),
        (manifest(json!({"replicas": 1})), false),
    ] {
        let mark = Mark::of(std::slice::from_ref(&action), GRACE).unwrap();
        assert_eq!(mark.is_stored(&controller), expected, "{action:?}");
    }
    let mark = Mark::of(&[set("1")], GRACE).unwrap();
    assert!(!mark.is_stored(&FakeController::default().down()));
}

#[test]
fn the_next_one_waits_until_it_is_stored_and_not_longer_than_that_takes() {
    let waits = |mark: &Mark, stored: bool| {
        let began = Instant::now();
        settle(mark, began + GRACE, || stored);
        began.elapsed()
    };
    let mark = Mark::of(&[set("1")], SHORT).unwrap();
    assert!(waits(&mark, true) < SHORT / 2);
    let waited = waits(&mark, false);
    assert!(waited >= SHORT / 2 && waited < 10 * SHORT, "{waited:?}");
    // From before a reboot, or from somebody else's hand.
    for until in [Duration::ZERO, uptime() + 100 * GRACE] {
        let mut mark = Mark::of(&[set("1")], SHORT).unwrap();
        mark.until = until;
        assert!(waits(&mark, false) < SHORT);
    }
    // Whoever may not wait that long is told that it is not over.
    let mark = Mark::of(&[set("1")], GRACE).unwrap();
    assert!(!settle(&mark, Instant::now() + SHORT, || false));
    assert!(settle(&mark, Instant::now() + SHORT, || true));
}
