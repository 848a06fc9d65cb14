use super::*;
use rustix::fs::{CWD, FileType, Mode, mknodat};
use std::fs;
use std::os::unix::fs::symlink;
use tempfile::TempDir;

fn directory() -> (TempDir, Directory) {
    let temporary = tempfile::tempdir().unwrap();
    let path = temporary.path().join("db");
    fs::create_dir(&path).unwrap();
    fs::write(temporary.path().join("secret"), "secret").unwrap();
    let directory = Directory::open(&path).unwrap().unwrap();
    (temporary, directory)
}

fn plant(directory: &Directory) {
    let path = |name: &str| directory.path().join(name);
    symlink("../secret", path("link")).unwrap();
    symlink("nowhere", path("dangling")).unwrap();
    fs::create_dir(path("folder")).unwrap();
    mknodat(CWD, path("pipe"), FileType::Fifo, Mode::RWXU, 0).unwrap();
}

#[test]
fn only_regular_files_exist() {
    let (_temporary, directory) = directory();
    plant(&directory);
    fs::write(directory.path().join("file"), "12345").unwrap();
    let file = Entry {
        name: "file".into(),
        size: 5,
    };
    assert_eq!(directory.entries().unwrap(), [file]);
    for name in ["link", "dangling", "folder", "pipe", "absent"] {
        assert!(directory.open_file(name).is_err(), "{name}");
        assert_eq!(directory.read_text(name), None, "{name}");
    }
    assert_eq!(directory.read_text("file").unwrap(), "12345");
}

#[test]
fn nothing_is_written_or_removed_elsewhere() {
    let (temporary, directory) = directory();
    plant(&directory);
    for name in ["link", "dangling", "pipe"] {
        assert!(directory.create_file(name).is_err(), "{name}");
        directory.replace(name, ".temporary", "text").unwrap();
        assert_eq!(directory.read_text(name).unwrap(), "text");
    }
    assert!(directory.replace("folder", ".temporary", "text").is_err());
    assert_eq!(directory.read_text(".temporary"), None);
    symlink("../secret", directory.path().join("again")).unwrap();
    assert!(directory.remove("again").unwrap());
    assert!(!directory.remove("again").unwrap());
    for name in ["../secret", "..", ".", "", "/etc/passwd", "folder/x"] {
        assert!(directory.remove(name).is_err(), "{name:?}");
        assert!(directory.open_file(name).is_err(), "{name:?}");
        assert!(directory.create_file(name).is_err(), "{name:?}");
    }
    let secret = fs::read_to_string(temporary.path().join("secret"));
    assert_eq!(secret.unwrap(), "secret");
    assert!(!directory.path().join("nowhere").exists());
}

#[test]
fn a_lock_is_one_at_a_time_and_given_back() {
    let (_temporary, directory) = directory();
    let lock = directory.lock().unwrap();
    let again = thread::scope(|scope| {
        let second = scope.spawn(|| directory.lock().map(drop));
        thread::sleep(Duration::from_millis(120));
        assert!(!second.is_finished());
        drop(lock);
        second.join().unwrap()
    });
    again.unwrap();
    plant(&directory);
    fs::remove_file(directory.path().join(LOCK)).unwrap();
    symlink("../secret", directory.path().join(LOCK)).unwrap();
    assert!(directory.lock().is_err());
}

#[test]
fn a_lock_whose_file_was_exchanged_is_none() {
    let (_temporary, directory) = directory();
    let removed = directory.lock().unwrap();
    thread::scope(|scope| {
        let second = scope.spawn(|| directory.lock().map(drop));
        thread::sleep(Duration::from_millis(120));
        fs::remove_file(directory.path().join(LOCK)).unwrap();
        let first = directory.lock().unwrap();
        drop(removed);
        thread::sleep(Duration::from_millis(200));
        assert!(!second.is_finished(), "two hold it");
        drop(first);
        second.join().unwrap().unwrap();
    });
}

#[test]
fn no_directory_is_none() {
    let temporary = tempfile::tempdir().unwrap();
    let absent = Directory::open(&temporary.path().join("absent"));
    assert!(absent.unwrap().is_none());
    fs::write(temporary.path().join("file"), "").unwrap();
    assert!(Directory::open(&temporary.path().join("file")).is_err());
}

#[test]
fn what_is_handed_over_belongs_to_the_owner_of_the_directory() {
    use std::os::unix::fs::MetadataExt as _;
    let (_temporary, directory) = directory();
    directory
        .hand_over("request", ".temporary", "text")
        .unwrap();
    let found = fs::metadata(directory.path().join("request")).unwrap();
    let owner = fs::metadata(directory.path()).unwrap().uid();
    assert_eq!((found.mode() & 0o777, found.uid()), (0o600, owner));
}

#[test]
fn a_link_is_a_second_name_and_replaces_nothing() {
    let (temporary, directory) = directory();
    let file = temporary.path().join("secret");
    directory.link(&file, "name").unwrap();
    assert_eq!(directory.read_text("name").unwrap(), "secret");
    assert!(directory.link(&file, "name").is_err());
    assert!(directory.link(&file, "../name").is_err());
    assert!(
        directory
            .link(&temporary.path().join("absent"), "x")
            .is_err()
    );
}
