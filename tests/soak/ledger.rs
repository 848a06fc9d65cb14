//! What the application was told, and what a command said beforehand that it would give up.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use crate::clock::now;
use crate::found::{Checked, ensure};

pub const WRITERS: usize = 2;

/// A loss that was announced.
#[derive(Clone, Debug)]
pub enum Announced {
    /// So many transactions at the end of what the old primary had.
    Last { commits: usize, at: f64 },
    /// The end of what the old primary had, and nobody knows how much.
    Unknown { at: f64 },
    /// What was acknowledged in that time: a backup took the place of the data.
    Between { from: f64, until: f64 },
}

/// One writer's acknowledged rows, with the time of each.
#[derive(Default)]
struct Writer {
    log: PathBuf,
    offset: u64,
    /// The beginning of a line that was not whole yet.
    rest: String,
    acknowledged: BTreeMap<u64, f64>,
    last: Option<f64>,
}

pub struct Ledger {
    writers: Vec<Writer>,
    announced: Vec<Announced>,
    /// When the writers were held.
    held: Vec<(f64, f64)>,
    pub leaks: Vec<String>,
    pub rows: usize,
    pub given_up: usize,
    pub announcements: usize,
    pub longest_gap: f64,
}

impl Ledger {
    pub fn new(folder: &Path) -> Self {
        let writer = |number| Writer {
            log: folder.join(format!("w{number}")),
            ..Writer::default()
        };
        Self {
            writers: (1..=WRITERS).map(writer).collect(),
            announced: Vec::new(),
            held: Vec::new(),
            leaks: Vec::new(),
            rows: 0,
            given_up: 0,
            announcements: 0,
            longest_gap: 0.0,
        }
    }

    /// Takes in what the writers noted since.
    pub fn read(&mut self) -> Checked {
        for writer in &mut self.writers {
            let Ok(mut file) = File::open(&writer.log) else {
                continue;
            };
            let mut text = String::new();
            let read = file
                .seek(SeekFrom::Start(writer.offset))
                .and_then(|_| file.read_to_string(&mut text));
            writer.offset +=
                read.map_err(|error| format!("{}: {error}", writer.log.display()))? as u64;
            let text = std::mem::take(&mut writer.rest) + &text;
            let (whole, rest) = text.rsplit_once('\n').unwrap_or(("", &text));
            rest.clone_into(&mut writer.rest);
            for line in whole.lines() {
                let parsed = line
                    .split_once(' ')
                    .and_then(|(at, id)| Some((at.parse().ok()?, id.parse().ok()?)));
                // A line that a kill cut off is followed by another one on the same line.
                let Some((at, id)) = parsed else { continue };
                let (at, id): (f64, u64) = (at, id);
                writer.acknowledged.insert(id, at);
                self.rows += 1;
                if let Some(last) = writer.last {
                    let held = self
                        .held
                        .iter()
                        .any(|(from, until)| *from <= at && last <= *until);
                    if !held {
                        self.longest_gap = self.longest_gap.max(at - last);
                    }
                }
                writer.last = Some(at);
            }
        }
        Ok(())
    }

    pub fn hold(&mut self, from: f64, until: f64) {
        self.held.push((from, until));
    }

    /// A command said so, or a backup was restored.
    pub fn announce(&mut self, loss: Announced) {
        self.announcements += 1;
        self.announced.push(loss);
    }

    pub fn last_acknowledged(&self) -> Vec<f64> {
        self.writers
            .iter()
            .map(|writer| writer.last.unwrap_or_default())
            .collect()
    }

    /// Those that were acknowledged by then, and not given up since.
    pub fn acknowledged_by(&self, time: f64) -> Vec<BTreeSet<u64>> {
        let by_then = |writer: &Writer| {
            writer
                .acknowledged
                .iter()
                .filter(|(_, at)| **at <= time)
                .map(|(id, _)| *id)
                .collect()
        };
        self.writers.iter().map(by_then).collect()
    }

    /// Every acknowledged row is among these, unless its loss was announced.
    pub fn settle(&mut self, there: &[BTreeSet<u64>]) -> Checked<usize> {
        self.read()?;
        let mut lost = 0;
        let mut budget = 0;
        for announced in &self.announced {
            match announced {
                Announced::Last { commits, .. } => budget += commits,
                Announced::Unknown { .. } => budget = usize::MAX / 2,
                Announced::Between { .. } => {}
            }
        }
        for (number, (writer, there)) in self.writers.iter_mut().zip(there).enumerate() {
            let missing: Vec<_> = writer
                .acknowledged
                .iter()
                .filter(|(id, _)| !there.contains(id))
                .map(|(id, at)| (*id, *at))
                .collect();
            let beyond: Vec<_> = missing
                .iter()
                .filter(|(_, at)| !replaced(&self.announced, *at))
                .copied()
                .collect();
            if let (Some(first), Some(last)) = (beyond.first(), beyond.last()) {
                let said = format!(
                    "{} acknowledged rows of writer {} are gone, ids {} to {}, acknowledged from {:.3} to {:.3}",
                    beyond.len(),
                    number + 1,
                    first.0,
                    last.0,
                    first.1,
                    last.1
                );
                ensure(beyond.len() <= budget, || {
                    format!("{said}; announced: {:?}", self.announced)
                })?;
                ensure(
                    ends_history(writer, there, &self.announced, first, last),
                    || {
                        format!(
                            "{said}: rows in their midst are there, or they are younger than every loss that was announced: {:?}",
                            self.announced
                        )
                    },
                )?;
                budget -= beyond.len();
            }
            lost += missing.len();
            for (id, _) in missing {
                writer.acknowledged.remove(&id);
            }
        }
        self.given_up += lost;
        self.announced.clear();
        Ok(lost)
    }
}

/// Whether a backup took the place of what was acknowledged then. A client notes what it was told within
/// a second.
fn replaced(announced: &[Announced], at: f64) -> bool {
    announced.iter().any(|loss| matches!(loss, Announced::Between { from, until } if (*from..until + 1.0).contains(&at)))
}

/// Whether lost rows are the last ones before a takeover: none of the writer's that is there lies
/// between them, and the takeover came after the last of them.
fn ends_history(
    writer: &Writer,
    there: &BTreeSet<u64>,
    announced: &[Announced],
    first: &(u64, f64),
    last: &(u64, f64),
) -> bool {
    let kept_between = writer
        .acknowledged
        .range(first.0..last.0)
        .filter(|(id, _)| there.contains(id))
        .count();
    let takeovers: Vec<f64> = announced
        .iter()
        .filter_map(|loss| match loss {
            Announced::Last { at, .. } | Announced::Unknown { at } => Some(*at),
            Announced::Between { .. } => None,
        })
        .collect();
    // Two takeovers in one round lose the ends of two histories.
    let one_end = takeovers.len() > 1 || kept_between == 0;
    one_end && takeovers.iter().any(|at| last.1 <= at + 1.0)
}

/// What a promotion's message announces.
pub fn announced_by(message: &str) -> Option<Announced> {
    let at = now();
    if message.contains(" has is unknown") {
        return Some(Announced::Unknown { at });
    }
    let numbers = message.split("unless you save them: ").skip(1);
    let commits = numbers.filter_map(|rest| rest.split(' ').next()?.parse::<usize>().ok());
    let commits = commits.reduce(|sum, more| sum + more)?;
    Some(Announced::Last { commits, at })
}
