//! What a change of the primary does beyond the change: what the old one's stop ends, what is not on the
//! new one.

use crate::cluster::handover::gate::{Facts, Way, Wish};
use crate::model::excerpt::{key, plain};
use crate::model::ordinal::Ordinal;
use crate::postgres::prospects::{Prospects, Sender, Slot, Unlogged};

/// What an operator should know of a change of the primary, true before it and after it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Effects {
    pub(crate) lines: Vec<String>,
    /// Whether unlogged tables lose rows, or may: a standby has none of them.
    pub(crate) empties: bool,
}

impl Facts<'_> {
    /// What a pod's server answers; nothing where it does not.
    pub(super) fn prospects(self, pod: Ordinal) -> Prospects {
        let report = self.survey.pod(pod);
        report
            .map(|report| Prospects::of(&report.more))
            .unwrap_or_default()
    }

    /// Everything that is known of what the change does besides.
    pub(super) fn effects(self, primary: Ordinal, way: &Way, wish: &Wish) -> Effects {
        let target = wish.target;
        let (old, new) = (self.prospects(primary), self.prospects(target));
        let mut lines = Vec::new();
        lines.extend(self.waits(primary, way, wish, &new));
        lines.extend(self.unwritable(primary, wish));
        let (unlogged, empties) = emptied(&old, &new, target);
        lines.extend(unlogged);
        lines.extend(
            old.foreign_senders()
                .map(|sender| ends(sender, primary, target)),
        );
        lines.extend(self.slots(primary, target, &old, &new));
        lines.extend(self.limits(primary, target, &new));
        if old.prepared > 0 {
            lines.push(format!(
                "prepared transactions stay prepared on pod {target}: {}",
                old.prepared
            ));
        }
        Effects { lines, empties }
    }

    /// With force, that a pod cannot write the record is no obstacle.
    fn unwritable(self, primary: Ordinal, wish: &Wish) -> Vec<String> {
        let line = |pod: Ordinal| {
            let complaint = self.rooms.get(&pod)?.complaint.as_ref()?;
            let name = self.cluster.container(pod);
            Some(format!(
                "{name} cannot write the record of who is primary: {complaint}"
            ))
        };
        [primary, wish.target]
            .into_iter()
            .filter_map(line)
            .collect()
    }

    fn slots(
        self,
        primary: Ordinal,
        target: Ordinal,
        old: &Prospects,
        new: &Prospects,
    ) -> Vec<String> {
        let goes_over = |slot: &&Slot| {
            let twin = new.slots.iter().find(|other| other.name == slot.name);
            twin.is_some_and(|twin| twin.synced)
        };
        let line = |slot: &Slot| {
            let (what, drop) = (slot.described(), self.drop(primary, slot));
            if goes_over(&slot) {
                format!(
                    "{what} goes over to pod {target}; the one on pod {primary} is in the way of its next synchronisation: {drop}"
                )
            } else {
                format!(
                    "{what} is not on pod {target}: its reader loses its place, and pod {primary} keeps WAL for it until you drop it there: {drop}"
                )
            }
        };
        old.slots
            .iter()
            .filter(|slot| !slot.synced)
            .map(line)
            .collect()
    }

    fn drop(self, pod: Ordinal, slot: &Slot) -> String {
        format!(
            "vd pg:psql {} --replica {pod} -c \"{}\"",
            self.cluster,
            slot.drop()
        )
    }

    /// A standby is started with limits as high as its primary's, and keeps them when it is promoted.
    fn limits(self, primary: Ordinal, target: Ordinal, new: &Prospects) -> Vec<String> {
        let name = self.cluster.container(target);
        let kept = new
            .limits
            .iter()
            .filter(|(_, limit)| limit.running != limit.configured);
        let kept = kept.map(|(setting, limit)| {
            format!(
                "pod {target} runs with {setting} = {} until its next start, and the configuration gives {} (docker restart {name} costs no pause of writes while it is a standby)",
                limit.running, limit.configured
            )
        });
        let others = self.survey.pods.iter();
        let others = others.filter(|pod| pod.ordinal != primary && pod.ordinal != target);
        let short = others.flat_map(|pod| {
            let own = Prospects::of(&pod.more);
            let short = own.lower_limits(new).into_iter();
            let lines = short.map(|(setting, own, needed)| {
                format!(
                    "{} starts its postgres again, to follow with {setting} = {needed}; it runs with {own}",
                    pod.container
                )
            });
            lines.collect::<Vec<_>>()
        });
        kept.chain(short).collect()
    }
}

/// The WAL sender's process, for people.
fn ends(sender: &Sender, primary: Ordinal, target: Ordinal) -> String {
    let kind = match (&sender.slot, sender.logical, sender.state.as_deref()) {
        (Some(slot), true, _) => format!("logical, slot {}", key(slot)),
        (Some(slot), false, _) => format!("physical, slot {}", key(slot)),
        (None, _, Some("backup")) => "a base backup".to_owned(),
        (None, ..) => "physical, no slot".to_owned(),
    };
    format!(
        "the stop of pod {primary} disconnects {} (WAL sender {}, user {}, {kind}), which has to connect to pod {target} itself",
        key(&sender.name),
        sender.pid,
        key(sender.user.as_deref().unwrap_or("unknown")),
    )
}

/// Unlogged tables are reset at the end of a recovery (postgres manual, CREATE TABLE). The primary
/// knows what is in them; where it does not answer, a standby's catalog knows their names.
fn emptied(old: &Prospects, new: &Prospects, target: Ordinal) -> (Vec<String>, bool) {
    let known = old.unlogged.as_ref().or(new.unlogged.as_ref());
    let elsewhere = old.unlogged_elsewhere.as_ref();
    let elsewhere = elsewhere.or(new.unlogged_elsewhere.as_ref());
    let mut lines = Vec::new();
    match known {
        Some(unlogged) => lines.extend(unlogged.described(target)),
        None => lines
            .push("whether there are unlogged tables is not known; they would be empty".to_owned()),
    }
    match elsewhere.map(Vec::as_slice) {
        Some([]) => {}
        Some(databases) => {
            let names: Vec<_> = databases.iter().map(|name| key(name)).collect();
            lines.push(format!(
                "empty on pod {target} too: the unlogged tables of database {}",
                names.join(", database ")
            ));
        }
        None => lines.push("whether other databases have unlogged tables is not known".to_owned()),
    }
    let empties = !lines.is_empty();
    (lines, empties)
}

impl Unlogged {
    fn described(&self, target: Ordinal) -> Option<String> {
        let (tables, sequences) = (self.tables, self.sequences);
        let mut kinds = Vec::new();
        match tables {
            0 => {}
            1 => kinds.push("1 unlogged table".to_owned()),
            many => kinds.push(format!("{many} unlogged tables")),
        }
        match sequences {
            0 => {}
            1 => kinds.push("1 unlogged sequence".to_owned()),
            many => kinds.push(format!("{many} unlogged sequences")),
        }
        if kinds.is_empty() {
            return None;
        }
        let mut names: Vec<_> = self.names.iter().map(|name| plain(name)).collect();
        let more = tables.saturating_sub(names.len() as u64);
        if more > 0 && !names.is_empty() {
            names.push(format!("{more} more"));
        }
        if self.rows > 0 {
            names.push(format!("about {} rows", self.rows));
        }
        let names = match &names[..] {
            [] => String::new(),
            names => format!(" ({})", names.join(", ")),
        };
        Some(format!(
            "empty on pod {target}, because a standby has nothing of what is unlogged: {} of database {}{names}",
            kinds.join(" and "),
            key(&self.database)
        ))
    }
}

#[cfg(test)]
#[path = "effects_tests.rs"]
mod tests;
