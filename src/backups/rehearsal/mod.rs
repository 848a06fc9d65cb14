//! The rehearsal of a restore: `pg_restore` runs every statement of a dump that is not data on the real
//! server, in one transaction that is rolled back, and no error ends it early.
//!
//! Nothing of a dump is text to us. `pg_restore` sends its statements to the server itself; it connects
//! through this process, which puts each of them between savepoints (postgres manual, SAVEPOINT) and
//! keeps the COMMIT of `pg_restore` back. So all that would fail is known at once, and nothing is changed.
//! A file that `pg_dump` did not make can have a COMMIT among its own statements: that is noticed, and no
//! further statement runs.

mod findings;
mod protocol;

use std::fs::{self, Permissions};
use std::io;
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};

use self::findings::Findings;
use self::protocol::{Message, Opening, open};

/// A `pg_restore` that has not connected by then does not come any more.
const ARRIVAL: Duration = Duration::from_secs(15);
const NAP: Duration = Duration::from_millis(10);

const BEGIN: &[u8] = b"BEGIN; SAVEPOINT voodu_rehearsal";
const NEXT: &[u8] = b"RELEASE SAVEPOINT voodu_rehearsal; SAVEPOINT voodu_rehearsal";
const BACK: &[u8] = b"ROLLBACK TO SAVEPOINT voodu_rehearsal";

/// Waits at a socket for `pg_restore`, and lets it rehearse with that server.
pub(crate) fn rehearse(socket: &Path, server: SocketAddr) -> anyhow::Result<Findings> {
    let listener = UnixListener::bind(socket).context("listen")?;
    // It runs as another user, in this container.
    fs::set_permissions(socket, Permissions::from_mode(0o666)).context("open the socket")?;
    let (client, parameters) = first(&listener, server)?;
    // Whoever wants a query cancelled connects beside the session. It ends with this process.
    thread::spawn(move || {
        while let Ok((mut other, _)) = listener.accept() {
            cancel(&mut other, server).ok();
        }
    });
    let mut session = Session {
        client,
        server: TcpStream::connect(server).context("connect to the server")?,
        findings: Findings::default(),
    };
    session.server.set_nodelay(true).ok();
    session.log_in(&parameters)?;
    session.run()?;
    Ok(session.findings)
}

/// The session of `pg_restore`, with its parameters.
fn first(listener: &UnixListener, server: SocketAddr) -> anyhow::Result<(UnixStream, Vec<u8>)> {
    listener.set_nonblocking(true)?;
    let deadline = Instant::now() + ARRIVAL;
    loop {
        match listener.accept() {
            Ok((mut client, _)) => {
                client.set_nonblocking(false)?;
                match open(&mut client)? {
                    Opening::Session(parameters) => {
                        listener.set_nonblocking(false)?;
                        return Ok((client, parameters));
                    }
                    Opening::Cancel(request) => forward(&request, server)?,
                }
            }
            Err(error) if error.kind() != io::ErrorKind::WouldBlock => return Err(error.into()),
            Err(_) if Instant::now() >= deadline => bail!("pg_restore did not connect"),
            Err(_) => thread::sleep(NAP),
        }
    }
}

fn cancel(client: &mut UnixStream, server: SocketAddr) -> io::Result<()> {
    match open(client)? {
        Opening::Cancel(request) => forward(&request, server),
        Opening::Session(_) => Ok(()),
    }
}

fn forward(request: &[u8], server: SocketAddr) -> io::Result<()> {
    io::Write::write_all(&mut TcpStream::connect(server)?, request)
}

/// `pg_restore` on one side, the server on the other.
struct Session {
    client: UnixStream,
    server: TcpStream,
    findings: Findings,
}

/// What a query came to.
enum Outcome {
    Done,
    Failed(Message),
    /// It ended the transaction.
    Ended,
}

impl Session {
    /// Passes the login through until the server is ready, and begins the transaction.
    fn log_in(&mut self, parameters: &[u8]) -> anyhow::Result<()> {
        io::Write::write_all(&mut self.server, parameters)?;
        loop {
            let message = self.hear()?;
            message.write(&mut self.client)?;
            if message.asks_for_password() {
                let password = Message::read(&mut self.client)?.context("pg_restore went away")?;
                password.write(&mut self.server)?;
            }
            match message.kind {
                b'Z' => break,
                b'E' => bail!("the server lets nobody in"),
                _ => {}
            }
        }
        self.ask(BEGIN)
    }

    /// Until `pg_restore` has no more statements.
    fn run(&mut self) -> anyhow::Result<()> {
        while let Some(message) = Message::read(&mut self.client)? {
            match message.kind {
                b'X' => break,
                b'Q' if ends_or_begins(message.sql()) => {
                    let tag = String::from_utf8_lossy(message.sql()).into_owned();
                    Message::completed(&tag).write(&mut self.client)?;
                    Message::ready().write(&mut self.client)?;
                }
                b'Q' => {
                    self.rehearse(&message)?;
                    if self.findings.ended {
                        break;
                    }
                }
                kind => bail!("pg_restore sent a message of type {kind}"),
            }
        }
        self.ask(b"ROLLBACK")?;
        Ok(Message::terminate().write(&mut self.server)?)
    }

    /// One statement, after which the transaction goes on in any case.
    fn rehearse(&mut self, query: &Message) -> anyhow::Result<()> {
        query.write(&mut self.server)?;
        match self.relay()? {
            Outcome::Ended => {
                self.findings.ended = true;
                return Ok(());
            }
            Outcome::Done => self.ask(NEXT)?,
            Outcome::Failed(error) => {
                self.findings.add(&error, query.sql());
                self.ask(BACK)?;
                if error.field(b'C').as_deref() == Some("2BP01") {
                    self.clear_the_way(query.sql())?;
                }
            }
        }
        Ok(Message::ready().write(&mut self.client)?)
    }

    /// What could not be dropped is dropped with everything that depends on it, so that the statements
    /// that follow are tried as they would run once those are out of the way.
    fn clear_the_way(&mut self, drop: &[u8]) -> anyhow::Result<()> {
        let statement = drop.trim_ascii_end();
        let statement = statement.strip_suffix(b";").unwrap_or(statement);
        match self.ask(&[statement, b" CASCADE"].concat()) {
            Ok(()) => self.ask(NEXT),
            Err(_) => self.ask(BACK),
        }
    }

    /// Passes what the server answers on, all but the end of the answer.
    fn relay(&mut self) -> anyhow::Result<Outcome> {
        let mut outcome = Outcome::Done;
        loop {
            let message = self.hear()?;
            match message.kind {
                b'Z' if message.is_idle() => return Ok(Outcome::Ended),
                b'Z' => return Ok(outcome),
                b'G' => bail!("the dump has data where none were asked for"),
                b'E' => outcome = Outcome::Failed(message.clone()),
                _ => {}
            }
            message.write(&mut self.client)?;
        }
    }

    /// A query of our own, whose answer nobody else hears.
    fn ask(&mut self, sql: &[u8]) -> anyhow::Result<()> {
        Message::query(sql).write(&mut self.server)?;
        let mut error = None;
        loop {
            let message = self.hear()?;
            match message.kind {
                b'Z' => break,
                b'E' => error = message.field(b'M'),
                _ => {}
            }
        }
        match error {
            None => Ok(()),
            Some(error) => bail!(error),
        }
    }

    fn hear(&mut self) -> anyhow::Result<Message> {
        Message::read(&mut self.server)?.context("the server ended the session")
    }
}

/// `pg_restore` has transactions of its own around some statements.
fn ends_or_begins(sql: &[u8]) -> bool {
    let word = sql
        .trim_ascii()
        .strip_suffix(b";")
        .unwrap_or(sql.trim_ascii());
    ["BEGIN", "COMMIT"]
        .iter()
        .any(|own| word.eq_ignore_ascii_case(own.as_bytes()))
}

#[cfg(test)]
mod tests;
