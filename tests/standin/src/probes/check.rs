//! One look at a pod.

use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use super::{HttpGet, Probe};
use crate::engine::{BRIDGE, Engine};

/// A pod, and the address it had when it was created.
#[derive(Clone, Debug)]
pub(super) struct Target {
    container: String,
    address: String,
}

impl Target {
    pub(super) fn of(engine: &dyn Engine, container: &str) -> Self {
        let inspected = engine.inspect(container).ok().flatten().unwrap_or_default();
        let address = &inspected["NetworkSettings"]["Networks"][BRIDGE]["IPAddress"];
        Self {
            container: container.to_owned(),
            address: address.as_str().unwrap_or_default().to_owned(),
        }
    }
}

/// Whether the pod passes right now; the time limit does not hold for commands.
pub(super) fn look(engine: &dyn Engine, target: &Target, probe: &Probe) -> bool {
    if let Some(get) = &probe.http_get {
        http(&target.address, get, probe.timeout())
    } else if let Some(socket) = &probe.tcp_socket {
        tcp(&target.address, socket.port, probe.timeout())
    } else if let Some(exec) = &probe.exec {
        engine
            .exec(&target.container, &exec.command)
            .unwrap_or(false)
    } else {
        false
    }
}

fn tcp(address: &str, port: u16, timeout: Duration) -> bool {
    let Ok(address) = format!("{address}:{port}").parse::<SocketAddr>() else {
        return false;
    };
    TcpStream::connect_timeout(&address, timeout).is_ok()
}

fn http(address: &str, get: &HttpGet, timeout: Duration) -> bool {
    let path = get.path.trim_start_matches('/');
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .timeout_global(Some(timeout))
        .http_status_as_error(false)
        .proxy(None)
        .build()
        .into();
    let mut request = agent.get(format!("http://{address}:{}/{path}", get.port));
    for (name, value) in &get.http_headers {
        request = request.header(name, value);
    }
    request
        .call()
        .is_ok_and(|reply| (200..400).contains(&reply.status().as_u16()))
}
