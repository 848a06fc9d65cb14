//! What the servers of `clowk-lp/db` say when all is well, to be changed by a test.

use serde_json::{Value, json};

use super::world::World;

/// What the server stores of the password before a rotation.
pub(crate) const VERIFIER: &str = "SCRAM-SHA-256$4096:b2xk$b2xk:b2xk\n";

/// A primary that these standbys stream from.
pub(crate) fn primary(standbys: &[u16]) -> Value {
    let row = |pod: &u16| {
        json!({
            "name": format!("voodu-postgres-standby-{pod}"), "state": "streaming", "sync": "async", "pid": 70 + pod,
            "since": 1_700_000_000, "address": "172.18.0.3", "sent": "0/5000148", "flushed": "0/5000148",
            "replayed": "0/5000148", "lag_bytes": 0, "lag_seconds": null, "reply_seconds": 0.5,
        })
    };
    let rows: Vec<_> = standbys.iter().map(row).collect();
    json!({
        "in_recovery": false, "timeline": 1, "system": "7", "written": "0/5000148", "received": null, "replayed": null,
        "replay_paused": false, "replay_delay": 0.0, "receiver": null, "standbys": rows,
    })
}

/// A standby that streams.
pub(crate) fn standby() -> Value {
    json!({
        "in_recovery": true, "timeline": 1, "system": "7", "written": null, "received": "0/5000148",
        "replayed": "0/5000148", "replay_paused": false, "replay_delay": 0.0,
        "receiver": {"state": "streaming", "host": "db-0.clowk-lp.voodu"}, "standbys": [],
    })
}

/// What a server holds.
pub(crate) fn inventory() -> Value {
    json!({
        "version": "17.2 (Debian 17.2-1)", "up_seconds": 300_000, "config_file": "/var/lib/postgresql/data/pgdata/postgresql.conf",
        "pending_restart": [], "roles": ["analyst", "appuser", "replicator"], "old_databases": [], "old_collations": [],
        "wal_bytes": 50_331_648, "databases": [
            {"name": "analytics", "bytes": 1_288_490_188}, {"name": "appdata", "bytes": 31_457_280},
            {"name": "postgres", "bytes": 7_602_703}, {"name": "template1", "bytes": 7_602_703},
        ],
    })
}

/// A server that nothing special is known of.
pub(crate) fn prospects() -> Value {
    json!({
        "sync_names": "", "sync_commit": "on", "segment_bytes": 16_777_216, "prepared": 0, "senders": [], "slots": [],
        "waiting": {"commits": 0, "seconds": 0},
        "limits": {"max_connections": {"running": 100, "configured": 100}},
        "unlogged": {"database": "appdata", "tables": 0, "sequences": 0, "rows": 0, "names": []},
        "unlogged_elsewhere": [],
    })
}

impl World {
    /// The pods run, pod 0 as the primary, and the others stream from it.
    pub(crate) fn forms(&self, replicas: u16) {
        self.prepare("login", "");
        self.prepare("replication-login", "");
        self.prepare("alter", "");
        self.prepare("verifier", VERIFIER);
        self.prepare("cluster_id", "0123456789abcdef0123456789abcdef");
        self.prepare("record_format", "2");
        for pod in 0..replicas {
            self.beats(pod, 0);
        }
        let standbys: Vec<_> = (1..replicas).collect();
        self.says(0, &[primary(&standbys), prospects(), inventory()]);
        for pod in standbys {
            self.says(pod, &[standby(), prospects(), inventory()]);
        }
    }

    /// A pod's script left its last heartbeat that many seconds ago.
    pub(crate) fn beats(&self, pod: u16, seconds: u64) {
        let read = |path: &str| std::fs::read_to_string(path).unwrap();
        let boot = read("/proc/sys/kernel/random/boot_id");
        let uptime = read("/proc/uptime");
        let uptime: u64 = uptime.split('.').next().unwrap().parse().unwrap();
        let id = &self.platform.bucket("clowk-lp", "db")["PG_CLUSTER_ID"];
        let (boot, then) = (boot.trim_end(), uptime.saturating_sub(seconds));
        let text = format!(
            "format=1\ncluster={id}\nordinal={pod}\nboot={boot}\nuptime={then}\nepoch=7\nrole=none\n"
        );
        let path = self.backups("clowk-lp", "db").join(format!(".pod-{pod}"));
        std::fs::write(path, text).unwrap();
    }

    /// What a pod's server answers, a document on each line.
    pub(crate) fn says(&self, pod: u16, documents: &[Value]) {
        let lines: Vec<_> = documents.iter().map(Value::to_string).collect();
        self.prepare(
            &format!("says-clowk-lp-db.{pod}"),
            &(lines.join("\n") + "\n"),
        );
    }

    /// Puts a pod into a state of docker's.
    pub(crate) fn becomes(&self, pod: u16, state: &str) {
        let pods = std::fs::read_to_string(self.bin().join("pods")).unwrap();
        let name = format!("clowk-lp-db.{pod}\t");
        let lines = pods
            .lines()
            .filter_map(|line| match line.starts_with(&name) {
                true if state == "absent" => None,
                true => Some(format!("{name}{state}\t{pod}")),
                false => Some(line.to_owned()),
            });
        let pods: Vec<_> = lines.collect();
        self.prepare("pods", &pods.join("\n"));
    }
}
