//! Many writers of one record that are killed at any step: the real lock and file code, against
//! what every reader may rely on.

use std::collections::BTreeMap;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

use crate::support::{CLUSTER, Sandbox, Tools, record};

const WRITERS: usize = 6;

/// How many changes of the record make a run.
const ENOUGH: u64 = 80;

/// Takes the record over again and again, and notes each success after it.
const WRITER: &str = "SHAPE=primary
while [ -d \"$BACKUPS\" ]; do
  RECORD_COPY=/nowhere
  observe 2>/dev/null
  [ \"$V_RECORD\" = ours ] || continue
  N_CLUSTER=$V_CLUSTER N_EPOCH=$((V_EPOCH + 1)) N_PRIMARY=$ORDINAL N_STATE=steady
  record_replace record_decided_on record_render && echo \"$N_EPOCH\" >>\"$SANDBOX/won.$ORDINAL\"
done";

fn kill(process: &str) {
    let _ = Command::new("kill").args(["-9", "--", process]).output();
}

/// The writers of a run; none outlives it, whatever ends it.
struct Writers(Vec<Child>);

impl Writers {
    fn start(sandbox: &Sandbox) -> Self {
        Self(
            (0..WRITERS)
                .map(|ordinal| sandbox.spawn(ordinal, WRITER))
                .collect(),
        )
    }
}

impl Drop for Writers {
    fn drop(&mut self) {
        for writer in &mut self.0 {
            kill(&format!("-{}", writer.id()));
            let _ = writer.wait();
        }
    }
}

/// The record's epoch and primary; every state that a reader ever sees must have both.
fn seen(text: &str) -> (u64, usize) {
    let mut lines = text.lines();
    assert_eq!(
        lines.next(),
        Some(format!("cluster={CLUSTER}").as_str()),
        "{text:?}"
    );
    let number = |line: Option<&str>, key: &str| -> u64 {
        let value = line.and_then(|line| line.strip_prefix(key)).map(str::parse);
        value
            .and_then(Result::ok)
            .unwrap_or_else(|| panic!("{key} in {text:?}"))
    };
    let epoch = number(lines.next(), "epoch=");
    let primary = usize::try_from(number(lines.next(), "primary=")).unwrap();
    assert_eq!(
        (lines.next(), lines.next(), text.ends_with('\n')),
        (Some("state=steady"), None, true),
        "{text:?}"
    );
    (epoch, primary)
}

/// Kills writers, the whole group or the process alone, and replaces them.
fn disturb(sandbox: &Sandbox, writers: &mut [Child], choices: &mut dyn FnMut() -> usize) {
    let victim = choices() % WRITERS;
    let id = writers[victim].id();
    // The steps under the lock run in a child: alone, it goes on like a writer that is slow.
    let whole_group = choices() % 2 == 0;
    kill(&if whole_group {
        format!("-{id}")
    } else {
        id.to_string()
    });
    let _ = writers[victim].wait();
    writers[victim] = sandbox.spawn(victim, WRITER);
}

#[test]
fn no_epoch_repeats_and_no_two_writers_win_one() {
    let sandbox = Sandbox::new(Tools::Native);
    sandbox.write("backups/.topology", record(1, 0, ""));
    let mut writers = Writers::start(&sandbox);
    let mut runner = TestRunner::deterministic();
    let mut choices = || any::<u16>().new_tree(&mut runner).unwrap().current().into();

    let mut winners: BTreeMap<u64, usize> = BTreeMap::new();
    let mut last = 1;
    let latest = Instant::now() + Duration::from_secs(90);
    let mut next_kill = Instant::now();
    while last < ENOUGH && Instant::now() < latest {
        let (epoch, primary) = seen(&sandbox.read("backups/.topology"));
        assert!(epoch >= last, "epoch {epoch} after {last}");
        last = epoch;
        assert_eq!(
            *winners.entry(epoch).or_insert(primary),
            primary,
            "two records of epoch {epoch}"
        );
        if Instant::now() >= next_kill {
            disturb(&sandbox, &mut writers.0, &mut choices);
            next_kill = Instant::now()
                + Duration::from_millis(50 + u64::try_from(choices() % 150).unwrap());
        }
    }
    drop(writers);

    assert!(
        last >= ENOUGH,
        "only {last} changes: the writers hardly ran"
    );
    for ordinal in 0..WRITERS {
        let Ok(claimed) = std::fs::read_to_string(sandbox.path(&format!("won.{ordinal}"))) else {
            continue;
        };
        for epoch in claimed.lines().filter_map(|line| line.parse().ok()) {
            assert_eq!(
                *winners.entry(epoch).or_insert(ordinal),
                ordinal,
                "two winners of epoch {epoch}"
            );
        }
    }
    // A writer that died left no lock behind, nor more than its last temporary file.
    std::thread::sleep(Duration::from_millis(300));
    let script = "SHAPE=primary; RECORD_COPY=/nowhere; observe
        N_CLUSTER=$V_CLUSTER N_EPOCH=$((V_EPOCH + 1)) N_PRIMARY=0 N_STATE=steady
        record_replace record_decided_on record_render && ls -A \"$BACKUPS\" | sort";
    assert_eq!(sandbox.output(script), ".topology\n.topology.lock\n");
}
