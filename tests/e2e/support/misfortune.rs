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

    /// Takes a pod off the network like [`Self::cut_off`], and it keeps its address: a probe that
    /// dials the address of the pod's first start does not restart it afterwards.
    pub fn unplug(&self, ordinal: u16) {
        self.link(ordinal, "down");
    }

    /// Puts it back.
    pub fn plug_in(&self, ordinal: u16) {
        self.link(ordinal, "up");
    }

    fn link(&self, ordinal: u16, state: &str) {
        let pid = docker_ok(&["inspect", "-f", "{{.State.Pid}}", &self.pod(ordinal)]);
        let set = std::process::Command::new("nsenter")
            .args(["-t", &pid, "-n", "ip", "link", "set", "eth0", state])
            .output()
            .expect("start nsenter");
        assert!(set.status.success(), "{set:?}");
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
