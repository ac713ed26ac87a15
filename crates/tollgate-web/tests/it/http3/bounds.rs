//! The bounds of HTTP/3: sizes, times, counts.

use h3::error::{Code, StreamError};
use http::StatusCode;
use quinn::VarInt;
use tollgate_web::ServerConfig;

use super::client::{Connected, End, Http3Server, converse, frame, get, head, post_head, request};
use crate::support::{SHORT, STUCK, config};

const NO_ERROR: u64 = 0x100;
const EXCESSIVE_LOAD: u64 = 0x107;

#[test]
fn bodies_are_bounded() {
    let server = Http3Server::start(ServerConfig {
        body_bytes_max: 1000,
        ..config()
    });
    let check = |told: bool, length: usize, expected: StatusCode| {
        converse(async {
            let mut client = server.client().connect().await;
            let mut echo = request("POST", "/echo");
            if told {
                echo = echo.header("content-length", length);
            }
            let body = vec![b'b'; length];
            let answer = client.ask(echo.body(()).unwrap(), &body).await;
            assert_eq!(answer.status, expected, "{told} {length}");
        });
    };
    for told in [true, false] {
        check(told, 1000, StatusCode::OK);
        check(told, 1001, StatusCode::PAYLOAD_TOO_LARGE);
        check(told, 1_000_000, StatusCode::PAYLOAD_TOO_LARGE);
    }
}

#[test]
fn heads_are_bounded() {
    let server = Http3Server::start(ServerConfig {
        header_bytes_max: 1024,
        ..config()
    });
    converse(async {
        let mut client = server.client().connect().await;
        let fits = request("GET", "/hello").header("x", "y".repeat(700));
        let answer = client.ask(fits.body(()).unwrap(), b"").await;
        assert_eq!(answer.status, StatusCode::OK);
        // More than was said to be taken; the answer's status is in Huffman's code.
        let long = "y".repeat(1100);
        let bytes = post_head("/echo", &[("x", &long)]);
        let mut receive = client.raw(&bytes, End::Finished).await;
        let answer = receive.read_to_end(1000).await.unwrap();
        assert!(answer.ends_with(&[0x69, 0x90, 0xff]), "{answer:x?}");
        assert_eq!(client.get("/hello").await.status, StatusCode::OK);
    });
}

/// What would have the parser gather without end, or work for nothing.
#[test]
fn excessive_frames_end_the_connection() {
    let server = Http3Server::start(config());
    let check = |bytes: &[u8]| {
        converse(async {
            let client = server.client().connect().await;
            let _answer = client.raw(bytes, End::Open).await;
            let code = client.close_code().await;
            let start = &bytes[..bytes.len().min(20)];
            assert_eq!(code, EXCESSIVE_LOAD, "{start:x?}");
        });
    };
    let begun = post_head("/echo", &[]);
    // A head of a gigabyte.
    check(&[1, 0xc0, 0, 0, 0, 0x40, 0, 0, 0]);
    check(&head(&[("x", &"y".repeat(40_000))]));
    check(&frame(0x21, &[0; 20_000]));
    check(&[&begun[..], &[0, 0].repeat(100)].concat());
    check(&[&begun[..], &[0x21, 0].repeat(100)].concat());
    server.server.wait_for_metric("http_connections_open 0");
}

#[test]
fn an_endless_frame_on_the_control_stream_ends_the_connection() {
    let server = Http3Server::start(config());
    converse(async {
        let (_endpoint, connecting) = server.client().connecting();
        let connection = connecting.await.unwrap();
        let mut control = connection.open_uni().await.unwrap();
        let endless = [0, 0x21, 0x80, 0x10, 0, 0];
        control.write_all(&endless).await.unwrap();
        let quinn::ConnectionError::ApplicationClosed(close) = connection.closed().await else {
            panic!("closed otherwise");
        };
        assert_eq!(u64::from(close.error_code), EXCESSIVE_LOAD);
    });
}

#[test]
fn slow_heads_are_cut_off() {
    let server = Http3Server::start(ServerConfig {
        header_timeout: SHORT,
        ..config()
    });
    let check = |conversation: &mut dyn FnMut(&Connected) -> Option<Vec<u8>>, count: u32| {
        converse(async {
            let client = server.client().connect().await;
            let mut answers = Vec::new();
            if let Some(bytes) = conversation(&client) {
                answers.push(client.raw(&bytes, End::Open).await);
            }
            assert_eq!(client.close_code().await, EXCESSIVE_LOAD);
        });
        server.server.wait_for_metric(&format!(
            "http_connections_closed_total{{reason=\"header_timeout\"}} {count}"
        ));
    };
    check(&mut |_| None, 1);
    check(&mut |_| Some(post_head("/echo", &[])[..20].to_vec()), 2);
}

#[test]
fn slow_bodies_are_answered_408() {
    let server = Http3Server::start(ServerConfig {
        read_timeout: SHORT,
        ..config()
    });
    converse(async {
        let mut client = server.client().connect().await;
        let mut exchange = client
            .begin(request("POST", "/echo").body(()).unwrap())
            .await;
        let answer = super::client::answer(&mut exchange).await;
        assert_eq!(answer.status, StatusCode::REQUEST_TIMEOUT);
    });
}

#[test]
fn slow_handlers_are_answered_503() {
    let server = Http3Server::start(ServerConfig {
        request_timeout: SHORT,
        ..config()
    });
    converse(async {
        let mut client = server.client().connect().await;
        let answer = client.get("/hang").await;
        assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(answer.header("retry-after"), Some("1"));
    });
}

#[test]
fn an_answer_that_nobody_reads_is_given_up() {
    let server = Http3Server::start(ServerConfig {
        write_timeout: SHORT,
        ..config()
    });
    converse(async {
        let mut client = server.client().connect().await;
        let mut exchange = client.begin(get("/endless")).await;
        exchange.finish().await.unwrap();
        exchange.recv_response().await.unwrap();
        let reset = loop {
            tokio::time::sleep(2 * SHORT).await;
            match exchange.recv_data().await {
                Ok(piece) => assert!(piece.is_some(), "not cut short in good order"),
                Err(error) => break error,
            }
        };
        let StreamError::RemoteTerminate { code, .. } = reset else {
            panic!("ended otherwise: {reset}");
        };
        assert_eq!(code, Code::H3_REQUEST_CANCELLED);
        // The connection is none the worse for it.
        assert_eq!(client.get("/hello").await.text(), "hello");
    });
    server.server.wait_for_metric("http_requests_in_flight 0");
}

#[test]
fn idle_connections_are_closed() {
    let server = Http3Server::start(ServerConfig {
        idle_timeout: SHORT,
        ..config()
    });
    converse(async {
        let mut client = server.client().connect().await;
        assert_eq!(client.get("/hello").await.text(), "hello");
        assert_eq!(client.close_code().await, NO_ERROR);
    });
    server
        .server
        .wait_for_metric("http_connections_closed_total{reason=\"idle_timeout\"} 1");
}

#[test]
fn requests_at_once_are_bounded() {
    let server = Http3Server::start(config());
    converse(async {
        let client = server.client().connect().await;
        let hang = post_head("/hang", &[]);
        let mut answers = Vec::new();
        for _ in 0..100 {
            answers.push(client.raw(&hang, End::Finished).await);
        }
        let mut one_more = Box::pin(client.quic.open_bi());
        let opened = tokio::time::timeout(SHORT, one_more.as_mut()).await;
        assert!(opened.is_err(), "more than a hundred at once");
        // Those that are given up make room for others.
        for answer in answers.iter_mut().take(20) {
            answer.stop(VarInt::from_u32(0)).unwrap();
        }
        tokio::time::timeout(STUCK, one_more)
            .await
            .unwrap()
            .unwrap();
    });
}

#[test]
fn connections_are_bounded_with_those_of_tcp() {
    let server = Http3Server::start(ServerConfig {
        connections_max: 1,
        ..config()
    });
    let tcp = server.server.connect();
    server.server.wait_for_metric("http_connections_open 1");
    converse(async {
        let refused = server.client().try_connect().await;
        let Err(quinn::ConnectionError::ConnectionClosed(close)) = refused else {
            panic!("not refused");
        };
        assert_eq!(
            close.error_code,
            quinn::TransportErrorCode::CONNECTION_REFUSED
        );
    });
    drop(tcp);
    server.server.wait_for_metric("http_connections_open 0");
    converse(async {
        let mut client = server.client().connect().await;
        assert_eq!(client.get("/hello").await.text(), "hello");
    });
}
