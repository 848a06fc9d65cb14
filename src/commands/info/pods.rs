//! The pods as a table, and in the words that the document uses too.

use std::time::Duration;

use crate::cluster::condition::Condition;
use crate::cluster::survey::{PodReport, State as PodState};
use crate::model::age::Age;
use crate::model::byte_size::ByteSize;
use crate::model::table::columns;
use crate::postgres::inventory::Inventory;

const UNKNOWN: &str = "-";

/// One row for each pod.
pub(super) fn table(condition: &Condition<'_>) -> String {
    let head = [
        "POD", "ROLE", "STATE", "BEHIND", "TIMELINE", "POSITION", "DATA", "WAL", "UP",
    ];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    rows.extend(condition.survey.pods.iter().map(|pod| row(pod, condition)));
    columns(&rows)
}

fn row(pod: &PodReport, condition: &Condition<'_>) -> Vec<String> {
    let server = pod.server();
    let inventory = condition.inventories.get(&pod.ordinal);
    let size = |bytes: Option<u64>| bytes.map(|bytes| ByteSize(bytes).to_string());
    let up = inventory.and_then(|inventory| inventory.up_seconds);
    let cells = [
        Some(pod.ordinal.to_string()),
        Some(role(pod).to_owned()),
        Some(state(pod, condition)),
        behind(pod, condition),
        server.map(|server| server.timeline.to_string()),
        server
            .and_then(|server| server.written.or(server.replayed))
            .map(|lsn| lsn.to_string()),
        size(inventory.and_then(Inventory::bytes)),
        size(inventory.and_then(|inventory| inventory.wal_bytes)),
        up.map(|seconds| Age(Duration::from_secs(seconds)).to_string()),
    ];
    cells
        .map(|cell| cell.unwrap_or_else(|| UNKNOWN.to_owned()))
        .to_vec()
}

/// What a pod's server is.
pub(super) fn role(pod: &PodReport) -> &'static str {
    match pod.server() {
        Some(server) if server.in_recovery => "standby",
        Some(_) => "primary",
        None => UNKNOWN,
    }
}

/// One word or two on what a pod does.
pub(super) fn state(pod: &PodReport, condition: &Condition<'_>) -> String {
    let primary = condition.writer().and_then(PodReport::server);
    match (&pod.state, &pod.server) {
        (PodState::Running, Ok(server)) if !server.in_recovery => "writable".to_owned(),
        (PodState::Running, Ok(server)) if server.replay_paused => "replay paused".to_owned(),
        (PodState::Running, Ok(server)) => {
            match primary.map(|primary| primary.follower(pod.ordinal)) {
                Some(Some(row)) => row.state.clone(),
                None if server.is_receiving() => "streaming".to_owned(),
                Some(None) | None => "not streaming".to_owned(),
            }
        }
        (PodState::Running, Err(silence)) => silence.word().to_owned(),
        (other, _) => other.to_string(),
    }
}

fn behind(pod: &PodReport, condition: &Condition<'_>) -> Option<String> {
    let row = condition.writer()?.server()?.follower(pod.ordinal)?;
    let bytes = ByteSize(row.lag_bytes?);
    Some(match row.lag_seconds {
        Some(seconds) if seconds >= 1.0 => format!("{bytes}, {seconds:.0} s"),
        _ => bytes.to_string(),
    })
}
