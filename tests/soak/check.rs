//! What must hold when everything is well again.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::thread;
use std::time::{Duration, Instant};

use crate::clock::now;
use crate::found::{Checked, ensure};
use crate::ledger::WRITERS;
use crate::outside::bounded;
use crate::subject::Subject;

pub const ROWS: &str = "SELECT writer || ' ' || id FROM soak_rows";

/// Content and history of a pod, to be compared.
const CONTENT: &str = "
SELECT concat_ws(' ',
 (SELECT count(*) || ' ' || coalesce(sum(hashtextextended(t::text, 0)::numeric), 0) FROM soak_rows AS t),
 (SELECT count(*) || ' ' || sum(n) || ' ' || sum(hashtextextended(t::text, 0)::numeric) FROM soak_counts AS t))";
const HISTORY: &str = "
SELECT timeline || ' ' || coalesce(md5(pg_read_file('pg_wal/' || timeline || '.history', 0, 100000, true)), '')
  FROM (SELECT lpad(upper(to_hex(received_tli)), 8, '0') AS timeline FROM pg_stat_wal_receiver) AS t";
const HISTORY_OF_PRIMARY: &str = "
SELECT timeline || ' ' || coalesce(md5(pg_read_file('pg_wal/' || timeline || '.history', 0, 100000, true)), '')
  FROM (SELECT substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8) AS timeline) AS t";

impl Subject {
    /// Everything but backups, with the writers held while the pods are compared.
    pub fn verify(&self) -> Checked {
        let primary = self.primary().ok_or("no pod is the primary")?;
        let from = now();
        self.hold_writers()?;
        let compared = self.compare(primary);
        let _ = fs::remove_file(self.folder().join("pause"));
        if let Ok(mut ledger) = self.ledger.lock() {
            ledger.hold(from, now());
        }
        let lost = compared?;
        if lost > 0 {
            self.journal.say(format!(
                "  {:?} gave up {lost} rows, as it was announced",
                self.which
            ));
        }
        self.application_logs_in()?;
        self.writers_go_on()?;
        if let Some(words) = self.watch.two_writers() {
            return Err(words);
        }
        let leaks = self
            .ledger
            .lock()
            .map(|ledger| ledger.leaks.clone())
            .unwrap_or_default();
        ensure(leaks.is_empty(), || {
            format!("a password is in the output of {leaks:?}")
        })
    }

    fn hold_writers(&self) -> Checked {
        let folder = self.folder();
        File::create(folder.join("pause")).map_err(|error| format!("hold the writers: {error}"))?;
        let held = || (1..=WRITERS).all(|writer| folder.join(format!("held-{writer}")).exists());
        let until = Instant::now() + self.patience(15);
        while !held() && Instant::now() < until {
            thread::sleep(Duration::from_millis(50));
        }
        // They may be in a container that is being replaced: the comparison is repeated anyway.
        Ok(())
    }

    /// Answers how many rows were given up.
    fn compare(&self, primary: u16) -> Checked<usize> {
        let until = Instant::now() + self.patience(20);
        loop {
            let compared = self.compare_once(primary);
            if compared.is_ok() || Instant::now() > until {
                compared?;
                break;
            }
            thread::sleep(Duration::from_millis(300));
        }
        let there = self.rows(primary)?;
        let mut ledger = self.ledger.lock().map_err(|_| "the ledger is poisoned")?;
        ledger.settle(&there)
    }

    fn compare_once(&self, primary: u16) -> Checked {
        let end = self.sql(primary, "SELECT pg_current_wal_flush_lsn()")?;
        let (content, history) = (
            self.sql(primary, CONTENT)?,
            self.sql(primary, HISTORY_OF_PRIMARY)?,
        );
        let words: Vec<_> = content.split(' ').collect();
        ensure(words.first() == words.get(3), || {
            format!("pod {primary}: rows and counts differ: {content}")
        })?;
        for pod in self.pods().filter(|pod| *pod != primary) {
            let replayed = self.sql(pod, &format!("SELECT pg_last_wal_replay_lsn() >= '{end}'"))?;
            ensure(replayed == "t", || {
                format!("pod {pod} has not replayed {end}")
            })?;
            let ahead = self.sql(primary, "SELECT pg_current_wal_flush_lsn()");
            let reached = self.sql(pod, "SELECT pg_last_wal_receive_lsn()")?;
            let written = self.sql(
                primary,
                &format!("SELECT pg_current_wal_flush_lsn() >= '{reached}'"),
            )?;
            ensure(written == "t", || {
                format!("pod {pod} has {reached}, which pod {primary} never wrote: {ahead:?}")
            })?;
            let of_pod = self.sql(pod, CONTENT)?;
            ensure(of_pod == content, || {
                format!("pod {pod} holds {of_pod}, and pod {primary}, the primary, {content}")
            })?;
            let of_pod = self.sql(pod, HISTORY)?;
            ensure(of_pod == history, || {
                format!(
                    "pod {pod} has the history {of_pod}, and pod {primary}, the primary, {history}"
                )
            })?;
        }
        Ok(())
    }

    fn rows(&self, pod: u16) -> Checked<Vec<BTreeSet<u64>>> {
        let container = self.cluster.pod(pod);
        let psql = [
            "docker", "exec", &container, "psql", "-XAtq", "-p", "5433", "-U", "appuser", "-d",
            "appdata", "-c", ROWS,
        ];
        Ok(by_writer(&bounded(60, &psql)?))
    }

    /// In its own container, with what the platform gave it.
    fn application_logs_in(&self) -> Checked {
        let app = format!("{}-app.0", self.cluster.scope);
        let until = Instant::now() + self.patience(15);
        for (variable, expected) in [("DATABASE_URL", "f"), ("DATABASE_READ_URL", "t")] {
            let script = format!("exec psql \"${variable}\" -XAtqc 'SELECT pg_is_in_recovery()'");
            loop {
                let answer = bounded(10, &["docker", "exec", &app, "sh", "-c", &script]);
                if answer.as_deref() == Ok(expected) {
                    break;
                }
                ensure(Instant::now() < until, || {
                    format!("the application with its {variable}: {answer:?}, not {expected}")
                })?;
                thread::sleep(Duration::from_millis(300));
            }
        }
        Ok(())
    }

    /// When the reader was answered last.
    fn last_read(&self) -> f64 {
        let reads = fs::read_to_string(self.folder().join("reads")).unwrap_or_default();
        let last = reads.lines().next_back();
        last.and_then(|at| at.parse().ok()).unwrap_or_default()
    }

    /// Each of them is acknowledged something again.
    fn writers_go_on(&self) -> Checked {
        let until = Instant::now() + self.patience(20);
        let begun = now();
        loop {
            let mut last = {
                let mut ledger = self.ledger.lock().map_err(|_| "the ledger is poisoned")?;
                ledger.read()?;
                ledger.last_acknowledged()
            };
            last.push(self.last_read());
            if last.iter().all(|last| *last > begun) {
                return Ok(());
            }
            ensure(Instant::now() < until, || {
                format!(
                    "not every writer, or not the reader, was answered since {begun:.1}: {last:?}"
                )
            })?;
            thread::sleep(Duration::from_millis(100));
        }
    }
}

pub fn by_writer(rows: &str) -> Vec<BTreeSet<u64>> {
    let mut there = vec![BTreeSet::new(); WRITERS];
    for row in rows.lines() {
        let Some((writer, id)) = row.split_once(' ') else {
            continue;
        };
        if let (Ok(writer), Ok(id)) = (writer.parse::<usize>(), id.parse()) {
            if let Some(ids) = there.get_mut(writer.wrapping_sub(1)) {
                ids.insert(id);
            }
        }
    }
    there
}
