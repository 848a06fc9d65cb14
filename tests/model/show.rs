//! A world in one line, for a trail.

use std::fmt::Write as _;

use crate::steps::Step;
use crate::world::{NOBODY, Record, Restore, Shape, State, World};

impl Step {
    pub fn line(&self) -> String {
        format!("{:?} {} -> {}", self.actor, self.pod, self.world.line())
    }
}

impl World {
    pub fn line(&self) -> String {
        let mut line = format!("record {}", shown(&self.record));
        if self.full {
            line.push_str(" full");
        }
        for pod in 0..self.count {
            let member = self.pod(pod);
            let mut path = String::new();
            if member.has_data() {
                let mut place = member.wal;
                let mut names = Vec::new();
                loop {
                    let entry = self.wal.at(place);
                    let kind = match entry.kind {
                        crate::wal::Kind::Commit => 'c',
                        crate::wal::Kind::Shutdown => 's',
                        crate::wal::Kind::Promotion => 'p',
                    };
                    let acknowledged = if entry.acknowledged { "!" } else { "" };
                    names.push(format!("{}{kind}{place}{acknowledged}", entry.timeline));
                    if entry.parent == place {
                        break;
                    }
                    place = entry.parent;
                }
                names.reverse();
                path = names.join(".");
            }
            let state = match (member.gone, member.up) {
                (true, _) => "gone",
                (_, false) => "off",
                _ => "up",
            };
            let shape = match member.shape {
                Shape::Empty => "empty",
                Shape::Clone => "half",
                Shape::Standby => "s",
                Shape::Primary => "p",
            };
            let _ = write!(line, " | {pod}:{state} {:?}/{shape}", member.server);
            for (is, word) in [
                (member.clean, "clean"),
                (member.interrupted, "interrupted"),
                (!member.stamped, "older"),
                (member.torn, "torn"),
            ] {
                if is {
                    let _ = write!(line, " {word}");
                }
            }
            if member.restore != Restore::Nothing {
                let _ = write!(line, " {:?}", member.restore);
            }
            let _ = write!(line, " [{path}] sees {}", shown(&member.view));
            if member.copy != member.view {
                let _ = write!(line, " has {}", shown(&member.copy));
            }
        }
        if self.plugin.view.exists() {
            let _ = write!(line, " | plugin {}", shown(&self.plugin.view));
        }
        line
    }
}

fn shown(record: &Record) -> String {
    if !record.exists() {
        return "-".to_owned();
    }
    let mut text = format!("e{}:P{}", record.epoch, record.primary);
    match record.state {
        State::Steady => {}
        State::Handover => {
            let _ = write!(text, ">{}", record.target);
            if record.stopped_at > 0 {
                let _ = write!(text, "@{}", record.stopped_at);
            }
        }
        State::Maintenance => text.push_str(" maint"),
    }
    if record.timeline > 0 {
        let _ = write!(text, " t{}", record.timeline);
    }
    for (pod, location) in record.clean.iter().enumerate() {
        if *location > 0 {
            let _ = write!(text, " clean{pod}@{location}");
        }
    }
    if record.rejoin != NOBODY {
        let _ = write!(text, " rejoin{}", record.rejoin);
    }
    text
}
