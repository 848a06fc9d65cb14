//! Limits that a pod was started with and that its part asks otherwise of it (postgres manual, "Hot
//! Standby"): a standby with a lower one than its primary stops replaying, and a primary that was
//! started as a standby keeps the higher ones.

use super::{Check, Problem};
use crate::cluster::survey::PodReport;

impl Check<'_> {
    pub(super) fn limits(&self, pod: &PodReport) -> Vec<Problem> {
        if self.is_in_passing() {
            return Vec::new();
        }
        let name = &pod.container;
        let short = self.lower_limits(pod).into_iter();
        let short = short.map(|(setting, own, needed)| {
            Problem::new(
                format!("{name} cannot replay what the primary writes: its {setting} = {own} is lower than the primary's {needed}"),
                format!("start it with the primary's value: docker restart {name}"),
            )
        });
        short.chain(self.kept(pod)).collect()
    }

    /// In which limits a standby falls short of the one primary.
    pub(super) fn lower_limits(&self, pod: &PodReport) -> Vec<(&str, u64, u64)> {
        let prospects = &self.condition.prospects;
        let primary = self.condition.writer().map(|pod| pod.ordinal);
        let primary = primary.and_then(|ordinal| prospects.get(&ordinal));
        let own = prospects.get(&pod.ordinal);
        match (own, primary) {
            (Some(own), Some(primary)) => own.lower_limits(primary),
            _ => Vec::new(),
        }
    }

    /// What the primary has from its start as a standby.
    fn kept(&self, pod: &PodReport) -> Vec<Problem> {
        let condition = self.condition;
        let is_primary = condition.writer().map(|pod| pod.ordinal) == Some(pod.ordinal);
        let Some(prospects) = condition.prospects.get(&pod.ordinal).filter(|_| is_primary) else {
            return Vec::new();
        };
        let inventory = condition.inventories.get(&pod.ordinal);
        let named = |setting: &String| {
            inventory.is_some_and(|inventory| inventory.pending_restart.contains(setting))
        };
        let name = &pod.container;
        let kept = prospects.limits.iter();
        let kept =
            kept.filter(|(setting, limit)| limit.running != limit.configured && !named(setting));
        let problem = kept.map(|(setting, limit)| {
            Problem::new(
                format!("{name} runs with {setting} = {}, and the configuration gives {}", limit.running, limit.configured),
                format!("it takes that at its next start: docker restart {name}, or promote another pod first, so that writes do not pause as long"),
            )
        });
        problem.collect()
    }
}
