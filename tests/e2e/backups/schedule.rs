//! The printed schedule, run as the platform runs a cronjob.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Command, Stdio};

use super::{list, ok, plan};
use crate::support::{Cluster, docker, eventually, holds};

/// A `vd` for the image of the schedule: it only asks the controller, as the real one does.
const VD: &str = r#"#!/bin/bash
words=("$@")
command=${words[0]#*:}
printf -v args '"%s",' "${words[@]:1}"
body="{\"args\":[${args%,}]}"
exec 3<>"/dev/tcp/127.0.0.1/$CONTROLLER_PORT"
printf 'POST /plugin/pg/%s HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: %s\r\n\r\n%s' "$command" "${#body}" "$body" >&3
read -r _ status _ <&3
cat <&3
[ "$status" = 200 ]
"#;

/// An image with that `vd`, which knows where this test's controller listens.
fn build_image(tag: &str, port: &str) {
    let file = format!(
        "FROM postgres:17\nENV CONTROLLER_PORT={port}\nENTRYPOINT []\nRUN echo {} | base64 -d >/usr/local/bin/vd && chmod 755 /usr/local/bin/vd\n",
        encoded(VD)
    );
    let mut build = Command::new("docker")
        .args(["build", "-q", "-t", tag, "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let mut stdin = build.stdin.take().unwrap();
    stdin.write_all(file.as_bytes()).unwrap();
    drop(stdin);
    assert!(build.wait().unwrap().success());
}

fn encoded(text: &str) -> String {
    let mut encoder = Command::new("base64")
        .arg("-w0")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    encoder
        .stdin
        .take()
        .unwrap()
        .write_all(text.as_bytes())
        .unwrap();
    String::from_utf8(encoder.wait_with_output().unwrap().stdout).unwrap()
}

fn run_cronjob(cluster: &Cluster) -> String {
    let address = cluster.platform.url().trim_start_matches("http://");
    let mut stream = TcpStream::connect(address).unwrap();
    let path = format!("/cronjobs/run?scope={}&name=db-backup", cluster.scope);
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn backups_are_captured_by_the_printed_schedule() {
    let Some(cluster) = Cluster::up(plan(17, 1)) else {
        return;
    };
    let printed = ok(
        &cluster,
        "backups:schedule",
        &["--at", "*/5 * * * *", "--keep", "3"],
    );
    let image = "ghcr.io/clowk/voodu-cli:latest";
    assert!(printed.contains(image), "{printed}");
    let (_, port) = cluster.platform.url().rsplit_once(':').unwrap();
    let tag = format!("{}-vd", cluster.scope);
    build_image(&tag, port);
    let block = printed.replace(image, &tag);
    cluster.platform.apply_hcl(&block).unwrap();
    let answer = run_cronjob(&cluster);
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    eventually(20, "the backup", || {
        let listed = list(&cluster);
        holds(listed == ["b001 complete verified"], || listed.join(", "))
    });
    drop(docker(&["rmi", "-f", &tag]));
}
