//! Time-outs and sizes on HTTP/1.1.

use std::io::{ErrorKind, Read, Write};

use tollgate_web::ServerConfig;

use crate::support::{Client, SHORT, TestServer, config};

#[test]
fn heads_that_do_not_end_are_cut_off() {
    let server = TestServer::start(ServerConfig {
        header_timeout: SHORT,
        ..config()
    });
    let starts: [&[u8]; 4] = [
        b"",
        b"G",
        b"GET /hello HTTP/1.1\r\n",
        b"GET /hello HTTP/1.1\r\nHost: t\r\nX-Slow:",
    ];
    for (count, start) in (1..).zip(starts) {
        let mut client = server.connect();
        client.send(start);
        assert!(client.is_cut_off(), "{start:?}");
        server.wait_for_metric(&closed("header_timeout", count));
    }
}

#[test]
fn a_later_head_that_dribbles_is_cut_off() {
    let server = TestServer::start(ServerConfig {
        header_timeout: SHORT,
        ..config()
    });
    let mut client = server.connect();
    assert_eq!(client.get("/hello").status, 200);
    // Each byte is progress, and none of it counts.
    client.send("GET /hello HTTP/1.1\r\nX-Slow: ");
    client.stream.set_read_timeout(Some(SHORT / 10)).unwrap();
    let closed_after = (0..).find(|_| {
        let _ = client.stream.write_all(b"x");
        let nothing_yet = |kind| matches!(kind, ErrorKind::WouldBlock | ErrorKind::TimedOut);
        !client
            .stream
            .read(&mut [0])
            .is_err_and(|error| nothing_yet(error.kind()))
    });
    assert!(closed_after.is_some_and(|bytes| bytes < 1000));
    server.wait_for_metric(&closed("header_timeout", 1));
}

#[test]
fn idle_connections_are_closed_in_good_order() {
    let server = TestServer::start(ServerConfig {
        idle_timeout: SHORT,
        ..config()
    });
    let mut client = server.connect();
    assert_eq!(client.get("/hello").status, 200);
    assert_eq!(client.rest(), b"");
    server.wait_for_metric(&closed("idle_timeout", 1));
}

#[test]
fn a_connection_before_its_first_request_is_not_idle() {
    let server = TestServer::start(ServerConfig {
        idle_timeout: SHORT,
        ..config()
    });
    let mut client = server.connect();
    let mut other = server.connect();
    assert_eq!(other.get("/hello").status, 200);
    assert_eq!(other.rest(), b"");
    assert_eq!(client.get("/hello").status, 200);
}

#[test]
fn slow_bodies_get_408() {
    let server = TestServer::start(ServerConfig {
        read_timeout: SHORT,
        ..config()
    });
    let starts = [
        "POST /echo HTTP/1.1\r\nHost: t\r\nContent-Length: 10\r\n\r\n",
        "POST /echo HTTP/1.1\r\nHost: t\r\nContent-Length: 10\r\n\r\n12345",
        "POST /echo HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n12345\r\n",
    ];
    for start in starts {
        let mut client = server.connect();
        let answer = client.send(start).answer();
        assert_eq!(answer.status, 408, "{start}");
        assert_eq!(answer.header("connection"), Some("close"));
        assert_eq!(client.rest(), b"");
    }
}

#[test]
fn the_request_timeout_runs_while_a_part_of_the_body_is_worked_on() {
    let server = TestServer::start(ServerConfig {
        request_timeout: SHORT,
        ..config()
    });
    let mut client = server.connect();
    client.send("POST /part HTTP/1.1\r\nHost: t\r\nContent-Length: 10\r\n\r\n");
    tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap()
        .block_on(server.handler.arrived.notified());
    assert_eq!(client.send("12345").answer().status, 503);
}

#[test]
fn the_request_timeout_does_not_run_while_the_body_is_awaited() {
    let limits = ServerConfig {
        request_timeout: SHORT,
        read_timeout: 4 * SHORT,
        ..config()
    };
    let server = TestServer::start(limits);
    let mut client = server.connect();
    client.send("POST /echo HTTP/1.1\r\nHost: t\r\nContent-Length: 10\r\n\r\n12345");
    assert_eq!(client.answer().status, 408);
}

#[test]
fn handlers_that_hang_are_answered_503() {
    let server = TestServer::start(ServerConfig {
        request_timeout: SHORT,
        ..config()
    });
    let requests = [
        "GET /hang HTTP/1.1\r\nHost: t\r\n\r\n",
        "POST /hang HTTP/1.1\r\nHost: t\r\nContent-Length: 5\r\n\r\n12345",
        "POST /hang HTTP/1.1\r\nHost: t\r\nContent-Length: 5\r\n\r\n",
    ];
    for request in requests {
        let mut client = server.connect();
        let answer = client.send(request).answer();
        assert_eq!(answer.status, 503, "{request}");
        assert_eq!(answer.header("retry-after"), Some("1"));
        assert!(answer.text().contains("temporarily_unavailable"));
    }
}

#[test]
fn clients_that_do_not_read_are_cut_off() {
    let server = TestServer::start(ServerConfig {
        write_timeout: SHORT,
        ..config()
    });
    for (count, path) in [(1, "/large"), (2, "/endless")] {
        let mut client = server.connect();
        client.send(format!("GET {path} HTTP/1.1\r\nHost: t\r\n\r\n"));
        server.wait_for_metric(&closed("write_timeout", count));
        // Else the system would keep for minutes what nobody takes.
        assert!(client.is_reset(), "{path}");
    }
}

#[test]
fn more_connections_than_allowed_are_refused() {
    let server = TestServer::start(ServerConfig {
        connections_max: 2,
        ..config()
    });
    let (mut first, mut second) = (server.connect(), server.connect());
    assert_eq!(first.get("/hello").status, 200);
    assert_eq!(second.get("/hello").status, 200);
    let mut third = server.connect();
    let refused = third.answer();
    assert_eq!(refused.status, 503);
    assert_eq!(refused.header("retry-after"), Some("1"));
    assert!(refused.header("date").is_some());
    assert_eq!(third.rest(), b"");
    drop(first);
    server.wait_for_metric("http_connections_open 1");
    assert_eq!(server.connect().get("/hello").status, 200);
    server.wait_for_metric(&closed("connections_max", 1));
}

#[test]
fn heads_beyond_the_bound_get_431() {
    let server = TestServer::start(ServerConfig {
        header_bytes_max: 4096,
        ..config()
    });
    let ok = server.connect().send(head_of(4000)).answer();
    assert_eq!(ok.status, 200);
    for length in [4200, 9000, 1 << 20] {
        let mut client = server.connect();
        // The server may answer and close before all of a large head has been written.
        let _ = client.stream.write_all(&head_of(length));
        let answer = client.answer();
        assert_eq!(answer.status, 431, "{length}");
        assert!(answer.text().contains("too large"), "{answer:?}");
        assert!(answer.header("date").is_some(), "{answer:?}");
    }
    let mut many = b"GET /hello HTTP/1.1\r\nHost: t\r\n".to_vec();
    (0..300).for_each(|n| many.extend(format!("a{n}: 1\r\n").bytes()));
    many.extend(b"\r\n");
    assert_eq!(server.connect().send(many).answer().status, 431);
}

fn head_of(length: usize) -> Vec<u8> {
    let mut head = b"GET /hello HTTP/1.1\r\nHost: t\r\nX-Long: ".to_vec();
    head.resize(length - 4, b'x');
    head.extend(b"\r\n\r\n");
    head
}

#[test]
fn bodies_beyond_the_bound_get_413() {
    let server = TestServer::start(ServerConfig {
        body_bytes_max: 1000,
        ..config()
    });
    assert_eq!(post(&server, "/echo", 1000).answer().status, 200);
    for (path, length) in [
        ("/echo", 1001),
        ("/unread", 1001),
        ("/tight", 11),
        ("/echo", 8 << 20),
    ] {
        let mut client = post(&server, path, length);
        let answer = client.answer();
        assert_eq!(answer.status, 413, "{path} {length}");
        assert_eq!(answer.header("connection"), Some("close"));
        assert!(answer.header("x-request-id").is_some());
        // Not reset, although bytes of ours were left unread.
        assert_eq!(client.rest(), b"");
    }
    let mut chunked = server.connect();
    chunked.send("POST /echo HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n");
    for _ in 0..3 {
        chunked.send(format!("190\r\n{}\r\n", "x".repeat(400)));
    }
    assert_eq!(chunked.answer().status, 413);
    assert_eq!(chunked.rest(), b"");
}

fn post(server: &TestServer, path: &str, length: usize) -> Client {
    let mut client = server.connect();
    client.send(format!(
        "POST {path} HTTP/1.1\r\nHost: t\r\nContent-Length: {length}\r\n\r\n"
    ));
    let _ = client.stream.write_all(&vec![b'x'; length]);
    client
}

#[test]
fn whole_bodies_arrive_however_they_are_cut() {
    let server = TestServer::start(config());
    let bodies = [
        "Content-Length: 10\r\n\r\n0123456789".to_owned(),
        "Transfer-Encoding: chunked\r\n\r\n4\r\n0123\r\n3;x=y\r\n456\r\n3\r\n789\r\n0\r\n\r\n"
            .to_owned(),
        "Transfer-Encoding: chunked\r\n\r\na\r\n0123456789\r\n0\r\nTrailer: x\r\n\r\n".to_owned(),
    ];
    for body in bodies {
        let request = format!("POST /echo HTTP/1.1\r\nHost: t\r\n{body}");
        let mut client = server.connect();
        assert_eq!(
            client.send(&request).answer().text(),
            "0123456789",
            "{body}"
        );
        for byte in request.bytes() {
            client.send([byte]);
        }
        assert_eq!(client.answer().text(), "0123456789", "by the byte: {body}");
        assert_eq!(client.get("/hello").text(), "hello");
    }
}

#[test]
fn broken_requests_get_400() {
    let server = TestServer::start(config());
    let broken = [
        "GARBAGE\r\n\r\n",
        "GET /hello HTTP/9.9\r\n\r\n",
        "GET /hello HTTP/1.1\r\nHost: t\r\nno colon\r\n\r\n",
        "GET /hello HTTP/1.1\r\nHost: t\r\nA: \0\r\n\r\n",
        "POST /echo HTTP/1.1\r\nHost: t\r\nContent-Length: -1\r\n\r\n",
        "POST /echo HTTP/1.1\r\nHost: t\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n12345",
        "POST /echo HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked, identity\r\n\r\n",
        "POST /echo HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n12345\r\n0\r\n\r\n",
        "POST /echo HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n1234567\r\n0\r\n\r\n",
        "POST /echo HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n",
    ];
    for request in broken {
        let mut client = server.connect();
        let answer = client.send(request).answer();
        assert_eq!(answer.status, 400, "{request:?} {answer:?}");
        assert!(
            answer.text().contains("invalid_request"),
            "{request:?} {answer:?}"
        );
        assert_eq!(client.rest(), b"", "{request:?}");
    }
}

#[test]
fn two_lengths_end_the_connection() {
    let server = TestServer::start(config());
    let mut client = server.connect();
    client.send("POST /echo HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n");
    client.send("Content-Length: 5\r\n\r\n0\r\n\r\nGET /panic HTTP/1.1\r\nHost: t\r\n\r\n");
    let answer = client.answer();
    assert_eq!(answer.header("connection"), Some("close"));
    assert_eq!(client.rest(), b"");
    assert!(
        !server
            .registry
            .render()
            .contains("http_handler_panics_total 1")
    );
}

#[test]
fn unread_bodies_do_not_become_the_next_request() {
    let server = TestServer::start(config());
    let mut client = server.connect();
    let hidden = "GET /panic HTTP/1.1\r\nHost: t\r\n\r\n";
    let length = hidden.len() + 1;
    client.send(format!(
        "POST /unread HTTP/1.1\r\nHost: t\r\nContent-Length: {length}\r\n\r\n"
    ));
    client.send(hidden);
    let answer = client.answer();
    assert_eq!((answer.status, answer.text()), (200, "not read"));
    assert_eq!(answer.header("connection"), Some("close"));
    client.send("G");
    assert_eq!(client.rest(), b"");
    assert!(
        !server
            .registry
            .render()
            .contains("http_handler_panics_total 1")
    );
}

#[test]
fn panics_become_500_and_the_connection_lives_on() {
    let server = TestServer::start(config());
    let mut client = server.connect();
    let answer = client.get("/panic");
    assert_eq!(answer.status, 500);
    assert_eq!(
        answer.text(),
        r#"{"error":"server_error","error_description":"internal error"}"#
    );
    assert!(answer.header("x-request-id").is_some());
    assert_eq!(client.get("/hello").text(), "hello");
    server.wait_for_metric("http_handler_panics_total 1");
    server.wait_for_metric("http_requests_in_flight 0");
}

#[test]
fn protocols_are_not_switched() {
    let server = TestServer::start(config());
    let mut client = server.connect();
    client.send("GET /switch HTTP/1.1\r\nHost: t\r\n");
    client.send("Connection: upgrade\r\nUpgrade: websocket\r\n\r\n");
    let answer = client.answer();
    assert_eq!(answer.status, 501);
    assert_eq!(answer.header("upgrade"), None);
    assert_eq!(client.get("/hello").text(), "hello");
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let server = TestServer::start(config());
    let mut client = server.connect();
    client.send("GET /hello HTTP/1.1\r\nHost: t\r\n\r\n".repeat(50));
    client.send("GET /nowhere HTTP/1.1\r\nHost: t\r\n\r\n");
    for _ in 0..50 {
        assert_eq!(client.answer().text(), "hello");
    }
    assert_eq!(client.answer().status, 404);
}

fn closed(reason: &str, count: u32) -> String {
    format!("http_connections_closed_total{{reason=\"{reason}\"}} {count}")
}

#[test]
fn a_request_that_does_not_say_once_for_whom_it_is_gets_400() {
    let server = TestServer::start(config());
    let check = |target: &str, version: &str, hosts: &str, status: u16| {
        let mut client = server.connect();
        client.send(format!("GET {target} HTTP/{version}\r\n{hosts}\r\n"));
        let answer = client.answer();
        assert_eq!(answer.status, status, "{target} {version} {hosts:?}");
        if status == 400 {
            assert_eq!(answer.header("connection"), Some("close"), "{hosts:?}");
            assert_eq!(client.rest(), b"");
        }
    };
    check("/hello", "1.1", "", 400);
    check("/hello", "1.1", "Host: t\r\nHost: t\r\n", 400);
    check("/hello", "1.1", "Host: t\r\nX-A: b\r\nhost: u\r\n", 400);
    check("/hello", "1.0", "Host: t\r\nHost: u\r\n", 400);
    check("/hello", "1.1", "Host: t/a\r\n", 400);
    check("/hello", "1.1", "Host: u@t\r\n", 400);
    check("http://t/hello", "1.1", "Host: u\r\n", 400);
    check("http://t/hello", "1.1", "", 400);
    check("http://t/hello", "1.1", "Host: t\r\n", 200);
    check("/hello", "1.1", "Host: t\r\n", 200);
    check("/hello", "1.1", "Host:\r\n", 200);
    check("/hello", "1.0", "", 200);
}
