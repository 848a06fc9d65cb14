use super::*;
use std::fs;
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::sync::Mutex;
use std::thread;

use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use tempfile::TempDir;

/// Answers each request for a path with what is prepared for it, and keeps what was asked.
struct Server {
    url: String,
    asked: Arc<Mutex<Vec<String>>>,
}

type Answers = Vec<(&'static str, String)>;

fn request(stream: &mut impl io::Read) -> String {
    let mut request = Vec::new();
    let mut byte = [0];
    while !request.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap_or(0) == 1 {
        request.push(byte[0]);
    }
    String::from_utf8(request).unwrap()
}

fn answer(stream: &mut impl io::Write, request: &str, answers: &Answers) {
    let path = request.split([' ', '?']).nth(1).unwrap_or_default();
    let found = answers.iter().find(|(of, _)| *of == path);
    if let Some((_, answer)) = found {
        stream.write_all(answer.as_bytes()).unwrap();
        stream.flush().unwrap();
    }
}

impl Server {
    fn http(answers: Answers) -> Self {
        Self::listen("http", answers, |stream| stream)
    }

    /// With a certificate that nobody else trusts, written to that file.
    fn https(answers: Answers, certificate: &Path) -> Self {
        let CertifiedKey { cert, signing_key } =
            generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        fs::write(certificate, cert.pem()).unwrap();
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(signing_key.serialize_der()));
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![cert.der().clone()], key)
            .unwrap();
        let config = Arc::new(config);
        Self::listen("https", answers, move |stream| {
            StreamOwned::new(ServerConnection::new(config.clone()).unwrap(), stream)
        })
    }

    fn listen<S: io::Read + io::Write>(
        scheme: &str,
        answers: Answers,
        wrap: impl Fn(TcpStream) -> S + Send + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!(
            "{scheme}://localhost:{}",
            listener.local_addr().unwrap().port()
        );
        let asked = Arc::new(Mutex::new(Vec::new()));
        let kept = asked.clone();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = wrap(stream.unwrap());
                let request = request(&mut stream);
                kept.lock().unwrap().push(request.clone());
                answer(&mut stream, &request, &answers);
            }
        });
        Self { url, asked }
    }

    fn asked(&self) -> String {
        self.asked.lock().unwrap().concat()
    }
}

fn ok(body: &str) -> String {
    format!(
        "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )
}

fn moved(to: &str) -> String {
    format!(
        "HTTP/1.1 302 Found\r\nLocation: {to}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
    )
}

struct Target {
    directory: TempDir,
}

impl Target {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        Self { directory }
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("x.download")
    }

    fn fetch(&self, url: &str, trusted: Option<&Path>) -> anyhow::Result<u64> {
        let url = url.parse().unwrap();
        let to = &self.path();
        Fetch {
            url: &url,
            to,
            trusted,
            room: &room,
        }
        .run(&mut |_| ())
    }

    #[track_caller]
    fn fails(&self, url: &str, expected: &str) {
        let error = format!("{:#}", self.fetch(url, None).unwrap_err());
        assert!(error.contains(expected), "{error}");
        assert!(!error.contains("hunter2"), "{error}");
    }
}

#[test]
fn the_whole_file_readable_by_nobody_else() {
    use std::os::unix::fs::MetadataExt as _;
    let server = Server::http(vec![("/a/db.dump", ok("dump"))]);
    let target = Target::new();
    let url = server.url.replace("http://", "http://me:hunter%2F2@");
    assert_eq!(
        target
            .fetch(&format!("{url}/a/db.dump?sig=hunter2"), None)
            .unwrap(),
        4
    );
    assert_eq!(fs::read_to_string(target.path()).unwrap(), "dump");
    assert_eq!(fs::metadata(target.path()).unwrap().mode() & 0o777, 0o600);
    let asked = server.asked();
    assert!(
        asked.starts_with("GET /a/db.dump?sig=hunter2 HTTP/1.1\r\n"),
        "{asked}"
    );
    let asked = asked.to_lowercase();
    assert!(
        asked.contains("authorization: basic bwu6ahvudgvylzi=\r\n"),
        "{asked}"
    );
    assert!(asked.contains("host: localhost"), "{asked}");
}

#[test]
fn what_is_there_is_not_written_to() {
    let server = Server::http(vec![("/x", ok("dump"))]);
    let target = Target::new();
    let elsewhere = target.directory.path().join("elsewhere");
    symlink(&elsewhere, target.path()).unwrap();
    target.fails(&format!("{}/x", server.url), "create ");
    assert!(!elsewhere.exists());
}

#[test]
fn a_redirect_is_followed_and_gets_no_password() {
    let other = Server::http(vec![("/y", ok("dump"))]);
    let server = Server::http(vec![("/x", moved(&format!("{}/y", other.url)))]);
    let target = Target::new();
    let url = server.url.replace("http://", "http://me:hunter2@");
    assert_eq!(target.fetch(&format!("{url}/x"), None).unwrap(), 4);
    assert!(!other.asked().to_lowercase().contains("authorization"));
}

#[test]
fn redirects_have_an_end() {
    let server = Server::http(vec![("/x", moved("/x?hunter2"))]);
    let target = Target::new();
    target.fails(&format!("{}/x", server.url), "redirected more than 5 times");
    assert_eq!(server.asked().matches("GET ").count(), 6);
    let server = Server::http(vec![("/x", moved("file:///etc/passwd"))]);
    target.fails(&format!("{}/x", server.url), "cannot be downloaded: ");
}

#[test]
fn each_failure_is_a_sentence() {
    let huge = "HTTP/1.1 200 OK\r\nContent-Length: 999999999999999\r\n\r\n".to_owned();
    let server = Server::http(vec![
        (
            "/gone",
            "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n".to_owned(),
        ),
        (
            "/expired",
            "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n".to_owned(),
        ),
        (
            "/short",
            "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\ndump".to_owned(),
        ),
        ("/huge", huge),
        ("/garbage", "hello\r\n\r\n".to_owned()),
    ]);
    for (path, expected) in [
        ("gone", "/gone answered 404 Not Found"),
        ("expired", "403 Forbidden; a presigned URL may have expired"),
        ("short", "/short broke off after 4 B: the connection ended"),
        (
            "huge",
            "/huge is 909.5 TB, and the backups directory has room for ",
        ),
        ("garbage", "/garbage cannot be downloaded: "),
    ] {
        Target::new().fails(&format!("{}/{path}?s=hunter2", server.url), expected);
    }
    let target = Target::new();
    target.fails(
        "http://127.0.0.1:9/x",
        "cannot be downloaded: Connection refused",
    );
    target.fails("http://no-such-host.invalid/x", "cannot be downloaded: ");
}

#[test]
fn what_outgrows_the_disk_is_given_up_before_it_is_full() {
    const PIECE: usize = 256 * 1024;
    let body = "x".repeat(8 * PIECE);
    // Without a length, so that its end is not known before it is there.
    let endless = format!("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{body}");
    let server = Server::http(vec![("/x", endless)]);
    let target = Target::new();
    let url = format!("{}/x?hunter2", server.url).parse().unwrap();
    let size = |file: &File| file.metadata().unwrap().len();
    let fetch = Fetch {
        url: &url,
        to: &target.path(),
        trusted: None,
        room: &|file| Ok((4 * PIECE as u64).saturating_sub(size(file))),
    };
    let error = fetch.run(&mut |_| ()).unwrap_err().to_string();
    assert!(
        error.ends_with("/x is more than the disk can hold"),
        "{error}"
    );
    let written = fs::metadata(target.path()).unwrap().len();
    assert!(written <= 4 * PIECE as u64, "{written}");
}

#[test]
fn https_needs_a_certificate_that_the_host_trusts() {
    let target = Target::new();
    let certificate = target.directory.path().join("ca.pem");
    let server = Server::https(
        vec![
            ("/x", ok("dump")),
            ("/y", moved("http://127.0.0.1:9/hunter2")),
        ],
        &certificate,
    );
    target.fails(
        &format!("{}/x", server.url),
        "cannot be downloaded: invalid peer certificate: UnknownIssuer",
    );
    let size = target.fetch(&format!("{}/x", server.url), Some(&certificate));
    assert_eq!(size.unwrap(), 4);
    let error = target.fetch(&format!("{}/y", server.url), Some(&certificate));
    let error = error.unwrap_err().to_string();
    assert!(
        error.contains("redirects to an address without encryption"),
        "{error}"
    );
}

#[test]
fn a_server_that_drips_is_too_slow() {
    let began = Instant::now();
    let at = |seconds| began + Duration::from_secs(seconds);
    let mut pace = Pace::from(began);
    assert!(pace.holds(at(59), 1), "the first minute is not over");
    assert!(pace.holds(at(60), LEAST));
    assert!(pace.holds(at(119), LEAST), "nor is the second one");
    assert!(!pace.holds(at(121), 2 * LEAST - 1));
}

#[test]
fn what_stays_free_grows_with_the_disk() {
    let in_mb = [100, 10_240, 40_960, 4_096_000].map(|disk| reserve(disk << 20) >> 20);
    assert_eq!(in_mb, [64, 512, 2048, 2048]);
}
