//! Clients that do not mean to finish a TLS handshake, or to keep its rules after it.

use std::io::{ErrorKind, Read, Write};
use std::sync::Arc;

use rustls::pki_types::ServerName;
use rustls::{ClientConnection, DEFAULT_VERSIONS};
use tempfile::TempDir;
use tollgate_web::ServerConfig;

use crate::support::{SHORT, STUCK, TestServer, config};
use crate::tls::{TlsStream, certificate, client_config, get, handshake, install};

/// A server with TLS and clients that know its certificate.
struct Trial {
    server: TestServer,
    client: Arc<rustls::ClientConfig>,
    _directory: TempDir,
}

impl Trial {
    fn new(limits: ServerConfig) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let certificate = certificate();
        let tls = Some(install(directory.path(), &certificate));
        Self {
            server: TestServer::start(ServerConfig { tls, ..limits }),
            client: client_config(certificate.cert.der(), DEFAULT_VERSIONS, &[]),
            _directory: directory,
        }
    }

    fn connect(&self) -> TlsStream {
        handshake(&self.server, Arc::clone(&self.client)).unwrap()
    }

    /// What a client says first.
    fn hello(&self) -> Vec<u8> {
        let name = ServerName::try_from("localhost").unwrap();
        let mut client = ClientConnection::new(Arc::clone(&self.client), name).unwrap();
        let mut hello = Vec::new();
        client.write_tls(&mut hello).unwrap();
        hello
    }

    fn closed(&self, reason: &str, count: usize) {
        let name = "http_connections_closed_total";
        self.server
            .wait_for_metric(&format!("{name}{{reason=\"{reason}\"}} {count}"));
        self.server.wait_for_metric("http_connections_open 0");
    }

    fn serves(&self) {
        assert_eq!(get(&mut self.connect(), "/hello").text(), "hello");
    }
}

#[test]
fn a_hello_that_stops_is_cut_off_wherever_it_stops() {
    let trial = Trial::new(ServerConfig {
        header_timeout: SHORT,
        ..config()
    });
    let hello = trial.hello();
    // The last one is whole, and the server's answer to it goes unanswered.
    let cuts = [
        1,
        4,
        5,
        6,
        9,
        43,
        hello.len() / 2,
        hello.len() - 1,
        hello.len(),
    ];
    for (count, cut) in (1..).zip(cuts) {
        let mut client = trial.server.connect();
        client.send(&hello[..cut]);
        assert!(client.is_cut_off(), "{cut}");
        trial.closed("header_timeout", count);
    }
}

#[test]
fn a_hello_that_dribbles_is_cut_off() {
    let trial = Trial::new(ServerConfig {
        header_timeout: SHORT,
        ..config()
    });
    let mut client = trial.server.connect();
    client.stream.set_read_timeout(Some(SHORT / 10)).unwrap();
    let nothing_yet = |kind| matches!(kind, ErrorKind::WouldBlock | ErrorKind::TimedOut);
    let hello = trial.hello();
    // The last byte is never sent: each one before it is progress, and none of it counts.
    let sent = hello[..hello.len() - 1].iter().take_while(|byte| {
        let _ = client.stream.write_all(&[**byte]);
        let read = client.stream.read(&mut [0]);
        read.is_err_and(|error| nothing_yet(error.kind()))
    });
    sent.for_each(drop);
    client.stream.set_read_timeout(Some(STUCK)).unwrap();
    assert!(client.is_cut_off());
    trial.closed("header_timeout", 1);
}

#[test]
fn what_is_no_hello_is_refused() {
    let trial = Trial::new(config());
    let record = |kind: u8, payload: &[u8]| {
        let length = u16::try_from(payload.len()).unwrap().to_be_bytes();
        [&[kind, 3, 1][..], &length, payload].concat()
    };
    // Of a client that knows SSL 3.0 at most, and no extension that tells more.
    let random = &trial.hello()[11..43];
    let hello_of_ssl3 = [&[1, 0, 0, 41, 3, 0][..], random, &[0, 0, 2, 0, 0x35, 1, 0]].concat();
    let cases = [
        (
            "plain HTTP",
            b"GET /hello HTTP/1.1\r\nHost: t\r\n\r\n".to_vec(),
        ),
        ("plain HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec()),
        ("another protocol", b"SSH-2.0-OpenSSH_9.9\r\n".to_vec()),
        ("zeros", vec![0; 100]),
        (
            "SSL 2.0",
            b"\x80\x2e\x01\x00\x02\x00\x15\x00\x00\x00\x10".repeat(10),
        ),
        ("SSL 3.0", record(22, &hello_of_ssl3)),
        ("warnings", record(21, &[1, 90]).repeat(10_000)),
        ("an alert", record(21, &[2, 40])),
        ("half alerts", record(21, &[1]).repeat(100)),
        ("empty handshakes", record(22, &[]).repeat(10_000)),
        ("changes of cipher", record(20, &[1]).repeat(10_000)),
        (
            "application data",
            record(23, b"GET /hello HTTP/1.1\r\nHost: t\r\n\r\n"),
        ),
        ("heartbeats", record(24, &[1, 0xff, 0xff]).repeat(100)),
        ("an unknown record", record(99, &[0; 100])),
        (
            "a record too long",
            [&[22, 3, 1, 0xff, 0xff][..], &[0; 70_000]].concat(),
        ),
        (
            "a hello of 16 MiB",
            [
                record(22, &[1, 0xff, 0xff, 0xff]),
                record(22, &[0; 16_000]).repeat(20),
            ]
            .concat(),
        ),
        (
            "another's finish",
            record(22, &[20, 0, 0, 12, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]),
        ),
        ("a hello without end", record(22, &[1, 0, 0, 2, 3, 3])),
        ("two hellos", [trial.hello(), trial.hello()].concat()),
    ];
    for (count, (name, bytes)) in (1..).zip(cases) {
        let mut client = trial.server.connect();
        // The server may close before it has taken all.
        let _ = client.stream.write_all(&bytes);
        assert!(client.is_cut_off(), "{name}");
        trial.closed("tls", count);
        trial.serves();
    }
}

#[test]
fn a_hello_may_come_in_pieces() {
    let trial = Trial::new(config());
    let hello = trial.hello();
    let mut client = trial.server.connect();
    // Records of one byte each: slow, and allowed (RFC 8446 §5.1).
    for byte in &hello[5..] {
        client.send([22, 3, 1, 0, 1, *byte]);
    }
    let mut head = [0];
    client.stream.read_exact(&mut head).unwrap();
    assert_eq!(head, [22], "the server's hello");
}

#[test]
fn broken_records_end_the_connection() {
    let trial = Trial::new(config());
    let record = |kind: u8, payload: &[u8]| {
        let length = u16::try_from(payload.len()).unwrap().to_be_bytes();
        [&[kind, 3, 3][..], &length, payload].concat()
    };
    for bytes in [
        record(23, &[0; 100]),
        record(23, &[]),
        record(23, &[0; 17_000]),
        record(21, &[1, 90]).repeat(1000),
        record(22, &[24, 0, 0, 1, 1]),
        b"GET /panic HTTP/1.1\r\nHost: t\r\n\r\n".to_vec(),
    ] {
        let mut stream = trial.connect();
        assert_eq!(get(&mut stream, "/hello").text(), "hello");
        let _ = stream.sock.write_all(&bytes);
        let mut rest = Vec::new();
        let ended = std::io::Read::read_to_end(&mut stream.sock, &mut rest);
        assert!(
            !ended.is_err_and(|error| error.kind() == ErrorKind::WouldBlock),
            "{bytes:?}"
        );
        trial.server.wait_for_metric("http_connections_open 0");
    }
    trial.serves();
}

#[test]
fn a_flood_of_new_keys_is_refused() {
    let trial = Trial::new(config());
    let mut stream = trial.connect();
    assert_eq!(get(&mut stream, "/hello").text(), "hello");
    let flooded = (0..10_000).all(|_| {
        stream.conn.refresh_traffic_keys().unwrap();
        stream.conn.write_tls(&mut stream.sock).is_ok()
    });
    let ended = stream.read_to_end(&mut Vec::new());
    assert!(!flooded || ended.is_err(), "every key was taken: {ended:?}");
    trial.server.wait_for_metric("http_connections_open 0");
    trial.serves();
}
