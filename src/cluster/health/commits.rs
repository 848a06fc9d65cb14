//! Commits that wait for synchronous standbys (postgres manual, "Synchronous Replication").

use std::time::Duration;

use super::{Check, Problem};
use crate::cluster::survey::PodReport;
use crate::model::age::Age;
use crate::model::excerpt::plain;

/// A standby confirms a commit within milliseconds.
const LONG: u64 = 5;

impl Check<'_> {
    /// Whether those of the one primary wait, or would.
    pub(super) fn commits(&self) -> Option<Problem> {
        let pod = self.condition.writer().filter(|_| !self.is_in_passing())?;
        let prospects = self.condition.prospects.get(&pod.ordinal)?;
        let setting = plain(prospects.sync_names.as_deref().unwrap_or_default());
        let name = &pod.container;
        let waiting = prospects.waiting;
        let what = if waiting.commits > 0 && waiting.seconds >= LONG {
            let age = Age(Duration::from_secs(waiting.seconds));
            let sessions = match waiting.commits {
                1 => format!("1 session of {name} waits"),
                many => format!("{many} sessions of {name} wait"),
            };
            format!(
                "{sessions} in a commit for synchronous standbys, for {age} by now (synchronous_standby_names = {setting})"
            )
        } else {
            let named = prospects.sync_standbys()?;
            let standbys = &pod.server()?.standbys;
            let confirm = |name: &str| named.counts(name);
            let there = standbys
                .iter()
                .filter(|row| row.is_streaming() && confirm(&row.name))
                .count();
            if there >= named.needed {
                return None;
            }
            format!(
                "every commit on {name} waits: synchronous_standby_names = {setting} needs {} of the standbys that it names, and {there} of them are connected",
                named.needed
            )
        };
        Some(Problem::new(what, self.way_out(pod)))
    }

    fn way_out(&self, primary: &PodReport) -> String {
        format!(
            "bring the standbys back (vd pg:psql {} --replica {} -c 'SELECT * FROM pg_stat_replication'), or change the setting in the block's pg_config and apply",
            self.reference(),
            primary.ordinal
        )
    }
}
