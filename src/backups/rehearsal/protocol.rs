//! The messages between a client and a postgres server (postgres manual, "Message Formats"), as far as
//! a rehearsal has to tell them apart.

use std::io::{self, Read, Write};

/// What a client may ask for in the place of a session: to cancel a query of another one.
const CANCEL: u32 = 80_877_102;
/// To encrypt the connection, which is answered by a single byte.
const ENCRYPT: [u32; 2] = [80_877_103, 80_877_104];
const NO: &[u8] = b"N";
/// No message of a schema is longer.
const LONGEST: usize = 1 << 30;

/// One message: its type, and what follows the length.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Message {
    pub(super) kind: u8,
    pub(super) body: Vec<u8>,
}

/// The first packet of a connection, which has no type.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Opening {
    /// A session with these parameters, as they came.
    Session(Vec<u8>),
    /// Another session's query is to be cancelled.
    Cancel(Vec<u8>),
}

impl Message {
    /// A query of the simple protocol.
    pub(super) fn query(sql: &[u8]) -> Self {
        let mut body = sql.to_vec();
        body.push(0);
        Self { kind: b'Q', body }
    }

    /// That a command ended, as the server says it.
    pub(super) fn completed(tag: &str) -> Self {
        let mut body = tag.as_bytes().to_vec();
        body.push(0);
        Self { kind: b'C', body }
    }

    /// That the server waits for the next query, in a transaction.
    pub(super) fn ready() -> Self {
        Self {
            kind: b'Z',
            body: b"T".to_vec(),
        }
    }

    /// The session is over.
    pub(super) fn terminate() -> Self {
        Self {
            kind: b'X',
            body: Vec::new(),
        }
    }

    /// The text of a query.
    pub(super) fn sql(&self) -> &[u8] {
        self.body.strip_suffix(b"\0").unwrap_or(&self.body)
    }

    /// None at the end of the connection.
    pub(super) fn read(from: &mut impl Read) -> io::Result<Option<Self>> {
        let mut kind = [0];
        if from.read(&mut kind)? == 0 {
            return Ok(None);
        }
        let body = read_sized(from)?;
        Ok(Some(Self {
            kind: kind[0],
            body,
        }))
    }

    pub(super) fn write(&self, to: &mut impl Write) -> io::Result<()> {
        let mut bytes = vec![self.kind];
        bytes.extend(sized(&self.body)?);
        to.write_all(&bytes)
    }

    /// Whether the server says that no transaction is open any more.
    pub(super) fn is_idle(&self) -> bool {
        self.kind == b'Z' && self.body == b"I"
    }

    /// Whether it is the server's request for one more message of the login.
    pub(super) fn asks_for_password(&self) -> bool {
        let code = self
            .body
            .first_chunk()
            .map(|code| u32::from_be_bytes(*code));
        // 0: logged in; 12: the last word of a SASL exchange.
        self.kind == b'R' && code.is_some_and(|code| code != 0 && code != 12)
    }

    /// The fields of an error or a notice, by their letters; text that is not UTF-8 is replaced.
    pub(super) fn field(&self, letter: u8) -> Option<String> {
        let fields = self.body.split(|byte| *byte == 0);
        let mut fields = fields.filter(|field| field.first() == Some(&letter));
        let text = fields.next()?.get(1..)?;
        Some(String::from_utf8_lossy(text).into_owned())
    }
}

/// Reads the first packet, and declines to encrypt.
pub(super) fn open(client: &mut (impl Read + Write)) -> io::Result<Opening> {
    loop {
        let body = read_sized(client)?;
        let code = body.first_chunk().map(|code| u32::from_be_bytes(*code));
        match code {
            Some(code) if ENCRYPT.contains(&code) => client.write_all(NO)?,
            Some(CANCEL) => return Ok(Opening::Cancel(sized(&body)?)),
            _ => return Ok(Opening::Session(sized(&body)?)),
        }
    }
}

/// What follows a length, which counts itself.
fn read_sized(from: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut length = [0; 4];
    from.read_exact(&mut length)?;
    let length = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
    let length = length.checked_sub(4).filter(|length| *length <= LONGEST);
    let length = length.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "no message"))?;
    let mut body = vec![0; length];
    from.read_exact(&mut body)?;
    Ok(body)
}

fn sized(body: &[u8]) -> io::Result<Vec<u8>> {
    let length = u32::try_from(body.len() + 4).map_err(io::Error::other)?;
    Ok([&length.to_be_bytes(), body].concat())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Cursor;

    #[test]
    fn a_message_is_read_as_it_was_written() {
        let message = Message::query(b"SELECT 1");
        let mut bytes = Vec::new();
        message.write(&mut bytes).unwrap();
        assert_eq!(bytes, b"Q\0\0\0\x0dSELECT 1\0");
        let read = Message::read(&mut Cursor::new(bytes)).unwrap().unwrap();
        assert_eq!(read.sql(), b"SELECT 1");
        assert_eq!(Message::read(&mut Cursor::new(b"")).unwrap(), None);
        for cut in [
            &b"Q"[..],
            b"Q\0\0\0\x0dSEL",
            b"Q\0\0\0\x03",
            b"Q\xff\xff\xff\xff",
        ] {
            Message::read(&mut Cursor::new(cut)).unwrap_err();
        }
    }

    /// What a client says, and what it is answered.
    struct Client(Cursor<Vec<u8>>, Vec<u8>);

    impl Read for Client {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            self.0.read(buffer)
        }
    }

    impl Write for Client {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.1.write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn what_a_connection_begins_with() {
        let client = |bytes: &[u8]| Client(Cursor::new(bytes.to_vec()), Vec::new());
        let mut session = client(b"\0\0\0\x08\x04\xd2\x16\x2f\0\0\0\x08\0\x03\0\0");
        let parameters = b"\0\0\0\x08\0\x03\0\0".to_vec();
        assert_eq!(open(&mut session).unwrap(), Opening::Session(parameters));
        assert_eq!(session.1, b"N");
        let mut cancel = client(b"\0\0\0\x10\x04\xd2\x16\x2e\0\0\0\x01\0\0\0\x02");
        assert!(matches!(open(&mut cancel).unwrap(), Opening::Cancel(bytes) if bytes.len() == 16));
    }

    #[test]
    fn the_fields_of_an_error() {
        let error = Message {
            kind: b'E',
            body: b"SERROR\0C42704\0Mrole \"x\" does not exist\0Da\nb\0\0".to_vec(),
        };
        assert_eq!(error.field(b'C').as_deref(), Some("42704"));
        assert_eq!(error.field(b'D').as_deref(), Some("a\nb"));
        assert_eq!(error.field(b'H'), None);
    }

    #[test]
    fn the_login_asks_until_it_is_over() {
        let says = |code: u8| Message {
            kind: b'R',
            body: vec![0, 0, 0, code],
        };
        for (code, asks) in [
            (0, false),
            (3, true),
            (5, true),
            (10, true),
            (11, true),
            (12, false),
        ] {
            assert_eq!(says(code).asks_for_password(), asks, "{code}");
        }
    }
}
