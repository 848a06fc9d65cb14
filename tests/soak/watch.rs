//! Watchers that ask every pod twice a second, over its own socket, whether it accepts writes.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::reigns::Reigns;
use crate::support::Cluster;

/// A session for as long as the server lives. Its answers begin with a mark, the server's clock and
/// the start of its postmaster.
const SCRIPT: &str = "
sql=\"SELECT 'soak ' || CASE WHEN pg_is_in_recovery() THEN 'standby' ELSE 'primary' END || ' ' ||
 extract(epoch FROM pg_postmaster_start_time()) || ' ' || extract(epoch FROM clock_timestamp());\"
while :; do
  while echo \"$sql\"; do sleep 0.45; done 2>/dev/null | psql -XAtq -p 5433 -U appuser -d appdata 2>/dev/null
  sleep 0.3
done";

type Seen = Arc<Mutex<Reigns>>;

pub struct Watch {
    seen: Seen,
    ended: Arc<AtomicBool>,
    clients: Arc<Mutex<BTreeMap<u16, Child>>>,
    threads: Vec<JoinHandle<()>>,
}

impl Watch {
    pub fn start(cluster: &Cluster) -> Self {
        let mut watch = Self {
            seen: Arc::default(),
            ended: Arc::default(),
            clients: Arc::default(),
            threads: Vec::new(),
        };
        for pod in 0..cluster.plan.replicas {
            let (seen, ended, clients) = (
                Arc::clone(&watch.seen),
                Arc::clone(&watch.ended),
                Arc::clone(&watch.clients),
            );
            let container = cluster.pod(pod);
            watch.threads.push(thread::spawn(move || {
                while !ended.load(Ordering::SeqCst) {
                    follow(&container, pod, &seen, &clients);
                    thread::sleep(Duration::from_millis(300));
                }
            }));
        }
        watch
    }

    /// Two pods that were primaries at one moment.
    pub fn two_writers(&self) -> Option<String> {
        self.seen.lock().ok()?.two_at_once()
    }

    /// How many servers were seen as a primary.
    pub fn reigns(&self) -> usize {
        self.seen.lock().map_or(0, |seen| seen.count())
    }

    pub fn stop(&mut self) {
        self.ended.store(true, Ordering::SeqCst);
        for thread in self.threads.drain(..) {
            // One that has just started its client is found in the next turn.
            while !thread.is_finished() {
                if let Ok(mut clients) = self.clients.lock() {
                    for client in clients.values_mut() {
                        let _ = client.kill();
                    }
                }
                thread::sleep(Duration::from_millis(50));
            }
            let _ = thread.join();
        }
    }
}

fn follow(container: &str, pod: u16, seen: &Seen, clients: &Mutex<BTreeMap<u16, Child>>) {
    let client = Command::new("docker")
        .args(["exec", container, "bash", "-c", SCRIPT])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn();
    let Ok(mut client) = client else { return };
    let Some(stdout) = client.stdout.take() else {
        return;
    };
    if let Ok(mut clients) = clients.lock() {
        clients.insert(pod, client);
    }
    for line in BufReader::new(stdout).lines().map_while(Result::ok) {
        let words: Vec<_> = line.split(' ').collect();
        let ["soak", "primary", started, at] = words[..] else {
            continue;
        };
        let (Ok(at), Ok(mut seen)) = (at.parse(), seen.lock()) else {
            continue;
        };
        seen.primary(pod, started, at);
    }
    if let Ok(mut clients) = clients.lock() {
        if let Some(mut client) = clients.remove(&pod) {
            let _ = client.kill();
            let _ = client.wait();
        }
    }
}
