//! The history of a job's runs, newest first.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::clock;
use crate::reconcile::PodSpec;

const NEVER: &str = "0001-01-01T00:00:00Z";

/// One run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Run {
    #[serde(rename = "run_id")]
    pub(crate) id: String,
    pub(crate) started_at: String,
    pub(crate) ended_at: String,
    pub(crate) exit_code: i32,
    pub(crate) status: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) error: String,
}

impl Run {
    pub(super) fn started(id: String) -> Self {
        Self {
            id,
            started_at: clock::now(),
            ended_at: NEVER.to_owned(),
            status: "running".to_owned(),
            ..Self::default()
        }
    }

    pub(super) fn finish(&mut self, exit_code: i32) {
        self.ended_at = clock::now();
        self.exit_code = exit_code;
        let status = if exit_code == 0 {
            "succeeded"
        } else {
            "failed"
        };
        status.clone_into(&mut self.status);
    }

    pub(super) fn break_off(&mut self, error: &str) {
        self.finish(-1);
        error.clone_into(&mut self.error);
    }

    /// No run at all.
    pub(crate) fn never() -> Self {
        Self {
            started_at: NEVER.to_owned(),
            ended_at: NEVER.to_owned(),
            ..Self::default()
        }
    }

    /// How it ended, in words.
    pub(crate) fn end(&self) -> String {
        if self.error.is_empty() {
            format!("exited {}", self.exit_code)
        } else {
            self.error.clone()
        }
    }

    /// Whether the run came to a bad end.
    pub(crate) fn failed(&self) -> bool {
        self.status == "failed"
    }
}

/// How many finished runs are remembered.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    succeeded: usize,
    failed: usize,
}

impl Limits {
    pub(super) fn of(spec: &PodSpec) -> Self {
        let or = |limit: i64, default| match usize::try_from(limit) {
            Ok(limit) if limit > 0 => limit,
            _ => default,
        };
        Self {
            succeeded: or(spec.successful_history_limit, 3),
            failed: or(spec.failed_history_limit, 1),
        }
    }
}

/// The history with this run in it, old runs beyond the limits forgotten.
pub(super) fn with(history: &Value, run: &Run, limits: Limits) -> Value {
    let before: Vec<Run> = serde_json::from_value(history.clone()).unwrap_or_default();
    let others = before.into_iter().filter(|old| old.id != run.id);
    let (mut succeeded, mut failed) = (limits.succeeded, limits.failed);
    let kept: Vec<Run> = std::iter::once(run.clone())
        .chain(others)
        .filter(|run| match run.status.as_str() {
            "succeeded" => take(&mut succeeded),
            "failed" => take(&mut failed),
            _ => true,
        })
        .collect();
    json!(kept)
}

fn take(left: &mut usize) -> bool {
    let any = *left > 0;
    *left = left.saturating_sub(1);
    any
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_of_each_sort_are_kept_and_running_ones_always() {
        let mut history = Value::Null;
        let limits = Limits {
            succeeded: 2,
            failed: 1,
        };
        let mut running = Run::started("r0".to_owned());
        history = with(&history, &running, limits);
        for (id, code) in [("s1", 0), ("f1", 1), ("s2", 0), ("s3", 0), ("f2", 1)] {
            let mut run = Run::started(id.to_owned());
            run.finish(code);
            history = with(&history, &run, limits);
        }
        let ids = |history: &Value| -> Vec<String> {
            let runs: Vec<Run> = serde_json::from_value(history.clone()).unwrap();
            runs.into_iter().map(|run| run.id).collect()
        };
        assert_eq!(ids(&history), ["f2", "s3", "s2", "r0"]);
        running.finish(0);
        assert_eq!(ids(&with(&history, &running, limits)), ["r0", "f2", "s3"]);
    }
}
