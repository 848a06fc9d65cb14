use super::*;
use std::net::TcpListener;
use std::sync::mpsc;

/// A server that refuses what has `bad` in it, and tells what it was asked.
fn server() -> (SocketAddr, mpsc::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (asked, queries) = mpsc::channel();
    thread::spawn(move || {
        let (mut client, _) = listener.accept().unwrap();
        let opening = protocol_open(&mut client);
        asked.send(opening).unwrap();
        let login = |code: u8| Message {
            kind: b'R',
            body: vec![0, 0, 0, code],
        };
        login(3).write(&mut client).unwrap();
        let password = Message::read(&mut client).unwrap().unwrap();
        assert_eq!(password.body, b"secret\0");
        login(0).write(&mut client).unwrap();
        Message::ready().write(&mut client).unwrap();
        while let Some(message) = Message::read(&mut client).unwrap() {
            let sql = String::from_utf8_lossy(message.sql()).into_owned();
            asked.send(sql.clone()).unwrap();
            if message.kind == b'X' {
                return;
            }
            if sql.contains("bad") {
                let code = if sql.contains("CASCADE") || !sql.contains("DROP") {
                    "42P01"
                } else {
                    "2BP01"
                };
                let body = format!("SERROR\0C{code}\0Mno {sql}\0Dview v depends on table bad\0\0");
                let error = Message {
                    kind: b'E',
                    body: body.into_bytes(),
                };
                error.write(&mut client).unwrap();
            } else {
                Message::completed("OK").write(&mut client).unwrap();
            }
            let mut ready = Message::ready();
            if sql.contains("COMMIT") {
                ready.body = b"I".to_vec();
            }
            ready.write(&mut client).unwrap();
        }
    });
    (address, queries)
}

fn protocol_open(client: &mut TcpStream) -> String {
    match open(client).unwrap() {
        Opening::Session(parameters) => format!("{} bytes", parameters.len()),
        Opening::Cancel(_) => "cancel".to_owned(),
    }
}

/// Connects as `pg_restore` does, and runs those statements. Answers with the types that it heard.
fn restore(socket: &Path, statements: &[&[u8]]) -> Vec<String> {
    let mut client = loop {
        match UnixStream::connect(socket) {
            Ok(client) => break client,
            Err(_) => thread::sleep(NAP),
        }
    };
    io::Write::write_all(&mut client, b"\0\0\0\x08\0\x03\0\0").unwrap();
    let hear = |client: &mut UnixStream| {
        let mut kinds = String::new();
        loop {
            let message = Message::read(client).unwrap().unwrap();
            kinds.push(char::from(message.kind));
            if message.asks_for_password() {
                let password = Message {
                    kind: b'p',
                    body: b"secret\0".to_vec(),
                };
                password.write(client).unwrap();
            }
            if message.kind == b'Z' {
                return kinds;
            }
        }
    };
    let mut heard = vec![hear(&mut client)];
    for statement in statements {
        Message::query(statement).write(&mut client).unwrap();
        heard.push(hear(&mut client));
    }
    Message::terminate().write(&mut client).unwrap();
    heard
}

#[test]
fn every_statement_is_tried_and_nothing_is_committed() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("s");
    let (address, queries) = server();
    let statements: [&[u8]; 6] = [
        b"BEGIN",
        b"CREATE TABLE good ();\n",
        b"CREATE TABLE bad ();\n",
        b"DROP TABLE \"x\n\\! touch /tmp/x\";\n",
        b"DROP TABLE bad;\n",
        b"COMMIT;\n",
    ];
    let (heard, findings) = thread::scope(|scope| {
        let rehearsing = scope.spawn(|| rehearse(&socket, address).unwrap());
        let heard = restore(&socket, &statements);
        (heard, rehearsing.join().unwrap())
    });
    assert_eq!(heard, ["RRZ", "CZ", "CZ", "EZ", "CZ", "EZ", "CZ"]);
    let asked: Vec<_> = queries.iter().collect();
    let (begin, next, back) = [BEGIN, NEXT, BACK]
        .map(|sql| String::from_utf8_lossy(sql).into_owned())
        .into();
    let expected = [
        "8 bytes",
        &begin,
        "CREATE TABLE good ();\n",
        &next,
        "CREATE TABLE bad ();\n",
        &back,
        "DROP TABLE \"x\n\\! touch /tmp/x\";\n",
        &next,
        "DROP TABLE bad;\n",
        &back,
        "DROP TABLE bad CASCADE",
        &back,
        "ROLLBACK",
        "",
    ];
    assert_eq!(asked, expected);
    let refusal = findings.refusal().unwrap();
    assert!(refusal.contains("replaces: view v. Drop them"), "{refusal}");
}

/// No dump of `pg_dump` does that.
#[test]
fn a_statement_that_ends_the_transaction_is_the_last_one() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("s");
    let (address, queries) = server();
    let findings = thread::scope(|scope| {
        let rehearsing = scope.spawn(|| rehearse(&socket, address).unwrap());
        let restoring = scope.spawn(|| restore(&socket, &[b"SELECT 1; COMMIT; SELECT 2"]));
        let findings = rehearsing.join().unwrap();
        // It is hung up on.
        restoring.join().unwrap_err();
        findings
    });
    assert_eq!(findings.refusal().as_deref(), Some("ended"));
    let asked: Vec<_> = queries.iter().skip(2).collect();
    assert_eq!(asked, ["SELECT 1; COMMIT; SELECT 2", "ROLLBACK", ""]);
}

/// As `pg_restore` does when it is stopped while a statement waits for a lock.
#[test]
fn a_query_can_be_cancelled_beside_the_session() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("s");
    let (address, queries) = server();
    thread::scope(|scope| {
        scope.spawn(|| rehearse(&socket, address).map(drop));
        while !socket.exists() {
            thread::sleep(NAP);
        }
        let mut beside = loop {
            match UnixStream::connect(&socket) {
                Ok(beside) => break beside,
                Err(_) => thread::sleep(NAP),
            }
        };
        let request = b"\0\0\0\x10\x04\xd2\x16\x2e\0\0\0\x01\0\0\0\x02";
        io::Write::write_all(&mut beside, request).unwrap();
        assert_eq!(queries.recv().unwrap(), "cancel");
        // The server of this test takes one connection; the rehearsal ends for want of another.
        drop(beside);
        let connected = UnixStream::connect(&socket).unwrap();
        drop(connected);
    });
}

#[test]
fn a_transaction_of_its_own_is_not_the_servers() {
    for own in [&b"BEGIN"[..], b"COMMIT", b" commit; \n", b"begin;"] {
        assert!(ends_or_begins(own));
    }
    for other in [
        &b"COMMIT PREPARED 'x'"[..],
        b"SELECT 1; COMMIT",
        b"COMMENT ON TABLE t IS 'COMMIT'",
    ] {
        assert!(!ends_or_begins(other));
    }
}
