//! Traces: a real export over HTTP, read on the other end.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    thread::JoinHandle,
    time::{Duration, Instant},
};

use tollgate_testkit::{Builder, TestServer};

use crate::BINARY;

/// One request that a collector took: its head and its body.
struct Export {
    head: String,
    body: Vec<u8>,
}

/// A collector that takes one export, or nothing when none comes for long.
fn collector() -> (String, JoinHandle<Option<Export>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let taken = std::thread::spawn(move || {
        let started = Instant::now();
        while started.elapsed() < Duration::from_secs(60) {
            if let Ok((connection, _)) = listener.accept() {
                connection.set_nonblocking(false).unwrap();
                return Some(take(connection));
            }
            std::thread::yield_now();
        }
        None
    });
    (url, taken)
}

fn take(mut connection: TcpStream) -> Export {
    let mut reader = BufReader::new(connection.try_clone().unwrap());
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        assert_ne!(reader.read_line(&mut head).unwrap(), 0, "{head}");
    }
    let head = head.to_lowercase();
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "));
    let mut body = vec![0; length.unwrap().trim().parse().unwrap()];
    reader.read_exact(&mut body).unwrap();
    connection
        .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        .unwrap();
    Export { head, body }
}

fn contains(body: &[u8], what: &[u8]) -> bool {
    body.windows(what.len()).any(|window| window == what)
}

#[test]
fn requests_and_what_they_ask_of_the_store_are_exported() {
    let (url, taken) = collector();
    let mut server = Builder::new(BINARY)
        .config("[server]\ntrusted_proxies = [\"127.0.0.0/8\"]")
        .variable("TOLLGATE_TELEMETRY__OTLP_ENDPOINT", &url)
        .start();
    let shop = server.create_client(&["--id", "shop", "--token-format", "opaque"]);
    let token = server.token(&shop, "");
    let trace = "0af7651916cd43dd8448eb211c80319c";
    let parent = format!("00-{trace}-b7ad6b7169203331-01");
    let path = format!("/oauth/validate?access_token={token}");
    let answer = server.http().get(&path, &[("traceparent", &parent)]);
    let id = answer.header("x-request-id").unwrap().to_owned();
    assert!(server.terminate().success());
    // What is left is sent before the end.
    let Export { head, body } = taken.join().unwrap().expect("nothing was exported");
    assert!(head.starts_with("post /v1/traces "), "{head}");
    assert!(
        head.contains("content-type: application/x-protobuf"),
        "{head}"
    );
    for what in [
        "POST /oauth/token",
        "GET /oauth/validate",
        "store insert",
        // Of a change by an administrator, which runs in a task of its own.
        "POST /admin/clients",
        "store admin",
        "tollgate",
        &id,
    ] {
        assert!(
            contains(&body, what.as_bytes()),
            "{what} is not in the export"
        );
    }
    assert!(contains(&body, &bytes(trace)), "the caller's trace goes on");
    for secret in [&token, &shop.secret] {
        assert!(!contains(&body, secret.as_bytes()), "a secret in a trace");
    }
}

fn bytes(text: &str) -> Vec<u8> {
    let digits = |at| u8::from_str_radix(&text[at..at + 2], 16).unwrap();
    (0..text.len()).step_by(2).map(digits).collect()
}

/// The flags of a `traceparent` say whether its trace is recorded: nobody may hide that way.
#[test]
fn strangers_do_not_switch_their_traces_off() {
    let (url, taken) = collector();
    let mut server = Builder::new(BINARY)
        .variable("TOLLGATE_TELEMETRY__OTLP_ENDPOINT", &url)
        .start();
    let trace = "0af7651916cd43dd8448eb211c80319c";
    let parent = format!("00-{trace}-b7ad6b7169203331-00");
    let path = "/oauth/validate";
    let answer = server.http().get(path, &[("traceparent", &parent)]);
    let id = answer.header("x-request-id").unwrap().to_owned();
    assert!(server.terminate().success());
    let Export { body, .. } = taken.join().unwrap().expect("nothing was exported");
    assert!(contains(&body, id.as_bytes()), "{id} is not in the export");
    // A link to the trace that was named.
    assert!(contains(&body, &bytes(trace)));
}

#[test]
fn a_collector_that_is_down_holds_up_nothing() {
    // Port 1 is reserved and nothing listens on it.
    let mut server = Builder::new(BINARY)
        .variable("TOLLGATE_TELEMETRY__OTLP_ENDPOINT", "http://127.0.0.1:1")
        .start();
    let _ = server.token(&server.demo(), "");
    assert!(server.terminate().success());
    assert!(
        server.log().contains("traces could not be sent"),
        "{}",
        server.log()
    );
}

#[test]
fn without_a_collector_there_are_no_traces() {
    let mut server = TestServer::start(BINARY);
    let _ = server.token(&server.demo(), "");
    assert!(server.terminate().success());
    assert!(!server.log().contains("traces"), "{}", server.log());
}
