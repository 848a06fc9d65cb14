//! Limits that a pod was started with and that its part asks otherwise of it (postgres manual, "Hot
//! Standby"): a standby with a lower one than its primary stops replaying, and a primary that was
//! started as a standby keeps the higher ones.

use super::{Check, Problem};
use crate::cluster::survey::PodReport;
use crate::postgres::prospects::Prospects;

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
        self.own_and_primary(pod)
            .map(|(own, primary)| own.lower_limits(primary))
            .unwrap_or_default()
    }

    /// Those that the configuration gives otherwise. What a standby has as high as its primary it
    /// has for the primary's sake, and would have after a restart too.
    fn kept(&self, pod: &PodReport) -> Vec<Problem> {
        let Some((own, primary)) = self.own_and_primary(pod) else {
            return Vec::new();
        };
        let is_primary = std::ptr::eq(own, primary);
        let name = &pod.container;
        let kept = own.limits.iter().filter(|(setting, limit)| {
            let needed = primary.limits.get(*setting).map(|limit| limit.running);
            limit.running != limit.configured && (is_primary || Some(limit.running) > needed)
        });
        let problem = kept.map(|(setting, limit)| {
            let first = if is_primary {
                ", or promote another pod first, so that writes pause for less"
            } else {
                ""
            };
            Problem::new(
                format!(
                    "{name} runs with {setting} = {}, and the configuration gives {}",
                    limit.running, limit.configured
                ),
                format!("it takes that at its next start: docker restart {name}{first}"),
            )
        });
        problem.collect()
    }

    /// Whether a setting that waits for a restart is one that is judged here.
    pub(super) fn is_limit(&self, pod: &PodReport, setting: &String) -> bool {
        self.own_and_primary(pod)
            .is_some_and(|(own, _)| own.limits.contains_key(setting))
    }

    fn own_and_primary(&self, pod: &PodReport) -> Option<(&Prospects, &Prospects)> {
        let prospects = &self.condition.prospects;
        let primary = self.condition.writer()?.ordinal;
        Some((prospects.get(&pod.ordinal)?, prospects.get(&primary)?))
    }
}
