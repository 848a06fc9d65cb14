//! `info` as one JSON document.

use serde_json::{Value, json};

use super::{Facts, pods, text};
use crate::cluster::condition::{Condition, RecordSeen};
use crate::cluster::exposure::Exposure;
use crate::cluster::survey::PodReport;
use crate::model::consumers::Reads;
use crate::model::topology_record::State;
use crate::postgres::inventory::Inventory;
use crate::postgres::prospects::Slot;

/// It has no field `status`: the controller would take it for an envelope.
pub(super) fn of(facts: &Facts<'_>) -> Value {
    let condition = &facts.condition;
    let cluster = condition.cluster;
    let (deployed, primary) = (&cluster.deployed, condition.recorded_primary());
    let pods: Vec<_> = condition
        .survey
        .pods
        .iter()
        .map(|report| pod(report, condition))
        .collect();
    let problems = facts
        .problems
        .iter()
        .map(|problem| json!({"what": problem.what, "next": problem.next}));
    json!({
        "cluster": cluster.reference.to_string(),
        "cluster_id": deployed.cluster_id.to_string(),
        "healthy": facts.problems.is_empty(),
        "problems": problems.collect::<Vec<_>>(),
        "image": deployed.image,
        "version": condition.inventory().and_then(|inventory| inventory.version.clone()),
        "replicas": deployed.replicas,
        "primary": {"pod": primary.to_string(), "host": cluster.reference.host(primary), "port": deployed.port.get()},
        "database": deployed.database.to_string(),
        "user": deployed.user.to_string(),
        "replication_user": deployed.replication_user.to_string(),
        "pods": pods,
        "consumers": consumers(facts),
        "exposed": Exposure::of(cluster) == Exposure::Public,
        "ports": deployed.ports,
        "last_backup": last_backup(facts),
        "databases": databases(condition),
        "other_databases": text::other_databases(facts).iter().map(|database| &database.name).collect::<Vec<_>>(),
        "other_roles": text::other_roles(facts),
        "record": record(condition),
    })
}

fn pod(report: &PodReport, condition: &Condition<'_>) -> Value {
    let server = report.server();
    let row = condition
        .writer()
        .and_then(PodReport::server)
        .and_then(|primary| primary.follower(report.ordinal));
    let inventory = condition.inventories.get(&report.ordinal);
    let room = condition.rooms.get(&report.ordinal);
    json!({
        "pod": report.ordinal.to_string(),
        "container": report.container,
        "container_state": report.state.to_string(),
        "role": pods::role(report),
        "state": pods::state(report, condition),
        "timeline": server.map(|server| server.timeline),
        "lsn": server.and_then(|server| server.written.or(server.replayed)).map(|lsn| lsn.to_string()),
        "received_lsn": server.and_then(|server| server.received).map(|lsn| lsn.to_string()),
        "lag_bytes": row.and_then(|row| row.lag_bytes),
        "lag_seconds": row.and_then(|row| row.lag_seconds),
        "data_bytes": inventory.and_then(Inventory::bytes),
        "wal_bytes": inventory.and_then(|inventory| inventory.wal_bytes),
        "up_seconds": inventory.and_then(|inventory| inventory.up_seconds),
        "pending_restart": inventory.map(|inventory| &inventory.pending_restart),
        "older_settings": inventory.map(Inventory::fell_back),
        "data_free_bytes": room.map(|room| room.data),
        "backups_free_bytes": room.map(|room| room.backups),
        "writes_record": room.map(|room| room.complaint.is_none()),
        "slots": slots(report, condition),
    })
}

/// Its replication slots; none where it does not answer.
fn slots(report: &PodReport, condition: &Condition<'_>) -> Value {
    let Some(prospects) = condition.prospects.get(&report.ordinal) else {
        return Value::Null;
    };
    let slot = |slot: &Slot| {
        json!({
            "name": slot.name, "logical": slot.logical, "database": slot.database, "active": slot.active,
            "synced": slot.synced, "status": slot.status, "wal_bytes": slot.held,
        })
    };
    prospects.slots.iter().map(slot).collect()
}

fn consumers(facts: &Facts<'_>) -> Vec<Value> {
    let all = facts.consumers.iter().map(|(consumer, reads)| {
        json!({"name": consumer.to_string(), "reads": reads != Reads::No, "load_balance": reads == Reads::Balanced})
    });
    all.collect()
}

fn last_backup(facts: &Facts<'_>) -> Value {
    let Some(backup) = facts
        .catalog
        .as_ref()
        .ok()
        .and_then(|catalog| catalog.newest_verified())
    else {
        return Value::Null;
    };
    let created_at = backup.created_at;
    json!({
        "id": backup.id.to_string(),
        "created_at": created_at.map(|time| time.to_string()),
        "age_seconds": created_at.map(|time| facts.now.since(time).as_secs()),
        "size_bytes": backup.size,
    })
}

fn databases(condition: &Condition<'_>) -> Value {
    let databases = condition
        .inventory()
        .and_then(|inventory| inventory.databases.as_ref());
    let Some(databases) = databases else {
        return Value::Null;
    };
    let all = databases
        .iter()
        .map(|database| json!({"name": database.name, "bytes": database.bytes}));
    all.collect()
}

fn record(condition: &Condition<'_>) -> Value {
    let Some(record) = condition.record() else {
        let why = match condition.record {
            RecordSeen::Ours | RecordSeen::Missing => "missing",
            RecordSeen::Unreadable => "unreadable",
            RecordSeen::Foreign => "of another cluster",
            RecordSeen::OutOfReach => "in a docker volume",
        };
        return json!({"seen": false, "why": why});
    };
    let (state, target, stopped_at) = match &record.state {
        State::Steady => ("steady", None, None),
        State::Maintenance => ("maintenance", None, None),
        State::Handover { target, stopped_at } => {
            ("handover", Some(target.to_string()), stopped_at.clone())
        }
    };
    json!({
        "seen": true,
        "epoch": record.epoch,
        "primary": record.primary.to_string(),
        "state": state,
        "target": target,
        "stopped_at": stopped_at,
        "waits_for": condition.handover_waits_for(),
        "rejoin": record.rejoin.map(|pod| pod.to_string()),
        "age_seconds": condition.record_age.map(|age| age.as_secs()),
    })
}
