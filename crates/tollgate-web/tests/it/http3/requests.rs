//! What is asked over HTTP/3 is answered as over TCP.

use http::StatusCode;

use super::client::{End, Http3Server, converse, get, head, request};
use crate::support::config;

#[test]
fn requests_are_answered() {
    let server = Http3Server::start(config());
    converse(async {
        let mut client = server.client().connect().await;
        let answer = client.get("/who").await;
        assert_eq!(answer.status, StatusCode::OK);
        assert!(
            answer.text().starts_with("127.0.0.1 https - "),
            "{answer:?}"
        );
        assert!(
            answer
                .text()
                .ends_with(answer.header("x-request-id").unwrap())
        );
        let length = answer.text().len().to_string();
        assert_eq!(answer.header("content-length"), Some(&*length));
        assert!(answer.header("date").unwrap().ends_with(" GMT"));
        assert_eq!(answer.header("alt-svc"), None, "it is spoken already");

        let body = vec![b'b'; 60_000];
        let echo = request("POST", "/echo").body(()).unwrap();
        assert_eq!(client.ask(echo, &body).await.body, body);
        let head = request("HEAD", "/hello").body(()).unwrap();
        let answer = client.ask(head, b"").await;
        assert_eq!(
            (answer.text(), answer.header("content-length")),
            ("", Some("5"))
        );
        assert_eq!(client.get("/none").await.status, StatusCode::NOT_FOUND);
        assert_eq!(client.get("/unread").await.text(), "not read");
        client.leave().await;
    });
    server.server.wait_for_metric("http_connections_open 0");
    server
        .server
        .wait_for_metric("http_requests_total{route=\"other\",method=\"POST\",status=\"2xx\"} 1");
}

#[test]
fn a_large_answer_arrives_whole() {
    let server = Http3Server::start(config());
    converse(async {
        let mut client = server.client().connect().await;
        let answer = client.get("/large").await;
        assert_eq!(answer.body.len(), 64 << 20);
    });
}

#[test]
fn many_are_answered_at_once() {
    let server = Http3Server::start(config());
    converse(async {
        let mut client = server.client().connect().await;
        let mut held = client.begin(get("/gate")).await;
        held.finish().await.unwrap();
        server.server.handler.arrived.notified().await;
        for _ in 0..200 {
            assert_eq!(client.get("/hello").await.text(), "hello");
        }
        server.server.handler.gate.notify_one();
        assert_eq!(super::client::answer(&mut held).await.text(), "passed");
    });
}

#[test]
fn a_handler_that_panics_is_answered_for() {
    let server = Http3Server::start(config());
    converse(async {
        let mut client = server.client().connect().await;
        let answer = client.get("/panic").await;
        assert_eq!(answer.status, StatusCode::INTERNAL_SERVER_ERROR);
        assert!(answer.header("x-request-id").is_some());
        assert_eq!(client.get("/hello").await.text(), "hello");
    });
    server.server.wait_for_metric("http_handler_panics_total 1");
}

#[test]
fn a_part_of_an_answer_is_not_taken_for_the_whole() {
    let server = Http3Server::start(config());
    converse(async {
        let mut client = server.client().connect().await;
        let asked = [
            (":method", "GET"),
            (":scheme", "https"),
            (":authority", "localhost"),
            (":path", "/breaks"),
        ];
        let mut receive = client.raw(&head(&asked), End::Finished).await;
        let broken = receive.read_to_end(1 << 16).await;
        assert!(broken.is_err(), "ended in good order: {broken:?}");
        assert_eq!(client.get("/hello").await.text(), "hello");
    });
    server.server.wait_for_metric("http_requests_in_flight 0");
}

#[test]
fn a_body_is_as_long_as_its_head_says() {
    let server = Http3Server::start(config());
    let check = |lengths: &[&str], expected: u16| {
        converse(async {
            let mut client = server.client().connect().await;
            let mut echo = request("POST", "/echo");
            for length in lengths {
                echo = echo.header("content-length", *length);
            }
            let answer = client.ask(echo.body(()).unwrap(), b"12345").await;
            assert_eq!(answer.status.as_u16(), expected, "{lengths:?}");
            assert_eq!(answer.text() == "12345", expected == 200, "{answer:?}");
        });
    };
    check(&[], 200);
    check(&["5"], 200);
    check(&["5", "5"], 200);
    check(&["4"], 400);
    check(&["6"], 400);
    check(&["5", "6"], 400);
    check(&["five"], 400);
    check(&["-5"], 400);
    server.server.wait_for_metric("http_requests_in_flight 0");
}

#[test]
fn malformed_requests_are_refused() {
    let server = Http3Server::start(config());
    let check = |fields: &[(&str, &str)]| {
        converse(async {
            let mut client = server.client().connect().await;
            let mut receive = client.raw(&head(fields), End::Finished).await;
            let refused = receive.read_to_end(1 << 16).await;
            assert!(refused.is_err(), "{fields:?}: {refused:?}");
            // And nobody else suffers.
            assert_eq!(client.get("/hello").await.text(), "hello");
        });
    };
    let good = [
        (":method", "GET"),
        (":scheme", "https"),
        (":authority", "localhost"),
        (":path", "/hello"),
    ];
    check(&[]);
    check(&good[1..]);
    check(&[&good[..], &[("Upper", "case")]].concat());
    check(&[&good[..], &[("nul", "a\0b")]].concat());
    check(&[&good[..], &[(":unknown", "x")]].concat());
    check(&[&good[..3], &[(":path", "/sp ace")]].concat());
    check(&[&good[..2], &good[3..]].concat());
    check(&[&good[..], &[("host", "elsewhere")]].concat());
}

#[test]
fn what_is_for_other_protocols_gets_400() {
    let server = Http3Server::start(config());
    let check = |fields: &[(&'static str, &'static str)], expected: u16| {
        converse(async {
            let mut client = server.client().connect().await;
            let mut get = request("GET", "/hello");
            for (name, value) in fields {
                get = get.header(*name, *value);
            }
            let answer = client.ask(get.body(()).unwrap(), b"").await;
            assert_eq!(answer.status.as_u16(), expected, "{fields:?}");
        });
    };
    check(&[("te", "trailers")], 200);
    check(&[("te", "gzip")], 400);
    check(&[("te", "trailers"), ("te", "gzip")], 400);
    check(&[("transfer-encoding", "chunked")], 400);
    check(&[("connection", "close")], 400);
    check(&[("keep-alive", "x")], 400);
    check(&[("proxy-connection", "x")], 400);
    check(&[("upgrade", "x")], 400);
    check(&[("host", "localhost"), ("host", "localhost")], 400);
}
