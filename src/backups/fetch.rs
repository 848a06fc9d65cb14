//! Brings a dump from a web server into a file. Runs inside a restore's container, because a
//! download outlives the plugin's own time.

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow, bail};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use ureq::http::Response;
use ureq::tls::{PemItem, RootCerts, TlsConfig, parse_pem};
use ureq::{Agent, Body};

use crate::model::byte_size::ByteSize;
use crate::model::dump_url::DumpUrl;

/// One download.
pub(crate) struct Fetch<'a> {
    pub(crate) url: &'a DumpUrl,
    /// A file that is not there yet.
    pub(crate) to: &'a Path,
    /// The certificates that the host trusts.
    pub(crate) trusted: Option<&'a Path>,
    /// What can still be written, which `room` says of a disk.
    pub(crate) room: &'a dyn Fn(&File) -> anyhow::Result<u64>,
}

/// A server that sends nothing for so long will not any more.
const PATIENCE: Duration = Duration::from_secs(60);

/// What has to come in that time, in bytes: 1 kB a second is no download of a dump.
const LEAST: u64 = 60 * 1024;

const CONNECTING: Duration = Duration::from_secs(15);

const REDIRECTS: u32 = 5;

/// What stays free on the disk, which a database may share: a twentieth of it, but enough for four
/// WAL segments, and no more than the WAL of two rounds of checkpoints (`max_wal_size`, 1 GB).
fn reserve(disk: u64) -> u64 {
    const LEAST: u64 = 64 * 1024 * 1024;
    const MOST: u64 = 2 * 1024 * 1024 * 1024;
    (disk / 20).clamp(LEAST, MOST)
}

/// How often the progress is told.
const INTERVAL: Duration = Duration::from_secs(10);

impl Fetch<'_> {
    /// Downloads it to the end and makes sure that it is on the disk; returns its size.
    pub(crate) fn run(&self, tell: &mut dyn FnMut(&str)) -> anyhow::Result<u64> {
        let response = self.ask()?;
        let length = response.body().content_length();
        let mut file = File::options()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .custom_flags(libc::O_NOFOLLOW)
            .open(self.to)
            .with_context(|| format!("create {}", self.to.display()))?;
        let room = (self.room)(&file)?;
        if let Some(length) = length.filter(|length| *length > room) {
            bail!("{} is {}, and {}", self.url, ByteSize(length), left(room));
        }
        let size = self.copy(response, &mut file, tell)?;
        if length.is_some_and(|length| length != size) {
            bail!("{} broke off after {}", self.url, ByteSize(size));
        }
        file.sync_all()
            .with_context(|| format!("write {}", self.to.display()))?;
        Ok(size)
    }

    fn ask(&self) -> anyhow::Result<Response<Body>> {
        let agent: Agent = self.agent()?;
        let mut request = agent.get(self.url.target());
        if let Some(credentials) = self.url.credentials() {
            let basic = format!("Basic {}", BASE64_STANDARD.encode(credentials));
            request = request.header("Authorization", basic);
        }
        let response = request.call().map_err(|error| self.failed(&error))?;
        let status = response.status();
        if status.as_u16() == 200 {
            return Ok(response);
        }
        let hint = match status.as_u16() {
            401 | 403 => "; a presigned URL may have expired",
            _ => "",
        };
        bail!("{} answered {status}{hint}", self.url)
    }

    fn agent(&self) -> anyhow::Result<Agent> {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .https_only(self.url.is_encrypted())
            .max_redirects(REDIRECTS)
            .timeout_connect(Some(CONNECTING))
            .timeout_recv_response(Some(PATIENCE))
            .timeout_per_read(Some(PATIENCE))
            .accept_encoding("identity")
            .user_agent(concat!("voodu-postgres/", env!("CARGO_PKG_VERSION")))
            .proxy(None)
            .tls_config(self.tls()?);
        Ok(config.build().into())
    }

    fn tls(&self) -> anyhow::Result<TlsConfig> {
        let certificates = match self.trusted {
            None => Vec::new(),
            Some(path) => {
                let pem =
                    std::fs::read(path).with_context(|| format!("read {}", path.display()))?;
                let items = parse_pem(&pem).filter_map(|item| match item {
                    Ok(PemItem::Certificate(certificate)) => Some(certificate),
                    _ => None,
                });
                items.collect()
            }
        };
        let roots = RootCerts::new_with_certs(&certificates);
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = TlsConfig::builder().root_certs(roots);
        Ok(tls.unversioned_rustls_crypto_provider(provider).build())
    }

    fn copy(
        &self,
        response: Response<Body>,
        file: &mut File,
        tell: &mut dyn FnMut(&str),
    ) -> anyhow::Result<u64> {
        let length = response.body().content_length();
        let mut body = response.into_body().into_reader();
        let mut buffer = vec![0; 256 * 1024];
        let (began, mut told, mut size) = (Instant::now(), Instant::now(), 0);
        let mut pace = Pace::from(began);
        loop {
            let count = match body.read(&mut buffer) {
                Ok(0) => return Ok(size),
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(self.broke_off(size, &error)),
            };
            // A server that shares the disk would stop when it is full.
            if (self.room)(file)? < count as u64 {
                bail!("{} is more than the disk can hold", self.url);
            }
            file.write_all(buffer.get(..count).unwrap_or_default())
                .with_context(|| format!("write {}", self.to.display()))?;
            size += count as u64;
            if !pace.holds(Instant::now(), size) {
                bail!(
                    "{} is too slow: {} in all came in {} s",
                    self.url,
                    ByteSize(size),
                    began.elapsed().as_secs()
                );
            }
            if told.elapsed() >= INTERVAL {
                told = Instant::now();
                tell(&progress(began.elapsed(), size, length));
            }
        }
    }

    fn broke_off(&self, size: u64, error: &io::Error) -> anyhow::Error {
        let reason = match error.get_ref().and_then(|error| error.downcast_ref()) {
            Some(ureq::Error::Timeout(_)) => "nothing came for a minute".to_owned(),
            _ => "the connection ended".to_owned(),
        };
        anyhow!("{} broke off after {}: {reason}", self.url, ByteSize(size))
    }

    /// Some errors repeat the address, and with it what must not be shown.
    fn failed(&self, error: &ureq::Error) -> anyhow::Error {
        let reason = match error {
            ureq::Error::HostNotFound => "its host name is not known".to_owned(),
            ureq::Error::Timeout(_) => "it does not answer in time".to_owned(),
            ureq::Error::Io(error) => error.to_string(),
            ureq::Error::Rustls(error) => format!("the encrypted connection failed: {error}"),
            ureq::Error::TooManyRedirects => {
                format!("it was redirected more than {REDIRECTS} times")
            }
            ureq::Error::RequireHttpsOnly(_) => {
                "it redirects to an address without encryption".to_owned()
            }
            _ => "what it answers is not http".to_owned(),
        };
        anyhow!("{} cannot be downloaded: {reason}", self.url)
    }
}

/// How fast a download is, over each stretch of [`PATIENCE`].
struct Pace {
    since: Instant,
    size: u64,
}

impl Pace {
    fn from(since: Instant) -> Self {
        Self { since, size: 0 }
    }

    /// Whether enough came, when that many bytes are there at that time.
    fn holds(&mut self, now: Instant, size: u64) -> bool {
        if now.duration_since(self.since) < PATIENCE {
            return true;
        }
        let came = size.saturating_sub(self.size);
        *self = Self { since: now, size };
        came >= LEAST
    }
}

/// What can still be written beside the reserve.
pub(crate) fn room(file: &File) -> anyhow::Result<u64> {
    let stat = rustix::fs::fstatvfs(file).context("ask for the free space of /backups")?;
    let free = stat.f_bavail.saturating_mul(stat.f_frsize);
    let disk = stat.f_blocks.saturating_mul(stat.f_frsize);
    Ok(free.saturating_sub(reserve(disk)))
}

fn left(room: u64) -> String {
    format!("the backups directory has room for {}", ByteSize(room))
}

fn progress(elapsed: Duration, size: u64, length: Option<u64>) -> String {
    let percent = length.filter(|length| *length > 0);
    let percent = percent.map_or(String::new(), |length| {
        format!(" ({}%)", size.saturating_mul(100) / length)
    });
    let seconds = elapsed.as_secs();
    format!("[{seconds}s] {} downloaded{percent}", ByteSize(size))
}

#[cfg(test)]
#[path = "fetch_tests.rs"]
mod tests;
