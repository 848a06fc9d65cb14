//! The topology record: who is primary. The plugin writes what is wanted, the pods carry it out.
//!
//! ```text
//! cluster=0123456789abcdef0123456789abcdef
//! epoch=7                one more with every change
//! primary=1
//! state=steady           steady | handover | maintenance
//! target=2               handover only
//! stopped_at=0/5A8       handover only: location of the old primary's shutdown checkpoint
//! timeline=4             highest timeline number that was ever given in this cluster
//! clean=0@0/5A8,2@0/6B0  pods that shut down cleanly as primary, with their shutdown checkpoints
//! rejoin=0               an operator asked this pod to rejoin
//! settles=5              this record ends the handover that began with that epoch
//! ```
//!
//! One `key=value` per line in any order, each key once, the last line ended, nothing else. Both
//! this file and `templates/entrypoint/record.sh` read it that strictly.
//!
//! A record without `timeline` is of format 1: its `clean` names one pod and no location, and it
//! knows no `settles`. Pods of an earlier release read nothing else, so a record changes its format
//! only where every pod runs today's script ([`TopologyRecord::with_timeline`]).

use std::fmt;
use std::str::FromStr;

use crate::model::cluster_id::ClusterId;
use crate::model::ordinal::Ordinal;

/// A record that was read whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TopologyRecord {
    pub(crate) cluster: ClusterId,
    pub(crate) epoch: u64,
    pub(crate) primary: Ordinal,
    pub(crate) state: State,
    /// The highest timeline number that a pod of the cluster was ever given; none in format 1.
    pub(crate) timeline: Option<u32>,
    /// The pods whose data ends with the shutdown checkpoint of a handover, the latest last.
    pub(crate) clean: Vec<CleanStop>,
    pub(crate) rejoin: Option<Ordinal>,
    /// The epoch at which the handover began that a target ended from its own copy, after the
    /// shared record was lost.
    pub(crate) settles: Option<u64>,
}

/// A pod that shut down as the primary after every standby it handed over to had all of its WAL. It
/// may follow without a rewind while its data still ends with that checkpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CleanStop {
    pub(crate) pod: Ordinal,
    /// The location of its shutdown checkpoint; not known in format 1.
    pub(crate) at: Option<String>,
}

/// What the pods are asked to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum State {
    /// The primary runs, everybody else follows it.
    Steady,
    /// Nobody runs writable until the target has all that the primary had.
    Handover {
        target: Ordinal,
        stopped_at: Option<String>,
    },
    /// Postgres is stopped on every pod.
    Maintenance,
}

/// The text is not a record.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct NotARecord;

impl TopologyRecord {
    /// Whether a pod left the role of the primary with nothing that its successor lacks.
    pub(crate) fn left_cleanly(&self, pod: Ordinal) -> bool {
        self.clean.iter().any(|stop| stop.pod == pod)
    }

    /// The pods that must exist: the primary, and in a handover the next one.
    pub(crate) fn needed_pods(&self) -> impl Iterator<Item = Ordinal> {
        let target = match self.state {
            State::Handover { target, .. } => Some(target),
            State::Steady | State::Maintenance => None,
        };
        std::iter::once(self.primary).chain(target)
    }
}

#[derive(Default)]
struct Fields<'a> {
    cluster: Option<&'a str>,
    epoch: Option<&'a str>,
    primary: Option<&'a str>,
    state: Option<&'a str>,
    target: Option<&'a str>,
    stopped_at: Option<&'a str>,
    timeline: Option<&'a str>,
    clean: Option<&'a str>,
    rejoin: Option<&'a str>,
    settles: Option<&'a str>,
}

impl<'a> Fields<'a> {
    fn split(text: &'a str) -> Result<Self, NotARecord> {
        let mut fields = Self::default();
        let lines = text.strip_suffix('\n').ok_or(NotARecord)?;
        for line in lines.split('\n') {
            let (key, value) = line.split_once('=').ok_or(NotARecord)?;
            let before = fields.slot(key).ok_or(NotARecord)?.replace(value);
            if before.is_some() {
                return Err(NotARecord);
            }
        }
        Ok(fields)
    }

    fn slot(&mut self, key: &str) -> Option<&mut Option<&'a str>> {
        Some(match key {
            "cluster" => &mut self.cluster,
            "epoch" => &mut self.epoch,
            "primary" => &mut self.primary,
            "state" => &mut self.state,
            "target" => &mut self.target,
            "stopped_at" => &mut self.stopped_at,
            "timeline" => &mut self.timeline,
            "clean" => &mut self.clean,
            "rejoin" => &mut self.rejoin,
            "settles" => &mut self.settles,
            _ => return None,
        })
    }

    fn record(&self) -> Result<TopologyRecord, NotARecord> {
        Ok(TopologyRecord {
            cluster: required(self.cluster, parsed)?,
            epoch: required(self.epoch, epoch)?,
            primary: required(self.primary, parsed)?,
            state: self.state()?,
            timeline: optional(self.timeline, timeline)?,
            clean: optional(self.clean, clean)?.unwrap_or_default(),
            rejoin: optional(self.rejoin, parsed)?,
            settles: optional(self.settles, epoch)?,
        })
    }

    fn state(&self) -> Result<State, NotARecord> {
        let of_handover = self.target.is_some() || self.stopped_at.is_some();
        match self.state {
            Some("steady") if !of_handover => Ok(State::Steady),
            Some("maintenance") if !of_handover => Ok(State::Maintenance),
            Some("handover") => Ok(State::Handover {
                target: required(self.target, parsed)?,
                stopped_at: optional(self.stopped_at, lsn)?,
            }),
            _ => Err(NotARecord),
        }
    }
}

type Read<T> = fn(&str) -> Result<T, NotARecord>;

fn required<T>(text: Option<&str>, read: Read<T>) -> Result<T, NotARecord> {
    text.ok_or(NotARecord).and_then(read)
}

/// A field that may be absent, but not wrong.
fn optional<T>(text: Option<&str>, read: Read<T>) -> Result<Option<T>, NotARecord> {
    text.map(read).transpose()
}

fn parsed<T: FromStr>(text: &str) -> Result<T, NotARecord> {
    text.parse().map_err(|_| NotARecord)
}

/// `[1-9][0-9]{0,17}`, which a shell can count up as well.
fn epoch(text: &str) -> Result<u64, NotARecord> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    if digits && !text.starts_with('0') && text.len() <= 18 {
        parsed(text)
    } else {
        Err(NotARecord)
    }
}

/// `[1-9][0-9]{0,8}`
fn timeline(text: &str) -> Result<u32, NotARecord> {
    if text.len() <= 9 {
        epoch(text).and_then(|number| u32::try_from(number).map_err(|_| NotARecord))
    } else {
        Err(NotARecord)
    }
}

/// `0@0/5A8,2@0/6B0`, or `0` without a location; each pod once.
fn clean(text: &str) -> Result<Vec<CleanStop>, NotARecord> {
    let mut stops: Vec<CleanStop> = Vec::new();
    for entry in text.split(',') {
        let (pod, at) = match entry.split_once('@') {
            Some((pod, at)) => (parsed(pod)?, Some(lsn(at)?)),
            None => (parsed(entry)?, None),
        };
        if stops.iter().any(|stop| stop.pod == pod) {
            return Err(NotARecord);
        }
        stops.push(CleanStop { pod, at });
    }
    Ok(stops)
}

/// `[0-9A-F]{1,8}/[0-9A-F]{1,8}`, as postgres prints a position in the WAL.
fn lsn(text: &str) -> Result<String, NotARecord> {
    let digit = |byte: u8| byte.is_ascii_digit() || (b'A'..=b'F').contains(&byte);
    let half = |part: &str| (1..=8).contains(&part.len()) && part.bytes().all(digit);
    match text.split_once('/') {
        Some((high, low)) if half(high) && half(low) => Ok(text.to_owned()),
        _ => Err(NotARecord),
    }
}

impl FromStr for TopologyRecord {
    type Err = NotARecord;

    fn from_str(text: &str) -> Result<Self, NotARecord> {
        Fields::split(text)?.record()
    }
}

impl fmt::Display for TopologyRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "cluster={}\nepoch={}\nprimary={}",
            self.cluster, self.epoch, self.primary
        )?;
        match &self.state {
            State::Steady => writeln!(f, "state=steady")?,
            State::Maintenance => writeln!(f, "state=maintenance")?,
            State::Handover { target, stopped_at } => {
                writeln!(f, "state=handover\ntarget={target}")?;
                if let Some(stopped_at) = stopped_at {
                    writeln!(f, "stopped_at={stopped_at}")?;
                }
            }
        }
        if let Some(timeline) = self.timeline {
            writeln!(f, "timeline={timeline}")?;
        }
        if !self.clean.is_empty() {
            let stops: Vec<_> = self.clean.iter().map(ToString::to_string).collect();
            writeln!(f, "clean={}", stops.join(","))?;
        }
        if let Some(pod) = self.rejoin {
            writeln!(f, "rejoin={pod}")?;
        }
        if let Some(began) = self.settles {
            writeln!(f, "settles={began}")?;
        }
        Ok(())
    }
}

impl fmt::Display for CleanStop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.at {
            Some(at) => write!(f, "{}@{at}", self.pod),
            None => write!(f, "{}", self.pod),
        }
    }
}

#[cfg(test)]
#[path = "topology_record_tests.rs"]
mod tests;
