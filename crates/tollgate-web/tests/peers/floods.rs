//! Floods over HTTP/1.1 and TLS: from one thread as much as goes, for as long as the server lets it
//! or until enough has come.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use crate::server::{STUCK, Server};
use crate::steady::connect_tls;

/// A name, and what it does to a server.
type Flood = (&'static str, fn(&Server));

/// Enough to pass every bound.
const REQUESTS: usize = 50_000;
const CONNECTIONS: usize = 300;

pub(crate) const FLOODS: &[Flood] = &[
    ("connections", connections),
    ("connections_held", connections_held),
    ("requests", requests),
    ("requests_unread", |server| {
        unread(server, "/hello", 20);
    }),
    ("large_answers_unread", |server| {
        unread(server, "/endless", 20);
    }),
    ("broken_requests", broken_requests),
    ("large_heads", large_heads),
    ("tiny_chunks", tiny_chunks),
    ("chunk_sizes_without_end", |server| {
        body(server, "", &[b'0'; 1 << 16]);
    }),
    ("chunk_extensions", |server| {
        body(server, "5;", &[b'x'; 1 << 16]);
    }),
    ("chunk_trailers", |server| {
        body(server, "0\r\n", &b"a: b\r\n".repeat(10_000));
    }),
    ("unread_bodies", unread_bodies),
    ("tls_hellos_cut", tls_hellos_cut),
    ("tls_handshakes", tls_handshakes),
    ("tls_garbage", tls_garbage),
];

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(STUCK)).unwrap();
    stream.set_write_timeout(Some(STUCK)).unwrap();
    stream
}

/// Reads until the server has ended the connection.
fn drain(mut stream: TcpStream) {
    let _ = std::io::copy(&mut stream, &mut std::io::sink());
}

fn connections(server: &Server) {
    for _ in 0..5 * CONNECTIONS {
        drop(connect(server.plain));
    }
}

fn connections_held(server: &Server) {
    let held: Vec<TcpStream> = (0..CONNECTIONS).map(|_| connect(server.plain)).collect();
    held.into_iter().for_each(drain);
}

fn requests(server: &Server) {
    let mut stream = connect(server.plain);
    let mut sending = stream.try_clone().unwrap();
    let flood = b"GET /hello HTTP/1.1\r\nHost: t\r\n\r\n".repeat(REQUESTS);
    let last = b"GET /hello HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n";
    let writer = std::thread::spawn(move || {
        sending.write_all(&flood).unwrap();
        sending.write_all(last).unwrap();
    });
    let mut answers = Vec::new();
    stream.read_to_end(&mut answers).unwrap();
    writer.join().unwrap();
    let count = answers
        .windows(8)
        .filter(|part| part == b"HTTP/1.1")
        .count();
    assert_eq!(count, REQUESTS + 1);
}

fn unread(server: &Server, path: &str, connections: usize) {
    let flood = format!("GET {path} HTTP/1.1\r\nHost: t\r\n\r\n").repeat(1000);
    let mut open: Vec<TcpStream> = (0..connections).map(|_| connect(server.plain)).collect();
    for stream in &mut open {
        // Takes what there is room for; the server soon reads no more.
        stream.set_nonblocking(true).unwrap();
        while stream.write(flood.as_bytes()).is_ok() {}
    }
    for stream in open {
        stream.set_nonblocking(false).unwrap();
        ended(&stream);
    }
}

/// Waits until the server has ended a connection that is not read from.
fn ended(stream: &TcpStream) {
    let mut stream = stream;
    stream.set_write_timeout(Some(STUCK)).unwrap();
    while stream.write_all(&[b'x'; 1 << 16]).is_ok() {}
}

fn broken_requests(server: &Server) {
    for _ in 0..5 * CONNECTIONS {
        let mut stream = connect(server.plain);
        stream
            .write_all(b"GET /hello HTTP/1.1\r\nno colon\r\n\r\n")
            .unwrap();
        drain(stream);
    }
}

fn large_heads(server: &Server) {
    let head = format!(
        "GET /hello HTTP/1.1\r\nHost: t\r\n{}\r\n",
        "a: b\r\n".repeat(90)
    );
    let longer = format!(
        "GET /hello HTTP/1.1\r\nHost: t\r\na: {}\r\n\r\n",
        "x".repeat(15_000)
    );
    for _ in 0..CONNECTIONS {
        let mut stream = connect(server.plain);
        let _ = stream.write_all((head.repeat(20) + &longer.repeat(3) + "\0").as_bytes());
        drain(stream);
    }
}

fn tiny_chunks(server: &Server) {
    let body = "1\r\nx\r\n".repeat(60_000) + "0\r\n\r\n";
    let head = "POST /echo HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n";
    let request = format!("{head}Connection: close\r\n\r\n{body}");
    for _ in 0..30 {
        let mut stream = connect(server.plain);
        stream.write_all(request.as_bytes()).unwrap();
        drain(stream);
    }
}

/// A chunked body that goes on until the server has enough.
fn body(server: &Server, start: &str, part: &[u8]) {
    let head = "POST /echo HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n";
    let mut stream = connect(server.plain);
    stream
        .write_all((head.to_owned() + start).as_bytes())
        .unwrap();
    while stream.write_all(part).is_ok() {}
}

fn unread_bodies(server: &Server) {
    let head = "POST /hello HTTP/1.1\r\nHost: t\r\nContent-Length: 60000\r\n\r\n";
    for _ in 0..CONNECTIONS {
        let mut stream = connect(server.plain);
        let _ = stream.write_all(head.as_bytes());
        let _ = stream.write_all(&[b'x'; 60_000]);
        drain(stream);
    }
}

fn tls_hellos_cut(server: &Server) {
    let cut = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03";
    let mut held: Vec<TcpStream> = (0..CONNECTIONS).map(|_| connect(server.secure)).collect();
    for stream in &mut held {
        stream.write_all(cut).unwrap();
    }
    held.into_iter().for_each(drain);
}

fn tls_handshakes(server: &Server) {
    for _ in 0..CONNECTIONS {
        drop(connect_tls(server));
    }
}

fn tls_garbage(server: &Server) {
    for _ in 0..5 * CONNECTIONS {
        let mut stream = connect(server.secure);
        let _ = stream.write_all(&b"\x15\x03\x01\x00\x02\x01\x5a".repeat(100));
        stream
            .set_read_timeout(Some(Duration::from_secs(10)))
            .unwrap();
        drain(stream);
    }
}
