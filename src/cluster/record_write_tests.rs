use super::*;
use rustix::fs::{CWD, FileType, Mode, mknodat};
use std::os::unix::fs::symlink;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

const RECORD: &str =
    "cluster=0123456789abcdef0123456789abcdef\nepoch=7\nprimary=0\nstate=steady\nclean=1\n";

fn fill(bytes: &mut [u8]) -> io::Result<()> {
    getrandom::fill(bytes).map_err(io::Error::from)
}

fn writer(dir: &Path) -> RecordWriter<'_> {
    RecordWriter {
        backups_dir: dir,
        random: &fill,
    }
}

fn with_record() -> (tempfile::TempDir, TopologyRecord) {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join(NAME), RECORD).unwrap();
    (dir, RECORD.parse().unwrap())
}

fn text(dir: &Path) -> String {
    fs::read_to_string(dir.join(NAME)).unwrap()
}

/// What lies beside record and lock.
fn others(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names
        .filter(|name| name != NAME && name != ".topology.lock")
        .collect()
}

#[test]
fn the_next_record_is_all_that_is_left() {
    let (dir, record) = with_record();
    let next = record.handover("1".parse().unwrap());
    let change = writer(dir.path()).replace(Some(&record), &next).unwrap();
    assert_eq!(change, Change::Done);
    assert_eq!(text(dir.path()), next.to_string());
    assert_eq!(others(dir.path()), [""; 0]);
    let mode = fs::metadata(dir.path().join(NAME)).unwrap().permissions();
    assert_eq!(mode.mode() & 0o7777, 0o644);
}

#[test]
fn the_pods_script_uses_the_same_names() {
    let restore = include_str!("../../templates/entrypoint/restore.sh");
    assert!(restore.contains(&format!("\nRESTORED=$BACKUPS/{RESTORED}\n")));
    assert!(restore.contains("'cluster=%s\\nwithdrawn=%s\\n'"));
}

/// The pod stamps its data before the record that makes them count.
#[test]
fn a_restore_that_did_not_come_to_its_record_is_withdrawn() {
    let (dir, record) = with_record();
    let maintenance = record.maintenance();
    let writer = writer(dir.path());
    assert_eq!(
        writer.replace(Some(&record), &maintenance),
        Ok(Change::Done)
    );
    let (cluster, epoch) = (&maintenance.cluster, maintenance.epoch);
    let note = dir.path().join(RESTORED);
    for (found, left) in [
        (
            format!("cluster={cluster}\nepoch={epoch}\n"),
            format!("cluster={cluster}\nwithdrawn={epoch}\n"),
        ),
        // An earlier one counts.
        (
            format!("cluster={cluster}\nepoch=3\n"),
            format!("cluster={cluster}\nepoch=3\n"),
        ),
    ] {
        fs::write(dir.path().join(NAME), maintenance.to_string()).unwrap();
        fs::write(&note, found).unwrap();
        let next = maintenance.steady();
        assert_eq!(writer.replace(Some(&maintenance), &next), Ok(Change::Done));
        assert_eq!(fs::read_to_string(&note).unwrap(), left);
    }
}

#[test]
fn whoever_was_first_is_reported() {
    let (dir, record) = with_record();
    let older = TopologyRecord {
        epoch: 6,
        ..record.clone()
    };
    let other = TopologyRecord {
        state: record.maintenance().state,
        ..record.clone()
    };
    for decided_on in [Some(&older), Some(&other), None] {
        let change = writer(dir.path()).replace(decided_on, &record.steady());
        assert_eq!(change, Ok(Change::Overtaken(Some(record.clone()))));
        assert_eq!(text(dir.path()), RECORD);
    }
    let empty = tempfile::tempdir().unwrap();
    let change = writer(empty.path()).replace(Some(&record), &record.steady());
    assert_eq!(change, Ok(Change::Overtaken(None)));
    let change = writer(empty.path()).replace(None, &record);
    assert_eq!(change, Ok(Change::Done));
    assert_eq!(text(empty.path()), RECORD);
}

#[test]
fn one_of_many_wins() {
    let (dir, record) = with_record();
    let won = AtomicU32::new(0);
    thread::scope(|scope| {
        for target in ["1", "2", "3", "4", "5", "6"] {
            let (dir, record, won) = (dir.path(), &record, &won);
            scope.spawn(move || {
                let next = record.handover(target.parse().unwrap());
                let change = writer(dir).replace(Some(record), &next).unwrap();
                if change == Change::Done {
                    won.fetch_add(1, Ordering::Relaxed);
                    assert_eq!(text(dir), next.to_string());
                }
            });
        }
    });
    assert_eq!(won.into_inner(), 1);
}

#[test]
fn nothing_planted_is_written_through() {
    for what in ["link", "directory", "pipe"] {
        let (dir, record) = with_record();
        let path = dir.path().join(NAME);
        let elsewhere = dir.path().join("elsewhere");
        fs::remove_file(&path).unwrap();
        match what {
            "link" => {
                fs::write(&elsewhere, RECORD).unwrap();
                symlink(&elsewhere, &path).unwrap();
            }
            "directory" => fs::create_dir(&path).unwrap(),
            _ => mknodat(CWD, &path, FileType::Fifo, Mode::RWXU, 0).unwrap(),
        }
        let refusal = writer(dir.path()).replace(Some(&record), &record.steady());
        let refusal = refusal.unwrap_err().to_string();
        assert!(refusal.contains(path.to_str().unwrap()), "{refusal}");
        if what == "link" {
            assert_eq!(fs::read_to_string(&elsewhere).unwrap(), RECORD);
        }
    }
}

#[test]
fn a_taken_temporary_name_is_not_written_to() {
    let (dir, record) = with_record();
    let victim = dir.path().join("victim");
    let guessed = |bytes: &mut [u8]| {
        bytes.fill(0);
        Ok(())
    };
    symlink(&victim, dir.path().join(format!("{TEMPORARY}aaaaaa"))).unwrap();
    let writer = RecordWriter {
        backups_dir: dir.path(),
        random: &guessed,
    };
    assert!(writer.replace(Some(&record), &record.steady()).is_err());
    assert!(!victim.exists());
    assert_eq!(text(dir.path()), RECORD);
}

#[test]
fn a_lock_that_is_never_given_back_is_not_waited_for() {
    let (dir, record) = with_record();
    let _held = RecordLock::take(dir.path(), PATIENCE).unwrap();
    let short = Duration::from_millis(50);
    let refusal =
        writer(dir.path()).replace_within(short, Some(&record), &record.steady(), &|| Ok(()));
    assert!(refusal.is_err());
    assert_eq!(text(dir.path()), RECORD);
}

#[test]
fn an_epoch_that_the_pods_cannot_count_up_to_is_refused() {
    let (dir, _) = with_record();
    let last = RECORD.replace("epoch=7", "epoch=999999999999999999");
    fs::write(dir.path().join(NAME), &last).unwrap();
    let last_record: TopologyRecord = last.parse().unwrap();
    let refusal = writer(dir.path()).replace(Some(&last_record), &last_record.steady());
    assert!(refusal.unwrap_err().to_string().contains("next epoch"));
    assert_eq!(text(dir.path()), last);
}
