//! `info` for the eyes: what is wrong first, then a table of the pods, then the rest.

use super::{Facts, backup, pods};
use crate::cluster::condition::{Condition, RecordSeen};
use crate::cluster::exposure::Exposure;
use crate::model::age::Age;
use crate::model::byte_size::ByteSize;
use crate::model::consumers::Reads;
use crate::model::table::columns;
use crate::model::topology_record::State;
use crate::postgres::inventory::Database;

pub(super) fn of(facts: &Facts<'_>) -> String {
    let reference = &facts.condition.cluster.reference;
    let headline = match facts.problems.len() {
        0 if facts.condition.is_in_motion() => format!("{reference}: {}\n", motion(facts)),
        0 => format!("{reference}: all is well\n"),
        1 => format!("{reference}: 1 problem\n"),
        many => format!("{reference}: {many} problems\n"),
    };
    let problems = facts
        .problems
        .iter()
        .map(|problem| format!("  {problem}\n"));
    let problems: String = problems.collect();
    format!(
        "{headline}{problems}\n{}\n{}",
        pods::table(&facts.condition),
        columns(&rest(facts))
    )
}

/// One line for a check that found nothing.
pub(super) fn summary(facts: &Facts<'_>) -> String {
    let condition = &facts.condition;
    if condition.is_in_motion() {
        return motion(facts);
    }
    let standbys = condition.survey.pods.len().saturating_sub(1);
    let standbys = match standbys {
        0 => "no standby".to_owned(),
        1 => "1 standby streams".to_owned(),
        many => format!("{many} standbys stream"),
    };
    format!(
        "pod {} is the primary, {standbys}, last verified backup: {}",
        condition.recorded_primary(),
        last_backup(facts)
    )
}

/// That the pods are changing their roles, for a time in which that is nothing to worry about.
fn motion(facts: &Facts<'_>) -> String {
    format!("changing right now: {}", record(&facts.condition))
}

fn rest(facts: &Facts<'_>) -> Vec<Vec<String>> {
    let condition = &facts.condition;
    let (reference, deployed) = (&condition.cluster.reference, &condition.cluster.deployed);
    let host = reference.host(condition.recorded_primary());
    let version = condition
        .inventory()
        .and_then(|inventory| inventory.version.clone());
    let version = version.unwrap_or_else(|| "version unknown".to_owned());
    let lines = [
        (
            "primary",
            format!(
                "{host}:{}, database {}, user {}",
                deployed.port, deployed.database, deployed.user
            ),
        ),
        ("linked", linked(facts)),
        ("reachable", reachable(condition)),
        ("last backup", last_backup(facts)),
        ("not in a backup", left_out(facts)),
        ("postgres", format!("{version}, image {}", deployed.image)),
        ("record", record(condition)),
    ];
    lines
        .map(|(name, value)| vec![name.to_owned(), value])
        .to_vec()
}

fn linked(facts: &Facts<'_>) -> String {
    let all = facts.consumers.iter().map(|(consumer, reads)| match reads {
        Reads::No => consumer.to_string(),
        Reads::InOrder => format!("{consumer} (reads)"),
        Reads::Balanced => format!("{consumer} (balanced reads)"),
    });
    listed(&all.collect::<Vec<_>>(), "no application")
}

fn listed(names: &[String], none: &str) -> String {
    if names.is_empty() {
        none.to_owned()
    } else {
        names.join(", ")
    }
}

fn reachable(condition: &Condition<'_>) -> String {
    match Exposure::of(condition.cluster) {
        Exposure::Loopback => "on the docker network, and from this host".to_owned(),
        Exposure::Public => format!("by everybody, on port {}", condition.cluster.deployed.port),
        Exposure::Operators => format!(
            "as the block's ports say: {}",
            listed(&condition.cluster.deployed.ports, "none")
        ),
    }
}

fn last_backup(facts: &Facts<'_>) -> String {
    let reference = &facts.condition.cluster.reference;
    let Ok(catalog) = &facts.catalog else {
        return "unknown".to_owned();
    };
    match catalog.newest_verified() {
        None => format!("none (vd pg:backups:capture {reference} makes one)"),
        Some(newest) => {
            let (age, size) = (backup::age(newest, facts.now), ByteSize(newest.size));
            format!("{}, {age} ago, {size}", newest.id)
        }
    }
}

/// What the server holds besides the one database that a dump has.
fn left_out(facts: &Facts<'_>) -> String {
    let databases = other_databases(facts);
    let databases = databases
        .iter()
        .map(|database| format!("database {} ({})", database.name, ByteSize(database.bytes)));
    let roles = other_roles(facts)
        .into_iter()
        .map(|role| format!("role {role}"));
    let mut names: Vec<_> = databases.chain(roles).collect();
    let more = names.len().saturating_sub(MOST);
    if more > 0 {
        names.truncate(MOST);
        names.push(format!("and {more} more"));
    }
    listed(&names, "nothing that is known of")
}

/// As many as fit on two lines.
const MOST: usize = 8;

/// Databases besides the cluster's own.
pub(super) fn other_databases<'a>(facts: &'a Facts<'_>) -> Vec<&'a Database> {
    let own = facts.condition.cluster.deployed.database.as_str();
    let inventory = facts.condition.inventory();
    inventory
        .map(|inventory| inventory.others(own))
        .unwrap_or_default()
}

/// Roles besides those that the plugin makes.
pub(super) fn other_roles<'a>(facts: &'a Facts<'_>) -> Vec<&'a str> {
    let deployed = &facts.condition.cluster.deployed;
    let own = [deployed.user.as_str(), deployed.replication_user.as_str()];
    let roles = facts
        .condition
        .inventory()
        .map(|inventory| &inventory.roles);
    let roles = roles.into_iter().flatten().map(String::as_str);
    roles.filter(|role| !own.contains(role)).collect()
}

fn record(condition: &Condition<'_>) -> String {
    let Some(record) = condition.record() else {
        return match condition.record {
            RecordSeen::OutOfReach => {
                "in a docker volume, where it cannot be read from the host".to_owned()
            }
            RecordSeen::Unreadable => "unreadable".to_owned(),
            RecordSeen::Foreign => "another cluster's".to_owned(),
            RecordSeen::Ours | RecordSeen::Missing => "none".to_owned(),
        };
    };
    let state = match &record.state {
        State::Steady => format!("pod {} is the primary", record.primary),
        State::Maintenance => "maintenance, postgres is stopped".to_owned(),
        State::Handover { target, .. } => {
            let waits_for = condition.handover_waits_for().unwrap_or_default();
            format!(
                "handover from pod {} to pod {target}, waits for {waits_for}",
                record.primary
            )
        }
    };
    let rejoin = record
        .rejoin
        .map(|pod| format!(", pod {pod} is asked to rejoin"));
    let age = condition
        .record_age
        .map(|age| format!(", {} ago", Age(age)));
    format!(
        "{state}{}, epoch {}{}",
        rejoin.unwrap_or_default(),
        record.epoch,
        age.unwrap_or_default()
    )
}
