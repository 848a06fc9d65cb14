//! The topology record: who is primary. The plugin writes what is wanted, the pods carry it out.
//!
//! ```text
//! cluster=0123456789abcdef0123456789abcdef
//! epoch=7                one more with every change
//! primary=1
//! state=steady           steady | handover | maintenance
//! target=2               handover only
//! stopped_at=0/5A8       handover only: where the old primary stopped
//! clean=0                this pod stopped with nothing left to hand over
//! rejoin=0               an operator asked this pod to rejoin
//! ```
//!
//! One `key=value` per line in any order, each key once, the last line ended, nothing else. Both
//! this file and `templates/entrypoint/record.sh` read it that strictly.

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
    pub(crate) clean: Option<Ordinal>,
    pub(crate) rejoin: Option<Ordinal>,
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
    clean: Option<&'a str>,
    rejoin: Option<&'a str>,
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
            "clean" => &mut self.clean,
            "rejoin" => &mut self.rejoin,
            _ => return None,
        })
    }

    fn record(&self) -> Result<TopologyRecord, NotARecord> {
        Ok(TopologyRecord {
            cluster: required(self.cluster, parsed)?,
            epoch: required(self.epoch, epoch)?,
            primary: required(self.primary, parsed)?,
            state: self.state()?,
            clean: optional(self.clean, parsed)?,
            rejoin: optional(self.rejoin, parsed)?,
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
        for (key, ordinal) in [("clean", self.clean), ("rejoin", self.rejoin)] {
            if let Some(ordinal) = ordinal {
                writeln!(f, "{key}={ordinal}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const STEADY: &str =
        "cluster=0123456789abcdef0123456789abcdef\nepoch=7\nprimary=1\nstate=steady\n";

    #[test]
    fn a_steady_record() {
        let record: TopologyRecord = STEADY.parse().unwrap();
        assert_eq!(record.epoch, 7);
        assert_eq!(record.state, State::Steady);
        assert_eq!(record.to_string(), STEADY);
    }

    #[test]
    fn a_handover_needs_both_of_its_pods() {
        let text = STEADY.replace("steady", "handover\ntarget=2\nstopped_at=0/5A8");
        let record: TopologyRecord = text.parse().unwrap();
        let needed: Vec<_> = record.needed_pods().map(|pod| pod.to_string()).collect();
        assert_eq!(needed, ["1", "2"]);
        assert_eq!(record.to_string(), text);
    }

    #[test]
    fn everything_else_is_no_record() {
        let broken = [
            String::new(),
            "\n".into(),
            STEADY.trim_end().into(),
            STEADY.replace("epoch=7", "epoch=07"),
            STEADY.replace("epoch=7", "epoch=-7"),
            STEADY.replace("epoch=7", "epoch=1234567890123456789"),
            STEADY.replace("primary=1", "primary=01"),
            STEADY.replace("primary=1", "primary= 1"),
            STEADY.replace("cluster=0", "cluster=X"),
            STEADY.replace("steady", "ready"),
            STEADY.replace("steady", "handover"),
            STEADY.replace("steady", "steady\ntarget=2"),
            STEADY.replace("steady", "handover\ntarget=2\nstopped_at=x/y"),
            format!("{STEADY}\n"),
            format!("{STEADY}# note\n"),
            format!("{STEADY}other=1\n"),
            format!("{STEADY}epoch=8\n"),
            STEADY.replace('\n', "\r\n"),
        ];
        for text in broken {
            assert_eq!(text.parse::<TopologyRecord>(), Err(NotARecord), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn what_was_read_is_written_the_same(text in "(cluster=[0-9a-f]{32}\n)(epoch=[1-9][0-9]{0,5}\n)(primary=[0-9]\n)(state=steady\n|state=handover\ntarget=[0-9]\n|state=maintenance\n)(clean=[0-9]\n)?(rejoin=[0-9]\n)?") {
            let record: TopologyRecord = text.parse().unwrap();
            prop_assert_eq!(record.to_string(), text);
        }
    }
}
