//! Probes: threads that look at a pod and, for liveness, restart it once when it turns
//! unhealthy. They dial the address the pod had when it was created.

mod check;
mod readiness;
mod runners;
mod state;
mod watch;

use std::collections::BTreeMap;
use std::time::Duration;

use crate::wire::wire;

pub(crate) use runners::Runners;

use state::Samples;

wire! {
    /// The probes of a spec.
    Probes { liveness: Option<Probe>, readiness: Option<Probe>, startup: Option<Probe>, }
}

wire! {
    /// One probe; without an action it always fails.
    Probe {
        http_get: Option<HttpGet>,
        tcp_socket: Option<TcpSocket>,
        exec: Option<Exec>,
        initial_delay: String,
        period: String,
        timeout: String,
        failure_threshold: u32,
        success_threshold: u32,
    }
}

wire! {
    /// A request that must be answered with 2xx or 3xx.
    HttpGet { path: String, port: u16, scheme: String, http_headers: BTreeMap<String, String>, }
}

wire! {
    /// A port that must accept a connection.
    TcpSocket { port: u16, }
}

wire! {
    /// A command that must exit with 0.
    Exec { command: Vec<String>, }
}

/// What a probe is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    Liveness,
    Readiness,
    Startup,
}

impl Probes {
    fn declared(&self) -> Vec<(Role, &Probe)> {
        [
            (Role::Startup, &self.startup),
            (Role::Liveness, &self.liveness),
            (Role::Readiness, &self.readiness),
        ]
        .into_iter()
        .filter_map(|(role, probe)| Some((role, probe.as_ref()?)))
        .collect()
    }
}

impl Probe {
    fn delay(&self) -> Duration {
        duration(&self.initial_delay, Duration::ZERO)
    }

    fn period(&self) -> Duration {
        duration(&self.period, Duration::from_secs(10))
    }

    fn timeout(&self) -> Duration {
        duration(&self.timeout, Duration::from_secs(1))
    }

    fn samples(&self) -> Samples {
        let or = |threshold, default| if threshold == 0 { default } else { threshold };
        Samples::new(or(self.failure_threshold, 3), or(self.success_threshold, 1))
    }
}

/// A malformed duration silently becomes the default, as on the platform.
fn duration(text: &str, default: Duration) -> Duration {
    match humantime::parse_duration(text) {
        Ok(duration) if !duration.is_zero() => duration,
        _ => default,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_absent_or_malformed_is_the_default() {
        let probe: Probe =
            serde_json::from_str(r#"{"period":"1m30s","timeout":"soon","initial_delay":"200ms"}"#)
                .unwrap();
        assert_eq!(probe.period(), Duration::from_secs(90));
        assert_eq!(probe.timeout(), Duration::from_secs(1));
        assert_eq!(probe.delay(), Duration::from_millis(200));
        assert_eq!(Probe::default().period(), Duration::from_secs(10));
        assert_eq!(Probe::default().delay(), Duration::ZERO);
    }
}
