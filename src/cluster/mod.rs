//! A cluster as it is stored and as it runs: what several commands start from.

pub(crate) mod application;
pub(crate) mod beside;
pub(crate) mod carriers;
pub(crate) mod certainty;
pub(crate) mod condition;
pub(crate) mod divergence;
pub(crate) mod exposure;
mod first_boot;
pub(crate) mod handover;
pub(crate) mod health;
pub(crate) mod heartbeat;
pub(crate) mod lease;
pub(crate) mod maintenance;
pub(crate) mod members;
pub(crate) mod own_dir;
pub(crate) mod passfile;
pub(crate) mod proof;
pub(crate) mod publication;
pub(crate) mod pulse;
pub(crate) mod record_file;
mod record_lock;
pub(crate) mod record_write;
pub(crate) mod rejoin;
pub(crate) mod relink;
pub(crate) mod remains;
pub(crate) mod room;
pub(crate) mod rotation;
pub(crate) mod scripts;
pub(crate) mod silence;
pub(crate) mod survey;
pub(crate) mod unstored;
pub(crate) mod wiring;

use std::path::Path;
use std::time::{Duration, SystemTime};

use serde_json::{Map, Value};

use crate::cluster::record_write::{Random, RecordWriter};
use crate::controller::{Controller, Kind, Layers};
use crate::docker::engine::{Docker, Pod};
use crate::model::bucket::{Bucket, Vars, keys};
use crate::model::connection::Connection;
use crate::model::consumers::Consumers;
use crate::model::ordinal::Ordinal;
use crate::model::refusal::{Refusal, Result};
use crate::model::resource_ref::ResourceRef;
use crate::model::topology::Topology;
use crate::model::topology_record::TopologyRecord;
use crate::postgres::session::{Login, Rights};
use crate::wire::action::{Action, Restart};
use crate::wire::deployed_spec::{Backups, DeployedSpec};

/// A clock that is put right by that much at once is no reason for a word.
const CLOCK_STEP: Duration = Duration::from_secs(60);

/// What is known of a cluster without asking its pods.
pub(crate) struct Cluster {
    pub(crate) reference: ResourceRef,
    pub(crate) deployed: DeployedSpec,
    pub(crate) bucket: Bucket,
    /// This cluster's own; none before the first boot, or behind a named volume.
    pub(crate) record: Option<TopologyRecord>,
    /// Why there is no record although something lies in its place.
    pub(crate) unreadable: Option<Refusal>,
    config: Map<String, Value>,
}

impl Cluster {
    /// Asks the controller for a cluster, and reads its record on this host.
    pub(crate) fn load(
        controller: &dyn Controller,
        reference: &ResourceRef,
    ) -> anyhow::Result<Self> {
        let mut cluster = Self::load_to_look_at(controller, reference)?;
        match cluster.unreadable.take() {
            None => Ok(cluster),
            Some(refusal) => Err(refusal.into()),
        }
    }

    /// The same for a command that says what is wrong: a record that cannot be read is a part of that.
    pub(crate) fn load_to_look_at(
        controller: &dyn Controller,
        reference: &ResourceRef,
    ) -> anyhow::Result<Self> {
        let stored = controller.spec(Kind::Statefulset, reference)?;
        let stored = stored.ok_or_else(|| {
            Refusal::new(
                format!("{reference}: there is no postgres cluster of that name"),
                "check the spelling, or apply its block first: vd apply -f <file>",
            )
        })?;
        let deployed = DeployedSpec::read(reference, stored)?;
        let config = controller.config(reference, Layers::Merged)?;
        let read = deployed.backups_dir().map_or(Ok(None), record_file::read);
        let (record, unreadable) = match read {
            Ok(record) => (record, None),
            Err(refusal) => (None, Some(refusal)),
        };
        Ok(Self {
            bucket: Bucket::of_running(&config, reference),
            // Another cluster's record says nothing about this one.
            record: record.filter(|record| record.cluster == deployed.cluster_id),
            unreadable,
            reference: reference.clone(),
            deployed,
            config,
        })
    }

    /// Reads the record again, which a command of ours or a pod has changed.
    pub(crate) fn reread_record(&mut self) -> Result<()> {
        if let Some(dir) = self.deployed.backups_dir() {
            let record = record_file::read(dir)?;
            self.record = record.filter(|record| record.cluster == self.deployed.cluster_id);
        }
        Ok(())
    }

    /// How long ago the record was changed; nothing when its time has not come yet, because the
    /// clock was set back.
    pub(crate) fn record_age(&self, now: SystemTime) -> Option<Duration> {
        let changed_at = record_file::changed_at(self.deployed.backups_dir()?)?;
        match now.duration_since(changed_at) {
            Ok(age) => Some(age),
            Err(ahead) if ahead.duration() <= CLOCK_STEP => Some(Duration::ZERO),
            Err(_) => None,
        }
    }

    /// How far the record's time lies in the future.
    pub(crate) fn record_ahead(&self, now: SystemTime) -> Option<Duration> {
        let changed_at = record_file::changed_at(self.deployed.backups_dir()?)?;
        let ahead = changed_at.duration_since(now).ok()?;
        (ahead > CLOCK_STEP).then_some(ahead)
    }

    /// The pods and today's primary: the record's, else the initial one.
    pub(crate) fn topology(&self) -> Result<Topology> {
        let primary = self.recorded_primary();
        Topology::new(self.reference.clone(), self.deployed.replicas, primary)
    }

    /// The same where it is published or acted on. Once there is a backups directory, there has to be a
    /// record in it: without that, which pod is the primary today is not known.
    pub(crate) fn recorded_topology(&self) -> Result<Topology> {
        let has_booted = self.deployed.backups_dir().is_some_and(Path::is_dir);
        if self.record.is_none() && has_booted {
            let cluster = &self.reference;
            return Err(Refusal::new(
                format!("{cluster}: no record says who is primary at this moment"),
                format!(
                    "run it again in a few seconds: a pod that runs writes the record; vd pg:info {cluster} says what is in its way"
                ),
            ));
        }
        self.topology()
    }

    /// Who should be the primary, also when there is no such pod any more.
    pub(crate) fn recorded_primary(&self) -> Ordinal {
        let recorded = self.record.as_ref().map(|record| record.primary);
        recorded
            .or(self.bucket.initial_primary)
            .unwrap_or(self.deployed.initial_primary)
    }

    /// The keys of the config that are judged where they are used.
    pub(crate) fn vars(&self) -> Vars<'_> {
        Vars {
            config: &self.config,
            cluster: &self.reference,
        }
    }

    /// Whether each key of the config is what the next apply expects there.
    pub(crate) fn check_config(&self) -> Result<()> {
        Bucket::read(&self.config, &self.reference).map(drop)
    }

    /// The linked applications.
    pub(crate) fn consumers(&self) -> Result<Consumers> {
        Consumers::read(&self.vars())
    }

    /// How the plugin enters the servers: as the superuser, in the cluster's database.
    pub(crate) fn login(&self) -> Login<'_> {
        let deployed = &self.deployed;
        Login {
            user: &deployed.user,
            database: &deployed.database,
            port: deployed.port,
            password: self.bucket.password.as_ref(),
            rights: Rights::Superuser,
        }
    }

    /// How applications reach the cluster.
    pub(crate) fn connection(&self) -> Result<Connection<'_>> {
        let password = self.bucket.password.as_ref().ok_or_else(|| {
            let (cluster, key) = (&self.reference, keys::PASSWORD);
            let unusable = self.vars().secret(key).err();
            unusable.unwrap_or_else(|| Refusal::new(
                format!("{cluster}: {key} is missing in the config"),
                format!(
                    "put it back with vd config {cluster} set {key}=…, or run vd pg:new-password {cluster}"
                ),
            ))
        })?;
        Ok(Connection {
            user: &self.deployed.user,
            password,
            database: &self.deployed.database,
            port: self.deployed.port,
        })
    }

    /// Changes keys of the cluster's bucket that must not restart its pods, and puts the mirror of
    /// the record right on the way.
    pub(crate) fn bookkeeping(&self, kv: Vec<(&'static str, String)>) -> Option<Action> {
        let as_stored = |(key, value): &(&'static str, String)| {
            let stored = self.config.get(*key).and_then(Value::as_str);
            stored.unwrap_or_default() == value
        };
        let mut kv = kv;
        kv.extend(self.mirror());
        kv.retain(|pair| !as_stored(pair));
        if kv.is_empty() {
            return None;
        }
        Some(Action::set(&self.reference, kv, Restart::Skip))
    }

    /// The way to change the record, when it lies where the plugin can write.
    pub(crate) fn record_writer<'a>(&'a self, random: Random<'a>) -> Result<RecordWriter<'a>> {
        match &self.deployed.backups {
            Backups::Host(backups_dir) => Ok(RecordWriter {
                backups_dir,
                random,
            }),
            Backups::Volume(volume) => Err(Refusal::new(
                format!(
                    "{}: /backups is the docker volume {volume}, and the plugin cannot reach the record of who is primary in there",
                    self.reference
                ),
                "take /backups out of the block's volumes, or put a directory of the host there, and apply",
            )),
        }
    }

    /// What the bucket should say about the primary. Without a record it is left alone.
    fn mirror(&self) -> Option<(&'static str, String)> {
        let record = self.record.as_ref()?;
        Some((keys::PRIMARY_ORDINAL, record.primary.to_string()))
    }

    /// The container of a pod, when it runs.
    pub(crate) fn running(&self, docker: Docker<'_>, pod: Ordinal) -> anyhow::Result<Pod> {
        let container = self.reference.container(pod);
        let pods = docker.pods(&self.reference)?;
        let found = pods.into_iter().find(|found| found.ordinal == pod);
        let found = found.ok_or_else(|| {
            Refusal::new(
                format!("pod {container} does not exist"),
                "apply the cluster's block again: vd apply -f <file>",
            )
        })?;
        if found.is_running() {
            return Ok(found);
        }
        let next = match &found.state[..] {
            "paused" => format!("run docker unpause {container}"),
            _ => format!("its log says why: docker logs {container}"),
        };
        let state = &found.state;
        Err(Refusal::new(
            format!("pod {container} is not running, it is {state}"),
            next,
        )
        .into())
    }
}

#[cfg(test)]
mod tests;
