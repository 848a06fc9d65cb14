//! A dump from a web server: credentials are used, never shown, and nothing is left behind.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::thread;

use super::SAMPLE;
use crate::support::{Cluster, Plan, docker_ok};

/// Serves that file, and nothing else; answers its address as a pod reaches it and what was asked.
fn serve(name: &str, bytes: Vec<u8>) -> (String, Arc<Mutex<String>>) {
    let listener = TcpListener::bind("0.0.0.0:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let gateway = docker_ok(&[
        "network",
        "inspect",
        "-f",
        "{{(index .IPAM.Config 0).Gateway}}",
        "voodu0",
    ]);
    let asked = Arc::new(Mutex::new(String::new()));
    let (kept, name) = (asked.clone(), name.to_owned());
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut request = vec![0; 8192];
            let count = stream.read(&mut request).unwrap();
            let request = String::from_utf8_lossy(&request[..count]).into_owned();
            let found = request.starts_with(&format!("GET /{name}?"));
            kept.lock().unwrap().push_str(&request);
            let (status, body) = if found {
                ("200 OK", &bytes[..])
            } else {
                ("404 Not Found", &b""[..])
            };
            let head = format!(
                "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
                body.len()
            );
            stream.write_all(head.as_bytes()).unwrap();
            stream.write_all(body).unwrap();
        }
    });
    (format!("{gateway}:{port}"), asked)
}

/// The hidden files of restores in the backups directory.
fn left_behind(cluster: &Cluster) -> Vec<String> {
    let entries = fs::read_dir(cluster.backups()).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.starts_with(".restore")).collect()
}

#[test]
fn restore_downloads_a_dump() {
    let Some(cluster) = Cluster::up(Plan {
        replicas: 1,
        ..Plan::default()
    }) else {
        return;
    };
    cluster.run_sql(0, SAMPLE);
    let before = cluster.content(0);
    let file = cluster.capture(&[]);
    let bytes = fs::read(cluster.backups().join(file)).unwrap();
    let (address, asked) = serve("db.dump", bytes);
    cluster.run_sql(0, "DROP TABLE orders CASCADE");

    let said = cluster.restore_fails(
        &[&format!("http://me:hunter2@{address}/other?sig=hunter3")],
        "/other answered 404",
    );
    assert!(!said.contains("hunter"), "{said}");
    let output = cluster.restore(&[
        &format!("http://me:hunter2@{address}/db.dump?sig=hunter3"),
        "--follow",
    ]);
    assert_eq!(output.status, 0, "{output:?}");
    assert!(!format!("{output:?}").contains("hunter"), "{output:?}");
    assert_eq!(cluster.content(0), before);
    assert!(asked.lock().unwrap().contains("/db.dump?sig=hunter3"));

    assert_eq!(left_behind(&cluster), Vec::<String>::new());
    let filter = format!("name={}-db-restore-", cluster.scope);
    for container in docker_ok(&["ps", "-aq", "--filter", &filter]).lines() {
        let inspected = docker_ok(&["inspect", container]);
        assert!(!inspected.contains("hunter"), "{inspected}");
        let log = docker_ok(&["logs", container]);
        assert!(!log.contains("hunter"), "{log}");
    }
}
