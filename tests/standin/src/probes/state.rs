//! From single samples to a phase; pure.

/// What the samples so far say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Unknown,
    Healthy,
    Unhealthy,
}

impl Phase {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Healthy => "healthy",
            Self::Unhealthy => "unhealthy",
        }
    }
}

/// Counts consecutive samples.
#[derive(Clone, Debug)]
pub(super) struct Samples {
    failure_threshold: u32,
    success_threshold: u32,
    failures: u32,
    successes: u32,
    phase: Phase,
}

impl Samples {
    pub(super) fn new(failure_threshold: u32, success_threshold: u32) -> Self {
        Self {
            failure_threshold,
            success_threshold,
            failures: 0,
            successes: 0,
            phase: Phase::Unknown,
        }
    }

    /// Takes one sample; answers the new phase when it changed, and only then.
    pub(super) fn take(&mut self, healthy: bool) -> Option<Phase> {
        let before = self.phase;
        if healthy {
            self.failures = 0;
            self.successes = self.successes.saturating_add(1);
            if self.successes >= self.success_threshold {
                self.phase = Phase::Healthy;
            }
        } else {
            self.successes = 0;
            self.failures = self.failures.saturating_add(1);
            if self.failures >= self.failure_threshold {
                self.phase = Phase::Unhealthy;
            }
        }
        (self.phase != before).then_some(self.phase)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn case(samples: &str, expected: &str) {
        let mut state = Samples::new(3, 2);
        let turns: String = samples
            .chars()
            .map(|sample| match state.take(sample == '+') {
                Some(Phase::Healthy) => 'h',
                Some(Phase::Unhealthy) => 'u',
                Some(Phase::Unknown) => '?',
                None => '.',
            })
            .collect();
        assert_eq!(turns, expected, "{samples}");
    }

    #[test]
    fn phases_change_only_at_the_edges() {
        case("++++", ".h..");
        case("------", "..u...");
        case("--+--", ".....");
        case("++---", ".h..u");
        case("---+++---", "..u.h...u");
    }
}
