//! How a cluster is right now: what is stored of it, what the record says, what its pods say.

use std::collections::BTreeMap;
use std::thread;
use std::time::{Duration, SystemTime};

use serde_json::Value;

use crate::cluster::Cluster;
use crate::cluster::record_file;
use crate::cluster::room::{self, Rooms};
use crate::cluster::survey::{PodReport, Survey};
use crate::docker::engine::Docker;
use crate::docker::runner::Failure;
use crate::model::ordinal::Ordinal;
use crate::model::secret::Secret;
use crate::model::topology_record::{State, TopologyRecord};
use crate::postgres::crowd::CROWD;
use crate::postgres::fresh_login::FreshLogin;
use crate::postgres::inventory::{INVENTORY, Inventory};
use crate::postgres::prospects::{PROSPECTS, Prospects};
use crate::postgres::session::{Login, Rights};
use crate::wire::deployed_spec::Backups;

/// Everything that `info` knows.
pub(crate) struct Condition<'a> {
    pub(crate) cluster: &'a Cluster,
    pub(crate) survey: Survey,
    pub(crate) inventories: BTreeMap<Ordinal, Inventory>,
    pub(crate) prospects: BTreeMap<Ordinal, Prospects>,
    pub(crate) rooms: Rooms,
    pub(crate) record: RecordSeen,
    /// How long ago the record was changed.
    pub(crate) record_age: Option<Duration>,
    /// How far its time lies in the future.
    pub(crate) record_ahead: Option<Duration>,
    /// Whether the passwords in the config open the primary; not tried without one.
    pub(crate) login: Option<FreshLogin>,
    pub(crate) replication_login: Option<FreshLogin>,
}

/// What there is of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RecordSeen {
    Ours,
    Missing,
    /// Another cluster's lies in its place.
    Foreign,
    /// Something lies in its place and cannot be read as one.
    Unreadable,
    /// It lies in a docker volume, where the plugin does not see it.
    OutOfReach,
}

impl<'a> Condition<'a> {
    /// Asks all pods at once, and meanwhile tries the passwords.
    pub(crate) fn examine(
        cluster: &'a Cluster,
        docker: Docker<'_>,
        now: SystemTime,
    ) -> Result<Self, Failure> {
        let (deployed, bucket) = (&cluster.deployed, &cluster.bucket);
        let superuser = cluster.login();
        let replication = Login {
            user: &deployed.replication_user,
            rights: Rights::Replication,
            ..superuser
        };
        let questions = format!("{CROWD}{PROSPECTS}{INVENTORY}");
        let (survey, rooms, logins) = thread::scope(|scope| {
            let rooms = scope.spawn(|| room::measure(cluster, docker));
            let attempts = [
                (superuser, bucket.password.as_ref()),
                (replication, bucket.replication_password.as_ref()),
            ];
            let logins = attempts.map(|(login, password)| {
                scope.spawn(move || try_password(cluster, docker, login, password))
            });
            let survey = Survey::take_with(cluster, docker, &questions);
            let rooms = rooms.join().unwrap_or_default();
            // A thread of ours does not panic.
            (
                survey,
                rooms,
                logins.map(|login| login.join().ok().flatten()),
            )
        });
        let [login, replication_login] = logins;
        let survey = survey?;
        Ok(Self {
            inventories: inventories(&survey),
            prospects: prospects(&survey),
            rooms,
            record: RecordSeen::of(cluster),
            record_age: cluster.record_age(now),
            record_ahead: cluster.record_ahead(now),
            login,
            replication_login,
            survey,
            cluster,
        })
    }

    /// The cluster's own record.
    pub(crate) fn record(&self) -> Option<&TopologyRecord> {
        self.cluster.record.as_ref()
    }

    /// The pod that should be the primary.
    pub(crate) fn recorded_primary(&self) -> Ordinal {
        self.cluster.recorded_primary()
    }

    /// The one pod that accepts writes, when there is exactly one.
    pub(crate) fn writer(&self) -> Option<&PodReport> {
        let mut writable = self.survey.writable();
        writable.next().filter(|_| writable.next().is_none())
    }

    /// What the primary, or else any pod, says of the server.
    pub(crate) fn inventory(&self) -> Option<&Inventory> {
        let primary = self.inventories.get(&self.recorded_primary());
        primary.or_else(|| self.inventories.values().next())
    }

    /// Whether the pods are on their way to another state, or held in one.
    pub(crate) fn is_in_motion(&self) -> bool {
        self.record()
            .is_some_and(|record| record.state != State::Steady)
    }

    /// What a handover still needs.
    pub(crate) fn handover_waits_for(&self) -> Option<String> {
        let record = self.record()?;
        let State::Handover { target, stopped_at } = &record.state else {
            return None;
        };
        let Some(stopped_at) = stopped_at else {
            let primary = self.survey.pod(record.primary);
            let down = primary.and_then(PodReport::started_by);
            return Some(match down {
                None => format!("pod {} to stop", record.primary),
                Some(down) => format!("pod {}, and {down}", record.primary),
            });
        };
        let server = self.survey.pod(*target).and_then(PodReport::server);
        let replayed = server.and_then(|server| server.replayed);
        Some(match (replayed, stopped_at.parse().ok()) {
            (None, _) => match self.survey.pod(*target).and_then(PodReport::started_by) {
                None => format!("pod {target}, which does not answer"),
                Some(down) => format!("pod {target}, and {down}"),
            },
            (Some(replayed), Some(stop)) if replayed > stop => format!("pod {target} to take over"),
            (Some(replayed), _) => {
                format!("pod {target} to replay past {stopped_at}; it is at {replayed}")
            }
        })
    }
}

fn try_password(
    cluster: &Cluster,
    docker: Docker<'_>,
    login: Login<'_>,
    password: Option<&Secret>,
) -> Option<FreshLogin> {
    let container = cluster.reference.container(cluster.recorded_primary());
    Some(FreshLogin::attempt(docker, &container, login, password?))
}

fn inventories(survey: &Survey) -> BTreeMap<Ordinal, Inventory> {
    let answered = survey.pods.iter().filter(|pod| !pod.more.is_empty());
    let read = answered.map(|pod| {
        let inventory = serde_json::from_value(Value::Object(pod.more.clone()));
        (pod.ordinal, inventory.unwrap_or_default())
    });
    read.collect()
}

fn prospects(survey: &Survey) -> BTreeMap<Ordinal, Prospects> {
    let answered = survey.pods.iter().filter(|pod| !pod.more.is_empty());
    answered
        .map(|pod| (pod.ordinal, Prospects::of(&pod.more)))
        .collect()
}

impl RecordSeen {
    /// What lies where a cluster's record belongs.
    pub(crate) fn of(cluster: &Cluster) -> Self {
        match &cluster.deployed.backups {
            _ if cluster.record.is_some() => Self::Ours,
            _ if cluster.unreadable.is_some() => Self::Unreadable,
            Backups::Volume(_) => Self::OutOfReach,
            // It may have been written since it was looked for.
            Backups::Host(directory) => match record_file::read(directory) {
                Ok(Some(record)) if record.cluster != cluster.deployed.cluster_id => Self::Foreign,
                _ => Self::Missing,
            },
        }
    }
}
