//! The parts of the soak that need no cluster: what is generated, written down, made shorter, and what
//! counts as a finding.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    missing_docs,
    unreachable_pub,
    dead_code
)]

mod advice;
mod clock;
mod found;
mod ledger;
mod random;
mod reigns;
mod shorter;
mod step;

use std::collections::BTreeSet;
use std::fs;
use std::time::{Duration, Instant};

use ledger::{Announced, Ledger, announced_by};
use reigns::Reigns;
use step::{Generator, Kind, Round};

#[test]
fn a_seed_gives_the_same_rounds_and_they_can_be_read_again() {
    let rounds: Vec<Round> = Generator::new(7).take(2_000).collect();
    assert_eq!(rounds, Generator::new(7).take(2_000).collect::<Vec<_>>());
    assert_ne!(rounds, Generator::new(8).take(2_000).collect::<Vec<_>>());
    let again: Vec<Round> = rounds
        .iter()
        .map(|round| round.to_string().parse().unwrap())
        .collect();
    assert_eq!(rounds, again);
    let kinds: BTreeSet<Kind> = rounds
        .iter()
        .flat_map(|round| round.0.iter().map(|step| step.kind))
        .collect();
    let all = Kind::ALL.iter().copied();
    assert_eq!(kinds, all.filter(|kind| kind.weight() > 0).collect());
    assert!("three promote nobody 0 @0".parse::<Round>().is_err());
}

#[track_caller]
fn shortened(whole: &[u32], needed: &[u32], expected: Option<&[u32]>) {
    let fails = |list: &[u32]| {
        let has_all = needed.iter().all(|item| list.contains(item));
        has_all.then(|| (list.to_vec(), "found".to_owned()))
    };
    let until = Instant::now() + Duration::from_secs(60);
    let found = shorter::shortest(whole, until, fails);
    assert_eq!(found.map(|(list, _)| list).as_deref(), expected);
}

#[test]
fn a_list_is_shortened_to_what_fails() {
    let whole: Vec<u32> = (0..40).collect();
    shortened(&whole, &[39], Some(&[39]));
    shortened(&whole, &[3, 17, 39], Some(&[3, 17, 39]));
    shortened(&[1], &[1], None);
    shortened(&whole, &[40], None);
}

#[test]
fn no_time_is_spent_on_a_list_when_there_is_none() {
    let never = |_: &[u32]| panic!("there was no time");
    assert_eq!(shorter::shortest(&[1, 2, 3], Instant::now(), never), None);
}

#[test]
fn two_primaries_are_two_only_at_one_moment() {
    let mut seen = Reigns::default();
    seen.primary(0, "1", 10.0);
    seen.primary(0, "1", 11.0);
    seen.primary(1, "2", 12.0);
    seen.primary(0, "3", 13.0);
    assert_eq!(seen.two_at_once(), None);
    // The first server of pod 1 lives on, so it was a primary at 13.0 as well.
    seen.primary(1, "2", 14.0);
    assert!(seen.two_at_once().unwrap().contains("pod 0 and pod 1"));
}

#[test]
fn a_message_is_read_up_to_where_its_command_ends() {
    let text = "pod 0 holds 3 transactions; to save them: docker cp x:/y <directory>; to give them up: vd pg:rejoin s/db --replica 0 --yes";
    let line = ["pg:rejoin", "s/db", "--replica", "0", "--yes"];
    assert_eq!(advice::commands(text), [line]);
    let text =
        "the replay is paused; vd pg:psql s/db --replica 1 -c 'SELECT pg_wal_replay_resume()'";
    assert_eq!(
        advice::commands(text)[0][5],
        "SELECT pg_wal_replay_resume()"
    );
    let text = "run vd pg:expose s/db or vd pg:unexpose s/db again (ports win)";
    let lines = [["pg:expose", "s/db"], ["pg:unexpose", "s/db"]];
    assert_eq!(advice::commands(text), lines);
    let forced = advice::commands("vd pg:promote s/db --replica <ordinal> --force");
    assert!(!advice::is_harmless(&forced[0]));
}

/// A ledger of two writers, with these acknowledged at the second that their id is.
fn ledger(ids: [&[u64]; 2]) -> (tempfile::TempDir, Ledger) {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    for (number, ids) in ids.iter().enumerate() {
        let lines: Vec<_> = ids.iter().map(|id| format!("{id}.5 {id}\n")).collect();
        fs::write(
            folder.path().join(format!("w{}", number + 1)),
            lines.concat(),
        )
        .unwrap();
    }
    let ledger = Ledger::new(folder.path());
    (folder, ledger)
}

/// What is found when the database has those rows and these losses were announced.
fn settled(there: [&[u64]; 2], losses: &[Announced]) -> Result<usize, String> {
    let (_folder, mut ledger) = ledger([&[1, 2, 3, 4], &[1, 2, 3]]);
    for loss in losses {
        ledger.announce(loss.clone());
    }
    ledger.settle(&there.map(|ids| ids.iter().copied().collect()))
}

#[test]
fn what_is_lost_must_have_been_announced() {
    let last = |commits, at| Announced::Last { commits, at };
    assert_eq!(settled([&[1, 2, 3, 4, 9], &[1, 2, 3]], &[]), Ok(0));
    assert!(settled([&[1, 2, 3], &[1, 2, 3]], &[]).is_err());
    assert_eq!(settled([&[1, 2], &[1, 2]], &[last(3, 9.0)]), Ok(3));
    assert_eq!(settled([&[1, 4], &[1, 2, 3]], &[last(3, 9.0)]), Ok(2));
    // More than was said; from the middle; after the takeover.
    assert!(settled([&[1, 2], &[1, 2]], &[last(2, 9.0)]).is_err());
    assert!(settled([&[1, 3], &[1, 2, 3]], &[last(9, 9.0)]).is_err());
    assert!(settled([&[1, 2, 3], &[1, 2, 3]], &[last(9, 2.0)]).is_err());
    // A restore takes whatever was acknowledged while it ran.
    let between = Announced::Between {
        from: 2.0,
        until: 3.6,
    };
    assert_eq!(
        settled([&[1, 4], &[1]], std::slice::from_ref(&between)),
        Ok(4)
    );
    assert!(settled([&[4], &[1]], &[between]).is_err());
}

#[test]
fn a_promotion_says_what_it_gives_up() {
    let commits = |message| match announced_by(message) {
        Some(Announced::Last { commits, .. }) => Some(commits),
        _ => None,
    };
    assert_eq!(
        commits("LOST unless you save them: 12 transactions in 4 kB"),
        Some(12)
    );
    let two =
        "LOST unless you save them: 12 transactions\nLOST unless you save them: 1 transaction";
    assert_eq!(commits(two), Some(13));
    assert!(announced_by("pod 1 is now the primary, and nothing was lost").is_none());
    let unknown = announced_by("what only pod 0 has is unknown: it cannot be read");
    assert!(matches!(unknown, Some(Announced::Unknown { .. })));
}
