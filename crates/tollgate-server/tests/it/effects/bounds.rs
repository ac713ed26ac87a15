//! Time-outs and bounds. Where a shortened time-out is tested, the default would take many times
//! longer than the test allows.

use std::{
    io::{ErrorKind, Read as _, Write as _},
    net::TcpStream,
    sync::Barrier,
    time::{Duration, Instant},
};

use tollgate_testkit::TestServer;

use super::{metric, start};

fn connect(server: &TestServer) -> TcpStream {
    let address = server.url().strip_prefix("http://").unwrap();
    let connection = TcpStream::connect(address).unwrap();
    connection
        .set_read_timeout(Some(Duration::from_secs(60)))
        .unwrap();
    connection
}

/// Everything that comes until the other end closes.
fn rest(connection: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    match connection.read_to_end(&mut bytes) {
        Ok(_) => {}
        Err(error) if error.kind() == ErrorKind::ConnectionReset => {}
        Err(error) => panic!("{error}"),
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The server closes after `sent` sooner than the default of `key` would let it.
fn check_closes(key: &str, sent: &str, default: Duration, status: &str) {
    let server = start(&format!("[server]\n{key} = \"100ms\""));
    let started = Instant::now();
    let mut connection = connect(&server);
    connection.write_all(sent.as_bytes()).unwrap();
    let answer = rest(&mut connection);
    assert!(
        started.elapsed() < default,
        "{key} took {:?}",
        started.elapsed()
    );
    assert!(answer.starts_with(status), "{key}: {answer}");
}

#[test]
fn a_slow_head_is_cut_off() {
    check_closes(
        "header_timeout",
        "GET /health HTTP/1.1\r\nHost:",
        Duration::from_secs(4),
        "",
    );
}

#[test]
fn a_slow_body_is_cut_off() {
    let head = "POST /oauth/token HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\
                Content-Type: application/x-www-form-urlencoded\r\n\r\ngrant_type=";
    check_closes(
        "read_timeout",
        head,
        Duration::from_secs(25),
        "HTTP/1.1 408",
    );
}

#[test]
fn an_idle_connection_is_closed() {
    let request = "GET /health HTTP/1.1\r\nHost: a\r\n\r\n";
    check_closes(
        "idle_timeout",
        request,
        Duration::from_secs(50),
        "HTTP/1.1 200",
    );
}

#[test]
fn a_client_that_does_not_read_is_cut_off() {
    let server = start("[server]\nwrite_timeout = \"100ms\"");
    let mut connection = connect(&server);
    connection
        .set_write_timeout(Some(Duration::from_secs(20)))
        .unwrap();
    let request = b"GET /openapi.json HTTP/1.1\r\nHost: a\r\n\r\n";
    let started = Instant::now();
    // Writes until the server, whose own answers nobody takes, reads no more and hangs up.
    while connection.write_all(request).is_ok() {
        assert!(
            started.elapsed() < Duration::from_secs(20),
            "it goes on and on"
        );
    }
    let closed = || {
        metric(
            &server,
            "http_connections_closed_total{reason=\"write_timeout\"}",
        )
    };
    while closed() < 1.0 {
        assert!(
            started.elapsed() < Duration::from_secs(25),
            "it was not closed for that"
        );
    }
}

#[test]
fn a_slow_answer_is_given_up() {
    let status = |timeout: &str| {
        let config = format!(
            "[server]\nrequest_timeout = \"{timeout}\"\n[batch]\nlinger = \"1s\"\n\
             [tokens]\naccess_format = \"opaque\"\n"
        );
        let server = start(&config);
        let form = [("grant_type", "client_credentials")];
        server
            .http()
            .form("/oauth/token", server.demo().basic(), &form)
            .status
    };
    assert_eq!(status("50ms"), 503);
    assert_eq!(status("30s"), 200);
}

#[test]
fn a_drain_ends() {
    let mut server = start("[server]\ndrain_timeout = \"100ms\"");
    let mut connection = connect(&server);
    connection
        .write_all(
            b"POST /oauth/token HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\nExpect: 100-continue\r\n\
              Content-Type: application/x-www-form-urlencoded\r\n\r\n",
        )
        .unwrap();
    let mut interim = [0; 25];
    connection.read_exact(&mut interim).unwrap();
    let started = Instant::now();
    assert_eq!(server.terminate().code(), Some(0));
    assert!(
        started.elapsed() < Duration::from_secs(15),
        "{:?}",
        started.elapsed()
    );
    assert!(
        server.log().contains("cut off at server.drain_timeout"),
        "{}",
        server.log()
    );
}

#[test]
fn one_connection_too_many_is_refused() {
    let server = start("[server]\nconnections_max = 2\nthreads = 1");
    let ask = |connection: &mut TcpStream| {
        connection
            .write_all(b"GET /health HTTP/1.1\r\nHost: a\r\n\r\n")
            .unwrap();
        let mut status = [0; 12];
        match connection.read_exact(&mut status) {
            Ok(()) => String::from_utf8_lossy(&status).into_owned(),
            Err(_) => "closed".to_owned(),
        }
    };
    let (mut first, mut second) = (connect(&server), connect(&server));
    assert_eq!(ask(&mut first), "HTTP/1.1 200");
    assert_eq!(ask(&mut second), "HTTP/1.1 200");
    assert_ne!(ask(&mut connect(&server)), "HTTP/1.1 200");
}

#[test]
fn large_heads_and_bodies_are_refused() {
    let long = "a".repeat(4096);
    let head = |server: &TestServer| server.http().get("/health", &[("x-long", &long)]).status;
    let body = |server: &TestServer| {
        let form = [("grant_type", "client_credentials"), ("x", &long)];
        server
            .http()
            .form("/oauth/token", server.demo().basic(), &form)
            .status
    };
    let server = start("");
    assert_eq!((head(&server), body(&server)), (200, 200));
    let server = start("[server]\nheader_bytes_max = 2048\nbody_bytes_max = 2048");
    assert_eq!((head(&server), body(&server)), (431, 413));

    // A batch is a hundred tokens, which may be long.
    let batch = |server: &TestServer, token: &str| {
        let demo = server.demo();
        let body = serde_json::json!({
            "tokens": vec![token; 100],
            "client_id": demo.id,
            "client_secret": demo.secret,
        });
        ["introspect", "revoke"].map(|endpoint| {
            let path = format!("/oauth/{endpoint}/batch");
            server.http().json(&path, &[], &body).status
        })
    };
    let (signed, vast) = ("t".repeat(2000), "t".repeat(3000));
    let server = start("");
    assert_eq!(batch(&server, &signed), [200, 200]);
    assert_eq!(batch(&server, &vast), [413, 413]);
}

#[test]
fn work_is_bounded_queued_and_refused() {
    const CALLS: usize = 4;
    let refused = |overload: &str| {
        let config = format!(
            "[overload]\n{overload}\n[batch]\nlinger = \"500ms\"\n\
             [tokens]\naccess_format = \"opaque\"\n"
        );
        let server = start(&config);
        let demo = server.demo();
        let barrier = Barrier::new(CALLS);
        let call = || {
            barrier.wait();
            let form = [("grant_type", "client_credentials")];
            let answer = server.http().form("/oauth/token", demo.basic(), &form);
            match answer.status {
                200 => false,
                503 => answer.header("retry-after").is_some(),
                status => panic!("{status}"),
            }
        };
        std::thread::scope(|scope| {
            let calls: Vec<_> = (0..CALLS).map(|_| scope.spawn(call)).collect();
            calls
                .into_iter()
                .filter_map(|call| call.join().unwrap().then_some(()))
                .count()
        })
    };
    assert_eq!(refused("in_flight_max = 10"), 0);
    assert!(refused("in_flight_max = 1\nqueue_max = 0") > 0);
    assert_eq!(
        refused("in_flight_max = 1\nqueue_max = 10\nqueue_wait = \"60s\""),
        0
    );
    assert!(refused("in_flight_max = 1\nqueue_max = 10\nqueue_wait = \"1ms\"") > 0);
}
