//! HTTP/2 on plain text with prior knowledge: the same bounds as HTTP/1.1, and its own.

use std::io::{Read, Write};
use std::net::SocketAddr;

use bytes::Bytes;
use h2::client::{self, SendRequest};
use http::{Request, Response};
use tokio::net::TcpStream;
use tollgate_web::ServerConfig;

use crate::support::{Client, SHORT, TestServer, config};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut frame = vec![length[1], length[2], length[3], kind, flags];
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

/// A header block: GET over http, for the path, from `t` (RFC 7541, nothing indexed or Huffman).
fn get(path: &str) -> Vec<u8> {
    let mut block = vec![0x82, 0x86, 0x04, u8::try_from(path.len()).unwrap()];
    block.extend(path.bytes());
    block.extend([0x01, 1, b't']);
    block
}

impl Client {
    fn greet(&mut self, settings: &[u8]) -> &mut Self {
        self.send(PREFACE).send(frame(SETTINGS, 0, 0, settings))
    }

    /// Kind, flags, stream and payload of the next frame; `None` at the end.
    fn frame(&mut self) -> Option<(u8, u8, u32, Vec<u8>)> {
        let mut head = [0; 9];
        self.stream.read_exact(&mut head).ok()?;
        let [high, middle, low, kind, flags, a, b, c, d] = head;
        let mut payload = vec![0; u32::from_be_bytes([0, high, middle, low]) as usize];
        self.stream.read_exact(&mut payload).ok()?;
        Some((kind, flags, u32::from_be_bytes([a, b, c, d]), payload))
    }

    fn frames_to_the_end(&mut self) -> Vec<(u8, u8, u32, Vec<u8>)> {
        std::iter::from_fn(|| self.frame()).collect()
    }
}

/// Runs a conversation with a well-behaved client.
fn talk<F: Future<Output = ()>>(address: SocketAddr, talk: impl FnOnce(SendRequest<Bytes>) -> F) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let stream = TcpStream::connect(address).await.unwrap();
        let (send, connection) = client::handshake(stream).await.unwrap();
        let driver = tokio::spawn(connection);
        talk(send).await;
        driver.abort();
    });
}

struct Told {
    status: u16,
    body: Vec<u8>,
    request_id: bool,
}

async fn ask(send: &mut SendRequest<Bytes>, path: &str, body: Option<&[u8]>) -> Told {
    let method = if body.is_some() { "POST" } else { "GET" };
    let request = Request::builder()
        .method(method)
        .uri(format!("http://t{path}"));
    let mut ready = send.clone().ready().await.unwrap();
    let (response, mut sending) = ready
        .send_request(request.body(()).unwrap(), body.is_none())
        .unwrap();
    if let Some(body) = body {
        // The server may have answered and reset the stream before it has all of the body.
        let _ = sending.send_data(Bytes::copy_from_slice(body), true);
    }
    told(response.await.unwrap()).await
}

async fn told(response: Response<h2::RecvStream>) -> Told {
    let (head, mut stream) = response.into_parts();
    let mut body = Vec::new();
    while let Some(data) = stream.data().await {
        let Ok(data) = data else { break };
        stream.flow_control().release_capacity(data.len()).unwrap();
        body.extend(data);
    }
    let request_id = head.headers.contains_key("x-request-id");
    Told {
        status: head.status.as_u16(),
        body,
        request_id,
    }
}

#[test]
fn requests_are_answered_as_on_http1() {
    let limits = ServerConfig {
        request_timeout: SHORT,
        body_bytes_max: 1000,
        ..config()
    };
    let server = TestServer::start(limits);
    let large = vec![b'x'; 1001];
    talk(server.address, |mut send| async move {
        let cases = [
            ("/hello", None, 200, &b"hello"[..]),
            ("/echo", Some(&b"0123456789"[..]), 200, &b"0123456789"[..]),
            ("/echo", Some(&large[..]), 413, b""),
            ("/tight", Some(&b"0123456789a"[..]), 413, b""),
            ("/panic", None, 500, b""),
            ("/hang", None, 503, b""),
            ("/switch", None, 501, b""),
        ];
        for (path, body, status, expected) in cases {
            let told = ask(&mut send, path, body).await;
            assert_eq!(told.status, status, "{path}");
            assert!(told.request_id, "{path}");
            if status == 200 {
                assert_eq!(told.body, expected, "{path}");
            }
        }
    });
}

#[test]
fn requests_that_name_two_hosts_get_400() {
    let server = TestServer::start(config());
    talk(server.address, |mut send| async move {
        for (hosts, status) in [
            (&[][..], 200),
            (&["t"][..], 200),
            (&["T"][..], 200),
            (&["u"][..], 400),
            (&["t", "t"][..], 400),
            (&["t/"][..], 400),
        ] {
            let request = Request::get("http://t/hello");
            let named =
                |request: http::request::Builder, host: &&str| request.header("host", *host);
            let request = hosts.iter().fold(request, named).body(()).unwrap();
            let (response, _) = send.send_request(request, true).unwrap();
            assert_eq!(response.await.unwrap().status(), status, "{hosts:?}");
            send = send.ready().await.unwrap();
        }
    });
}

#[test]
fn bodies_of_many_turns_come_through() {
    let server = TestServer::start(ServerConfig {
        body_bytes_max: 1 << 24,
        ..config()
    });
    let body: Vec<u8> = (0..1_u32 << 20).flat_map(u32::to_be_bytes).collect();
    talk(server.address, |mut send| async move {
        let told = ask(&mut send, "/echo", Some(&body)).await;
        assert_eq!(told.status, 200);
        assert!(told.body == body);
    });
}

#[test]
fn it_can_be_switched_off() {
    let server = TestServer::start(ServerConfig {
        http2: false,
        ..config()
    });
    let mut client = server.connect();
    client.send(PREFACE);
    assert_eq!(client.rest(), b"");
    assert_eq!(server.connect().get("/hello").text(), "hello");
}

#[test]
fn the_preface_may_come_by_the_byte() {
    let server = TestServer::start(config());
    let mut client = server.connect();
    let greeting = [PREFACE.to_vec(), frame(SETTINGS, 0, 0, &[])].concat();
    for byte in greeting {
        client.send([byte]);
    }
    client.send(frame(HEADERS, END_STREAM | END_HEADERS, 1, &get("/hello")));
    let body = std::iter::from_fn(|| client.frame())
        .find(|(kind, ..)| *kind == DATA)
        .unwrap();
    assert_eq!(body.3, b"hello");
}

#[test]
fn heads_beyond_the_bound_get_431() {
    let server = TestServer::start(ServerConfig {
        header_bytes_max: 4096,
        ..config()
    });
    talk(server.address, |mut send| async move {
        let request = Request::builder()
            .uri("http://t/hello")
            .header("x-long", "x".repeat(5000));
        let (response, _) = send.send_request(request.body(()).unwrap(), true).unwrap();
        assert_eq!(response.await.unwrap().status(), 431);
    });
}

#[test]
fn heads_that_do_not_end_are_cut_off() {
    let server = TestServer::start(ServerConfig {
        header_timeout: SHORT,
        ..config()
    });
    let half = get("/hello");
    let starts = [
        vec![],
        frame(HEADERS, END_STREAM, 1, &half),
        frame(HEADERS, END_STREAM | END_HEADERS, 1, &half)[..12].to_vec(),
        [
            frame(HEADERS, END_STREAM, 1, &half),
            frame(CONTINUATION, 0, 1, b""),
        ]
        .concat(),
    ];
    for (count, start) in (1..).zip(starts) {
        let mut client = server.connect();
        client.greet(&[]).send(start);
        assert!(client.is_cut_off());
        server.wait_for_metric(&format!(
            "http_connections_closed_total{{reason=\"header_timeout\"}} {count}"
        ));
    }
}

#[test]
fn slow_bodies_get_408() {
    let server = TestServer::start(ServerConfig {
        read_timeout: SHORT,
        ..config()
    });
    talk(server.address, |mut send| async move {
        let request = Request::post("http://t/echo").body(()).unwrap();
        let (response, mut body) = send.send_request(request, false).unwrap();
        body.send_data(Bytes::from_static(b"half"), false).unwrap();
        assert_eq!(response.await.unwrap().status(), 408);
    });
}

#[test]
fn clients_that_open_no_window_are_cut_off() {
    let server = TestServer::start(ServerConfig {
        write_timeout: SHORT,
        ..config()
    });
    // SETTINGS_INITIAL_WINDOW_SIZE: no byte of an answer's body may be sent, or next to none.
    let cases = [
        (0, "/hello"),
        (0, "/endless"),
        (1, "/large"),
        (1, "/endless"),
    ];
    for (count, (window, path)) in (1..).zip(cases) {
        let mut client = server.connect();
        client.greet(&[0, 4, 0, 0, 0, window]);
        client.send(frame(HEADERS, END_STREAM | END_HEADERS, 1, &get(path)));
        assert!(client.is_reset(), "{window} {path}");
        server.wait_for_metric(&format!(
            "http_connections_closed_total{{reason=\"write_timeout\"}} {count}"
        ));
    }
}

#[test]
fn a_slow_reader_of_a_whole_body_is_not_idle() {
    let server = TestServer::start(ServerConfig {
        idle_timeout: SHORT,
        ..config()
    });
    talk(server.address, |mut send| async move {
        let request = Request::get("http://t/large").body(()).unwrap();
        let (response, _) = send.send_request(request, true).unwrap();
        let mut stream = response.await.unwrap().into_body();
        let mut length = 0;
        for piece in 0.. {
            let Some(data) = stream.data().await else {
                break;
            };
            let data = data.unwrap();
            stream.flow_control().release_capacity(data.len()).unwrap();
            length += data.len();
            // Far longer in all than an idle connection would be kept.
            if piece < 30 {
                tokio::time::sleep(SHORT).await;
            }
        }
        assert_eq!(length, 64 << 20);
    });
}

#[test]
fn bodies_arrive_whole_whatever_their_length() {
    let server = TestServer::start(ServerConfig {
        body_bytes_max: 1 << 20,
        ..config()
    });
    const PIECE: usize = 16 << 10;
    talk(server.address, |mut send| async move {
        for length in [1, PIECE - 1, PIECE, PIECE + 1, 6 * PIECE, 300_001] {
            let body: Vec<u8> = (b'0'..=b'z').cycle().take(length).collect();
            let told = ask(&mut send, "/echo", Some(&body)).await;
            assert_eq!(told.status, 200);
            assert!(told.body == body, "{length}");
        }
    });
}

#[test]
fn idle_connections_are_told_to_go() {
    let server = TestServer::start(ServerConfig {
        idle_timeout: SHORT,
        ..config()
    });
    let mut client = server.connect();
    client
        .greet(&[])
        .send(frame(HEADERS, END_STREAM | END_HEADERS, 1, &get("/hello")));
    let frames = client.frames_to_the_end();
    assert!(
        frames
            .iter()
            .any(|(kind, _, stream, _)| (*kind, *stream) == (DATA, 1))
    );
    assert!(
        frames.iter().any(|(kind, ..)| *kind == GOAWAY),
        "{frames:?}"
    );
    server.wait_for_metric("http_connections_closed_total{reason=\"idle_timeout\"} 1");
}

#[test]
fn more_streams_than_allowed_are_refused() {
    let server = TestServer::start(config());
    let mut client = server.connect();
    client.greet(&[]);
    for stream in (1..300).step_by(2) {
        client.send(frame(
            HEADERS,
            END_STREAM | END_HEADERS,
            stream,
            &get("/hang"),
        ));
    }
    let refused = std::iter::from_fn(|| client.frame())
        .filter(|(kind, ..)| *kind == RST_STREAM)
        .take(50)
        .all(|(.., code)| code == 7_u32.to_be_bytes());
    assert!(refused);
    server.wait_for_metric("http_requests_in_flight 100");
    drop(client);
    server.wait_for_metric("http_requests_in_flight 0");
}

#[test]
fn rapid_resets_end_the_connection() {
    let server = TestServer::start(config());
    let mut client = server.connect();
    client.greet(&[]);
    let flood: Vec<u8> = (1..4001)
        .step_by(2)
        .flat_map(|stream| {
            [
                frame(HEADERS, END_STREAM | END_HEADERS, stream, &get("/hang")),
                frame(RST_STREAM, 0, stream, &8_u32.to_be_bytes()),
            ]
        })
        .flatten()
        .collect();
    let _ = client.stream.write_all(&flood);
    let frames = client.frames_to_the_end();
    let go_away = frames.iter().find(|(kind, ..)| *kind == GOAWAY);
    // ENHANCE_YOUR_CALM
    assert!(go_away.is_some_and(|(.., payload)| payload[4..8] == 11_u32.to_be_bytes()));
    server.wait_for_metric("http_requests_in_flight 0");
    server.wait_for_metric("http_connections_open 0");
}

#[test]
fn header_bombs_end_the_connection() {
    let server = TestServer::start(ServerConfig {
        header_bytes_max: 4096,
        ..config()
    });
    let mut client = server.connect();
    client
        .greet(&[])
        .send(frame(HEADERS, END_STREAM, 1, &get("/hello")));
    let chunk = frame(CONTINUATION, 0, 1, &[0x82; 4096]);
    // Ends early where the server no longer takes what comes.
    (0..4096).all(|_| client.stream.write_all(&chunk).is_ok());
    assert!(
        client
            .frames_to_the_end()
            .iter()
            .any(|(kind, ..)| *kind == GOAWAY)
    );
}
