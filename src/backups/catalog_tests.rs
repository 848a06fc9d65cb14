use super::*;
use crate::docker::fake::FakeRunner;

const A: &str = "b007-20260504T020000Z.dump";
const B: &str = "b008-20260505T143000Z.dump";

fn db() -> ResourceRef {
    ResourceRef::new("s", "db").unwrap()
}

/// Containers as docker lists them: `b008 running ours`, `b008 137 older`.
fn catalog(files: &[&str], containers: &[&str]) -> Catalog {
    let entry = |(size, name): (u64, &&str)| Entry {
        name: (*name).to_owned(),
        size,
    };
    let entries: Vec<_> = (100..).zip(files).map(entry).collect();
    let lines: String = containers.iter().map(|words| line(words)).collect();
    let runner = FakeRunner::default().prints("docker ps", &lines);
    let jobs = containers::jobs(Docker::new(&runner), &db(), Role::Backup).unwrap();
    Catalog::merge(&db(), &entries, jobs)
}

fn line(words: &str) -> String {
    let [id, state, whose] = words.split(' ').collect::<Vec<_>>()[..] else {
        panic!("{words}");
    };
    let state = match state.parse::<i32>() {
        Ok(code) => format!("exited\tExited ({code}) 2 hours ago"),
        Err(_) => format!("{state}\tUp 3 seconds"),
    };
    let labels = match whose {
        "ours" => "s\tdb\t2026-05-05T14:30:00Z",
        "another" => "s-db\tx\t2026-05-05T14:30:00Z",
        _ => "\t\t",
    };
    format!("s-db-backup-{id}\t{state}\t{labels}\n")
}

#[track_caller]
fn lists(files: &[&str], containers: &[&str], expected: &[&str]) {
    let catalog = catalog(files, containers);
    let lines = catalog.backups.iter().map(|backup| {
        let (id, status, size) = (backup.id, backup.status.word(), backup.size);
        let verified = if backup.verified { " verified" } else { "" };
        let container = if backup.container.is_some() { " +" } else { "" };
        format!("{id} {status} {size}{verified}{container}")
    });
    assert_eq!(
        lines.collect::<Vec<_>>(),
        expected,
        "{files:?} {containers:?}"
    );
}

#[test]
fn files_and_containers_make_one_list() {
    let partial = &format!("{B}.partial");
    let checksum = &format!("{A}.sha256");
    lists(&[], &[], &[]);
    lists(&[A, checksum], &[], &["b007 complete 100 verified"]);
    lists(&[A], &[], &["b007 complete 100"]);
    lists(
        &[B, A],
        &["b008 0 ours"],
        &["b007 complete 101", "b008 complete 100 +"],
    );
    lists(&[partial], &["b008 running ours"], &["b008 running 100 +"]);
    lists(&[], &["b008 running ours"], &["b008 running 0 +"]);
    lists(&[partial], &["b008 paused ours"], &["b008 running 100 +"]);
    lists(&[partial], &["b008 137 ours"], &["b008 failed 0 +"]);
    lists(&[], &["b008 1 ours"], &["b008 failed 0 +"]);
    lists(&[], &["b008 created ours"], &["b008 failed 0 +"]);
    lists(&[], &["b008 0 ours"], &[]);
    // Complete although its container still looks after older ones, or failed at that.
    lists(&[B], &["b008 running ours"], &["b008 complete 100 +"]);
    lists(&[B], &["b008 1 ours"], &["b008 complete 100 +"]);
}

#[test]
fn the_older_plugin_writes_under_the_final_name() {
    lists(&[B], &["b008 running older"], &["b008 running 100 +"]);
    lists(&[B], &["b008 137 older"], &["b008 failed 100 +"]);
    lists(&[B], &["b008 0 older"], &["b008 complete 100 +"]);
    let checksum = &format!("{B}.sha256");
    lists(
        &[B, checksum],
        &["b008 137 older"],
        &["b008 complete 100 verified +"],
    );
}

#[test]
fn two_files_with_one_id_are_two_backups() {
    let twin = "b008-20260505T143001Z.dump";
    lists(
        &[B, twin],
        &["b008 0 ours"],
        &["b008 complete 100 +", "b008 complete 101"],
    );
    let catalog = catalog(&[B, twin], &[]);
    let refusal = catalog.find("b8".parse().unwrap()).unwrap_err();
    assert_eq!(
        refusal.to_string(),
        "s/db: several backups have the id b008"
    );
    assert!(refusal.next().ends_with(&format!("{B} or {twin}")));
    let found = catalog.find(twin.parse().unwrap()).unwrap();
    assert_eq!(found.size, 101);
    assert!(catalog.find("b7".parse().unwrap()).is_err());
}

#[test]
fn another_clusters_container_takes_its_id_and_nothing_else() {
    lists(&[], &["b008 running another"], &[]);
    let catalog = catalog(&[A], &["b008 running another"]);
    assert_eq!(catalog.highest, BackupId::new(8));
    assert_eq!(catalog.running().count(), 0);
}

#[test]
fn what_killed_captures_left_is_given_back() {
    let names = [
        format!("{B}.partial"),
        format!("{B}.sha256.partial"),
        format!("{B}.sha256"),
        format!("{A}.sha256.partial"),
    ];
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    let files = [
        &[A, "b007-20260504T020000Z.dump.sha256", "other"],
        &names[..],
    ]
    .concat();
    let mut left = catalog(&files, &["b008 137 ours"]).leftovers;
    left.sort();
    let mut expected = names;
    expected.sort_unstable();
    assert_eq!(left, expected);
    // Whoever runs may just be writing the checksum of an older one.
    assert!(catalog(&files, &["b008 running ours"]).leftovers.is_empty());
}

#[test]
fn a_password_is_left_to_the_job_that_it_is_for() {
    let names = [
        ".b007.00.password",
        ".b008.11.password",
        ".p001.22.password",
        ".restore-r001.33.password",
        ".last-id.0011223344556677",
    ];
    let left = |jobs: &[&str]| catalog(&names, jobs).temporaries;
    assert_eq!(left(&["b008 running ours"]), [names[0], names[4]]);
    assert_eq!(left(&["b008 1 ours"]), [names[0], names[1], names[4]]);
}

#[test]
fn the_checksum_of_a_dump_that_was_published_meanwhile_stays() {
    let temporary = tempfile::tempdir().unwrap();
    let directory = Directory::open(temporary.path()).unwrap().unwrap();
    let checksum = format!("{B}.sha256");
    for name in [&checksum, B] {
        std::fs::write(temporary.path().join(name), "x").unwrap();
    }
    // What the directory had when it was read: the dump still under its other name.
    let seen = [&format!("{B}.partial"), &checksum[..]];
    catalog(&seen, &["b008 0 ours"]).sweep(&directory);
    assert!(temporary.path().join(&checksum).exists());
    std::fs::remove_file(temporary.path().join(B)).unwrap();
    catalog(&seen, &["b008 0 ours"]).sweep(&directory);
    assert!(!temporary.path().join(&checksum).exists());
}

#[test]
fn the_newest_verified_one_is_by_time() {
    let twin = "b006-20260506T000000Z.dump";
    let files = [A, twin, B].map(str::to_owned);
    let checksums = [A, twin].map(|name| format!("{name}.sha256"));
    let all: Vec<_> = files.iter().chain(&checksums).map(String::as_str).collect();
    let catalog = catalog(&all, &[]);
    assert_eq!(
        catalog.newest_verified().unwrap().id,
        BackupId::new(6).unwrap()
    );
    assert_eq!(catalog.unverified().count(), 1);
}
