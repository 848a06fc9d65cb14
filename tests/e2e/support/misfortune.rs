//! What befalls a pod.

use super::Cluster;
use super::docker::docker_ok;

impl Cluster {
    /// Takes a pod off the cluster's network.
    pub fn cut_off(&self, ordinal: u16) {
        docker_ok(&["network", "disconnect", "voodu0", &self.pod(ordinal)]);
    }

    /// Puts it back, under the names that the platform gave it.
    pub fn reconnect(&self, ordinal: u16) {
        let own = format!("--alias=db-{ordinal}.{}.voodu", self.scope);
        let shared = format!("--alias=db.{}.voodu", self.scope);
        docker_ok(&[
            "network",
            "connect",
            &own,
            &shared,
            "voodu0",
            &self.pod(ordinal),
        ]);
    }

    /// Kills a pod in a way after which docker leaves it alone.
    pub fn kill_for_good(&self, ordinal: u16) {
        docker_ok(&["kill", &self.pod(ordinal)]);
    }

    /// Kills a pod's PID 1 as a crash would: unlike `docker kill`, docker then restarts it.
    pub fn kill_pod(&self, ordinal: u16) {
        let pid: i32 = docker_ok(&["inspect", "-f", "{{.State.Pid}}", &self.pod(ordinal)])
            .parse()
            .expect("a pid");
        if pid > 1 {
            let _ = std::process::Command::new("kill")
                .args(["-9", &pid.to_string()])
                .output();
        }
    }
}
