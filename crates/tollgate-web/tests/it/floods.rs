//! Clients of HTTP/1.1 that send far more than anybody waits for.

use std::io::{BufReader, Read, Write};
use std::net::TcpStream;
use std::sync::Barrier;

use tollgate_web::ServerConfig;

use crate::support::{SHORT, STUCK, TestServer, config, read_answer};

const REQUESTS: usize = 20_000;

#[test]
fn a_flood_of_requests_is_answered_in_order() {
    let server = TestServer::start(config());
    let client = server.connect();
    let written = Barrier::new(2);
    let post = |number: usize| {
        let body = number.to_string();
        let length = body.len();
        format!("POST /echo HTTP/1.1\r\nHost: t\r\nContent-Length: {length}\r\n\r\n{body}")
    };
    let written = &written;
    std::thread::scope(|scope| {
        let mut sending = client.stream.try_clone().unwrap();
        scope.spawn(move || {
            let flood: Vec<u8> = (0..REQUESTS)
                .flat_map(|number| post(number).into_bytes())
                .collect();
            let rest = write_while_taken(&mut sending, &flood);
            written.wait();
            sending.set_write_timeout(Some(STUCK)).unwrap();
            sending.write_all(rest).unwrap();
        });
        // Nothing is read until the server takes no more, or has taken all.
        written.wait();
        let mut answers = BufReader::new(&client.stream);
        for number in 0..REQUESTS {
            assert_eq!(read_answer(&mut answers).text(), number.to_string());
        }
    });
    assert_eq!(server.connect().get("/hello").text(), "hello");
}

/// Writes until nothing is taken for a while; returns what is left.
fn write_while_taken<'a>(stream: &mut TcpStream, mut bytes: &'a [u8]) -> &'a [u8] {
    stream.set_write_timeout(Some(SHORT)).unwrap();
    while !bytes.is_empty() {
        let Ok(taken) = stream.write(bytes) else {
            break;
        };
        bytes = bytes.split_at(taken).1;
    }
    bytes
}

#[test]
fn a_flood_whose_answers_nobody_reads_is_cut_off() {
    let server = TestServer::start(ServerConfig {
        write_timeout: SHORT,
        ..config()
    });
    let mut client = server.connect();
    let flood = "GET /hello HTTP/1.1\r\nHost: t\r\n\r\n".repeat(1000);
    while client.stream.write_all(flood.as_bytes()).is_ok() {}
    server.wait_for_metric("http_connections_closed_total{reason=\"write_timeout\"} 1");
    assert_eq!(server.connect().get("/hello").text(), "hello");
}

#[test]
#[cfg(target_os = "linux")]
fn the_system_takes_little_of_an_answer_that_nobody_reads() {
    let server = TestServer::start(ServerConfig {
        write_timeout: SHORT,
        ..config()
    });
    let mut client = server.connect();
    client.send("GET /endless HTTP/1.1\r\nHost: t\r\n\r\n");
    server.wait_for_metric("http_connections_closed_total{reason=\"write_timeout\"} 1");
    let mut taken = Vec::new();
    let _ = client.stream.read_to_end(&mut taken);
    // What stood in its buffer and in ours; by itself the system would take twice as much.
    assert!(taken.len() < 2 << 20, "{} bytes", taken.len());
}

#[test]
fn answers_come_before_the_refusal_of_what_follows() {
    let server = TestServer::start(config());
    let mut client = server.connect();
    client.send("GET /hello HTTP/1.1\r\nHost: t\r\n\r\n".repeat(200));
    client.send("GET /hello HTTP/1.1\r\nHost : t\r\n\r\n");
    client.send("GET /panic HTTP/1.1\r\nHost: t\r\n\r\n".repeat(200));
    let mut answers = BufReader::new(&client.stream);
    for _ in 0..200 {
        assert_eq!(read_answer(&mut answers).text(), "hello");
    }
    assert_eq!(read_answer(&mut answers).status, 400);
    let mut rest = Vec::new();
    answers.read_to_end(&mut rest).unwrap();
    assert_eq!(rest, b"");
    assert!(
        server
            .registry
            .render()
            .contains("http_handler_panics_total 0")
    );
}

#[test]
fn bodies_of_nothing_but_framing_are_cut_off() {
    // Each of these costs work and never brings the body any further; the sender is quicker than
    // the server, so that there is always something to read.
    let server = TestServer::start(ServerConfig {
        read_timeout: SHORT,
        ..config()
    });
    let zeros = "0".repeat(1 << 16);
    let mut client = server.connect();
    client.send("POST /echo HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n");
    let started = std::time::Instant::now();
    while client.stream.write_all(zeros.as_bytes()).is_ok() {
        assert!(started.elapsed() < STUCK, "never cut off");
    }
    assert!(client.is_cut_off());
    server.wait_for_metric("http_requests_in_flight 0");
    assert_eq!(server.connect().get("/hello").text(), "hello");
}

#[test]
fn bodies_of_many_turns_come_through() {
    let server = TestServer::start(ServerConfig {
        body_bytes_max: 1 << 24,
        ..config()
    });
    let body: Vec<u8> = (0..1_u32 << 20).flat_map(u32::to_be_bytes).collect();
    let mut client = server.connect();
    let length = body.len();
    client.send(format!(
        "POST /echo HTTP/1.1\r\nHost: t\r\nContent-Length: {length}\r\n\r\n"
    ));
    client.send(&body);
    assert!(client.answer().body == body);
    assert_eq!(client.get("/hello").text(), "hello");
}
