//! A server of releases that behaves as it is told.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// What a request gets.
#[derive(Clone)]
pub enum Reply {
    /// The file.
    File(Vec<u8>),
    /// The file without its length, as some proxies send it.
    Unmeasured(Vec<u8>),
    /// The file, a few bytes at a time.
    Dribble(Vec<u8>),
    /// Half of the length that was promised.
    Truncated(Vec<u8>),
    /// Another address.
    Moved(String),
    /// An error of the server.
    Status(u16),
    /// Nothing, for as long as the client waits.
    Silence,
}

type Answer = dyn Fn(&str, usize) -> Reply + Send + Sync;

/// A running server; it answers by path and by how often that path was asked for before.
pub struct Releases {
    pub base: String,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Releases {
    pub fn serve(answer: impl Fn(&str, usize) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let base = format!("http://{}/releases", listener.local_addr().unwrap());
        let requests = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&requests);
        let answer: Arc<Answer> = Arc::new(answer);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (log, answer) = (Arc::clone(&log), Arc::clone(&answer));
                std::thread::spawn(move || serve(stream, &log, &*answer));
            }
        });
        Self { base, requests }
    }

    /// A release of these bytes with its right checksum.
    pub fn of(binary: Vec<u8>) -> Self {
        let sum = checksum(&binary);
        Self::with(sum, move |_| Reply::File(binary.clone()))
    }

    /// That checksum, and a binary that depends on how often it was asked for.
    pub fn with(sum: Vec<u8>, binary: impl Fn(usize) -> Reply + Send + Sync + 'static) -> Self {
        Self::serve(move |path, before| {
            if path.ends_with(".sha256") {
                Reply::File(sum.clone())
            } else {
                binary(before)
            }
        })
    }

    /// The paths that were asked for, below the base.
    pub fn requests(&self) -> Vec<String> {
        let requests = self.requests.lock().unwrap();
        let below = |path: &String| path.trim_start_matches("/releases/").to_owned();
        requests.iter().map(below).collect()
    }
}

/// What is released beside a binary.
pub fn checksum(binary: &[u8]) -> Vec<u8> {
    let mut child = Command::new("sha256sum")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(binary).unwrap();
    let output = child.wait_with_output().unwrap();
    let line = String::from_utf8(output.stdout).unwrap();
    line.replace('-', "voodu-postgres_linux_amd64").into_bytes()
}

fn serve(mut stream: TcpStream, log: &Mutex<Vec<String>>, answer: &Answer) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut first = String::new();
    let _ = reader.read_line(&mut first);
    let mut header = String::new();
    while reader.read_line(&mut header).is_ok_and(|bytes| bytes > 2) {
        header.clear();
    }
    let path = first.split(' ').nth(1).unwrap_or_default().to_owned();
    let before = {
        let mut log = log.lock().unwrap();
        let before = log.iter().filter(|logged| **logged == path).count();
        log.push(path.clone());
        before
    };
    // A client that has seen enough hangs up.
    let _ = send(&mut stream, answer(&path, before));
}

fn send(stream: &mut TcpStream, reply: Reply) -> std::io::Result<()> {
    let head = |status: &str, fields: &str| format!("HTTP/1.0 {status}\r\n{fields}\r\n");
    let length = |bytes: usize| format!("Content-Length: {bytes}\r\n");
    match reply {
        Reply::File(body) => {
            stream.write_all(head("200 OK", &length(body.len())).as_bytes())?;
            stream.write_all(&body)
        }
        Reply::Unmeasured(body) => {
            stream.write_all(head("200 OK", "").as_bytes())?;
            stream.write_all(&body)
        }
        Reply::Dribble(body) => {
            stream.write_all(head("200 OK", &length(body.len())).as_bytes())?;
            for part in body.chunks(8) {
                stream.write_all(part)?;
                std::thread::sleep(Duration::from_millis(20));
            }
            Ok(())
        }
        Reply::Truncated(body) => {
            stream.write_all(head("200 OK", &length(2 * body.len())).as_bytes())?;
            stream.write_all(&body)
        }
        Reply::Moved(to) => {
            stream.write_all(head("302 Found", &format!("Location: {to}\r\n")).as_bytes())
        }
        Reply::Status(code) => stream.write_all(head(&format!("{code} No"), &length(0)).as_bytes()),
        Reply::Silence => {
            std::thread::sleep(Duration::from_secs(30));
            Ok(())
        }
    }
}
