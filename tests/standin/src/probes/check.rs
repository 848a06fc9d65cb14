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

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;
    use crate::engine::MemoryEngine;
    use crate::probes::TcpSocket;

    fn looks(probe: &Probe) -> bool {
        let target = Target {
            container: "c".to_owned(),
            address: "127.0.0.1".to_owned(),
        };
        look(&MemoryEngine::default(), &target, probe)
    }

    #[test]
    fn a_port_passes_while_somebody_listens() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let probe = Probe {
            tcp_socket: Some(TcpSocket { port }),
            ..Probe::default()
        };
        assert!(looks(&probe));
        drop(listener);
        assert!(!looks(&probe));
    }

    #[test]
    fn a_page_passes_with_two_or_three_hundred() {
        let server = tiny_http::Server::http("127.0.0.1:0").unwrap();
        let port = server.server_addr().to_ip().unwrap().port();
        std::thread::spawn(move || {
            for request in server.incoming_requests() {
                let status = if request.url() == "/ok" { 204 } else { 500 };
                let reply = tiny_http::Response::empty(status);
                request.respond(reply).unwrap();
            }
        });
        let get = |path: &str| Probe {
            http_get: Some(HttpGet {
                path: path.to_owned(),
                port,
                ..HttpGet::default()
            }),
            ..Probe::default()
        };
        assert!(looks(&get("/ok")));
        assert!(!looks(&get("/other")));
    }

    #[test]
    fn a_probe_without_action_fails() {
        assert!(!looks(&Probe::default()));
    }
}
