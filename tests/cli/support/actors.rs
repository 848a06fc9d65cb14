//! The pods of `clowk-lp/db`, as far as they act on the record.

use std::fs;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use super::world::World;

/// As soon as the record says this, a pod writes that.
pub(crate) type Step = (&'static str, &'static str);

pub(crate) const STOPS: Step = (
    "state=handover\ntarget=1\n",
    "primary=0\nstate=handover\ntarget=1\nstopped_at=0/5000148\n",
);
pub(crate) const TAKES_OVER: Step = ("stopped_at=", "primary=1\nstate=steady\nclean=0\n");
pub(crate) const GIVES_BACK: Step = ("stopped_at=", "primary=0\nstate=steady\n");

impl World {
    /// The record's text.
    pub(crate) fn record_text(&self) -> String {
        fs::read_to_string(self.record_path("clowk-lp", "db")).unwrap()
    }

    /// Writes the next record, with those lines after its epoch.
    pub(crate) fn next_record(&self, lines: &str) {
        write_next(&self.record_path("clowk-lp", "db"), lines);
    }

    /// Runs a command while the pods take their steps.
    pub(crate) fn while_pods<T>(&self, steps: &[Step], command: impl FnOnce() -> T) -> T {
        let path = self.record_path("clowk-lp", "db");
        let calls = self.bin().join("calls");
        thread::scope(|scope| {
            scope.spawn(|| {
                // The command has read the record by then.
                until(|| calls.exists());
                for step in steps {
                    take(&path, step);
                }
            });
            command()
        })
    }

    /// Runs a command, and something else while it waits for docker's answer to a call, or a server's
    /// to a statement, with those words.
    pub(crate) fn at<T>(
        &self,
        words: &str,
        else_: impl FnOnce() + Send,
        command: impl FnOnce() -> T,
    ) -> T {
        let [pause, paused] = ["pause-at", "paused"].map(|name| self.bin().join(name));
        fs::remove_file(&paused).ok();
        self.prepare("pause-at", words);
        thread::scope(|scope| {
            scope.spawn(|| {
                until(|| paused.exists());
                else_();
                fs::remove_file(&pause).ok();
            });
            command()
        })
    }

    /// Pod 1 accepts writes and the others follow it, once it is the primary.
    pub(crate) fn will_follow(&self, others: &[u16]) {
        let name = |pod: &u16| format!("voodu-postgres-standby-{pod}\n");
        let names: String = others.iter().map(name).collect();
        self.prepare("writes-clowk-lp-db.1", "751\n");
        self.prepare("follow-clowk-lp-db.1", &names);
    }
}

fn take(path: &Path, (when, lines): &Step) {
    until(|| fs::read_to_string(path).is_ok_and(|text| text.contains(when)));
    // For whoever looks at the record in between.
    thread::sleep(Duration::from_millis(100));
    write_next(path, lines);
}

fn until(holds: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !holds() && Instant::now() < deadline {
        thread::sleep(Duration::from_millis(5));
    }
}

fn write_next(path: &Path, lines: &str) {
    let text = fs::read_to_string(path).unwrap();
    let mut head = text.lines();
    let (cluster, epoch) = (head.next().unwrap(), head.next().unwrap());
    let epoch: u64 = epoch.strip_prefix("epoch=").unwrap().parse().unwrap();
    let next = format!("{cluster}\nepoch={}\n{lines}", epoch + 1);
    let temporary = path.with_extension("by-a-pod");
    fs::write(&temporary, next).unwrap();
    fs::rename(temporary, path).unwrap();
}
