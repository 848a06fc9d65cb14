//! A cluster of three to try the gate on.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::cluster::handover::gate::{Facts, Plan, Way, Wish, plan};
use crate::cluster::remains::{Held, Remains};
use crate::cluster::room::{Room, Rooms};
use crate::cluster::silence::Silence;
use crate::cluster::survey::{PodReport, State as Container, Survey};
use crate::model::byte_size::ByteSize;
use crate::model::refusal::Result;
use crate::model::resource_ref::ResourceRef;
use crate::postgres::server::{Follower, Server};

const RECORD: &str = "cluster=0123456789abcdef0123456789abcdef\nepoch=7\nprimary=0\nstate=steady\n";

/// A cluster of three: pod 0 is the primary, the others stream and have everything.
pub(super) struct World {
    pub(super) record: Option<String>,
    pub(super) record_age: Option<Duration>,
    pub(super) survey: Survey,
    pub(super) rooms: Rooms,
    pub(super) remains: Remains,
    pub(super) is_requested: bool,
    pub(super) foreign: Option<PathBuf>,
    pub(super) wish: Wish,
}

/// A server with all that there is.
pub(super) fn server(in_recovery: bool) -> Server {
    let position = "0/5000148".parse().ok();
    Server {
        in_recovery,
        timeline: 1,
        system: "7".to_owned(),
        written: position.filter(|_| !in_recovery),
        received: position.filter(|_| in_recovery),
        replayed: position.filter(|_| in_recovery),
        ..Server::default()
    }
}

fn follower(pod: &str) -> Follower {
    Follower {
        name: format!("voodu-postgres-standby-{pod}"),
        state: "streaming".to_owned(),
        lag_bytes: Some(0),
        ..Follower::default()
    }
}

/// What a server answers that nothing special is known of.
pub(super) fn prospects() -> Map<String, Value> {
    let answers = json!({
        "sync_names": "", "sync_commit": "on", "segment_bytes": 16 << 20, "slots": [], "senders": [],
        "limits": {"max_connections": {"running": 100, "configured": 100}},
        "unlogged": {"database": "appdata", "tables": 0}, "unlogged_elsewhere": [],
    });
    answers.as_object().unwrap().clone()
}

fn room() -> Room {
    Room {
        data: 1 << 30,
        backups: 1 << 30,
        complaint: None,
    }
}

impl World {
    pub(super) fn new() -> Self {
        let primary = Server {
            standbys: vec![follower("1"), follower("2")],
            ..server(false)
        };
        let mut pods = vec![
            PodReport::answering("0", primary),
            PodReport::answering("1", server(true)),
            PodReport::answering("2", server(true)),
        ];
        for pod in &mut pods {
            pod.more = prospects();
        }
        Self {
            record: Some(RECORD.to_owned()),
            record_age: Some(Duration::from_secs(1)),
            rooms: pods.iter().map(|pod| (pod.ordinal, room())).collect(),
            survey: Survey { pods },
            remains: Remains::new(),
            is_requested: true,
            foreign: None,
            wish: Wish {
                target: "1".parse().unwrap(),
                max_lag: ByteSize(16 << 20),
                force: false,
                allow_lag: false,
                no_restart: false,
            },
        }
    }

    pub(super) fn record(mut self, from: &str, to: &str) -> Self {
        self.record = Some(RECORD.replace(from, to));
        self
    }

    pub(super) fn since(mut self, seconds: u64) -> Self {
        self.record_age = Some(Duration::from_secs(seconds));
        self
    }

    pub(super) fn pod(mut self, pod: usize, change: impl FnOnce(&mut PodReport)) -> Self {
        change(&mut self.survey.pods[pod]);
        self
    }

    pub(super) fn server(self, pod: usize, change: impl FnOnce(&mut Server)) -> Self {
        self.pod(pod, |pod| change(pod.server.as_mut().unwrap()))
    }

    /// What a pod's server answers to one more question.
    pub(super) fn answers(self, pod: usize, key: &str, answer: Value) -> Self {
        self.pod(pod, |pod| drop(pod.more.insert(key.to_owned(), answer)))
    }

    /// What a pod says of its disks.
    pub(super) fn room(mut self, pod: &str, change: impl FnOnce(&mut Room)) -> Self {
        change(self.rooms.get_mut(&pod.parse().unwrap()).unwrap());
        self
    }

    /// What a pod's volume holds.
    pub(super) fn holds(mut self, pod: &str, held: Held) -> Self {
        self.remains.insert(pod.parse().unwrap(), held);
        self
    }

    pub(super) fn target(mut self, pod: &str) -> Self {
        self.wish.target = pod.parse().unwrap();
        self
    }

    pub(super) fn force(mut self) -> Self {
        self.wish.force = true;
        self
    }

    pub(super) fn is(self, pod: usize, state: Container) -> Self {
        self.pod(pod, |pod| {
            pod.state = state;
            pod.server = Err(Silence::NotRunning);
            pod.more.clear();
        })
    }

    pub(super) fn plan(&self) -> Result<Plan> {
        let cluster = ResourceRef::new("s", "db").unwrap();
        let record = self.record.as_ref().map(|text| text.parse().unwrap());
        let facts = Facts {
            cluster: &cluster,
            record: record.as_ref(),
            record_age: self.record_age,
            survey: &self.survey,
            rooms: &self.rooms,
            remains: &self.remains,
            is_requested: self.is_requested,
            foreign: self.foreign.as_deref(),
        };
        plan(facts, &self.wish)
    }

    #[track_caller]
    pub(super) fn refused(&self, reason: &str, next: &str) {
        let refusal = self.plan().unwrap_err();
        assert!(refusal.to_string().contains(reason), "{refusal}");
        assert!(refusal.next().contains(next), "{}", refusal.next());
    }

    #[track_caller]
    pub(super) fn goes(&self, way: &Way) {
        assert_eq!(&self.plan().unwrap().way, way);
    }
}
