//! How connections and requests over HTTP/3 end: clients that leave or move, servers that drain.

use std::net::UdpSocket;

use h3::error::Code;
use tollgate_web::ServerConfig;

use super::client::{Http3Server, answer, converse, get, head, request};
use crate::support::{SHORT, config};

#[test]
fn a_handler_ends_when_its_client_wants_no_answer() {
    let server = Http3Server::start(config());
    converse(async {
        let mut client = server.client().connect().await;
        let mut exchange = client.begin(get("/hang")).await;
        exchange.finish().await.unwrap();
        tokio::task::yield_now().await;
        let metrics = &server.server;
        wait(metrics, "http_requests_in_flight 1").await;
        exchange.stop_sending(Code::H3_REQUEST_CANCELLED);
        wait(metrics, "http_requests_in_flight 0").await;
        assert_eq!(client.get("/hello").await.text(), "hello");
    });
}

#[test]
fn a_handler_ends_with_its_connection() {
    let server = Http3Server::start(config());
    converse(async {
        let mut client = server.client().connect().await;
        let mut exchange = client.begin(get("/hang")).await;
        exchange.finish().await.unwrap();
        wait(&server.server, "http_requests_in_flight 1").await;
        client.quic.close(0_u32.into(), b"");
        wait(&server.server, "http_requests_in_flight 0").await;
        wait(&server.server, "http_connections_open 0").await;
    });
}

/// Lets the client's side go on while a line of the metrics comes about.
async fn wait(server: &crate::support::TestServer, line: &str) {
    while !server.registry.render().lines().any(|found| found == line) {
        tokio::task::yield_now().await;
    }
}

#[test]
fn a_client_may_move() {
    for threads in [1, 4] {
        let server = Http3Server::start(ServerConfig {
            threads,
            ..config()
        });
        converse(async {
            let mut client = server.client().connect().await;
            assert_eq!(client.get("/hello").await.text(), "hello");
            for _ in 0..8 {
                let elsewhere = UdpSocket::bind("127.0.0.1:0").unwrap();
                client.endpoint.rebind(elsewhere).unwrap();
                assert_eq!(client.get("/hello").await.text(), "hello");
            }
            client.leave().await;
        });
        server.server.wait_for_metric("http_connections_open 0");
    }
}

#[test]
fn requests_in_flight_are_finished() {
    let mut server = Http3Server::start(config());
    converse(async {
        let mut client = server.client().connect().await;
        let mut held = client
            .begin(request("GET", "/gate").body(()).unwrap())
            .await;
        held.finish().await.unwrap();
        server.server.handler.arrived.notified().await;
        server.server.begin_stop();
        // GOAWAY: from now on the client may not ask.
        while client.requests.send_request(get("/hello")).await.is_ok() {}
        server.server.handler.gate.notify_one();
        assert_eq!(answer(&mut held).await.text(), "passed");
        assert_eq!(client.close_code().await, Code::H3_NO_ERROR.value());
    });
    assert_eq!(server.server.join().connections_aborted, 0);
}

/// Reads the server's control stream until the client is told where its requests end.
async fn goaway(connection: &quinn::Connection) -> Vec<u8> {
    let mut stream = loop {
        let mut stream = connection.accept_uni().await.unwrap();
        let mut kind = [0];
        stream.read_exact(&mut kind).await.unwrap();
        if kind == [CONTROL_STREAM] {
            break stream;
        }
    };
    loop {
        let mut head = [0; 2];
        stream.read_exact(&mut head).await.unwrap();
        let [frame, length] = head;
        let mut payload = vec![0; usize::from(length)];
        stream.read_exact(&mut payload).await.unwrap();
        if frame == GOAWAY {
            return payload;
        }
    }
}

const CONTROL_STREAM: u8 = 0;
const GOAWAY: u8 = 7;

#[test]
fn no_request_is_both_served_and_given_back() {
    let mut server = Http3Server::start(config());
    let ask = async |connection: &quinn::Connection| {
        let fields = [
            (":method", "GET"),
            (":scheme", "https"),
            (":authority", "localhost"),
            (":path", "/gate"),
        ];
        let (mut send, receive) = connection.open_bi().await.unwrap();
        send.write_all(&head(&fields)).await.unwrap();
        send.finish().unwrap();
        receive
    };
    converse(async {
        let (_endpoint, connecting) = server.client().connecting();
        let connection = connecting.await.unwrap();
        let mut served = ask(&connection).await;
        server.server.handler.arrived.notified().await;
        server.server.begin_stop();
        // The stream after the first: what is asked there may be asked again elsewhere.
        assert_eq!(goaway(&connection).await, [4]);
        let mut given_back = ask(&connection).await;
        let rejected = Code::H3_REQUEST_REJECTED.value();
        let told = given_back.read_to_end(1000).await.unwrap_err();
        let code = quinn::VarInt::from_u64(rejected).unwrap();
        let reset = quinn::ReadError::Reset(code);
        assert_eq!(told, quinn::ReadToEndError::Read(reset));
        server.server.handler.gate.notify_one();
        assert!(served.read_to_end(1000).await.unwrap().ends_with(b"passed"));
        // Until the server has heard that all of it came.
        connection.closed().await;
    });
    assert_eq!(server.server.join().connections_aborted, 0);
}

#[test]
fn idle_connections_do_not_hold_up_a_drain() {
    let mut server = Http3Server::start(config());
    converse(async {
        let mut client = server.client().connect().await;
        assert_eq!(client.get("/hello").await.text(), "hello");
        server.server.begin_stop();
        assert_eq!(client.close_code().await, Code::H3_NO_ERROR.value());
    });
    assert_eq!(server.server.join().connections_aborted, 0);
}

#[test]
fn what_hangs_is_cut_off_in_the_end() {
    let mut server = Http3Server::start(ServerConfig {
        drain_timeout: SHORT,
        ..config()
    });
    converse(async {
        let mut client = server.client().connect().await;
        let mut exchange = client.begin(get("/hang")).await;
        exchange.finish().await.unwrap();
        wait(&server.server, "http_requests_in_flight 1").await;
        server.server.begin_stop();
        client.close_code().await;
    });
    assert_eq!(server.server.join().connections_aborted, 1);
}
