//! Requests that come before the handshake is over, which somebody may have recorded and replay.

use http::{Request, StatusCode};

use super::client::{Connected, Endpoint, Http3Server, converse, get, request};
use crate::support::config;

/// Asks in a first packet that resumes an earlier session.
async fn ask_early(endpoint: &Endpoint, asked: Request<()>) -> StatusCode {
    let (socket, connecting) = endpoint.connecting();
    let Ok((quic, accepted)) = connecting.into_0rtt() else {
        panic!("no session to resume");
    };
    let mut client = Connected::over(socket, quic).await;
    let mut exchange = client.begin(asked).await;
    exchange.finish().await.unwrap();
    assert!(accepted.await, "early data was not taken");
    let head = exchange.recv_response().await.unwrap();
    head.status()
}

/// Makes a session that a later connection can resume.
async fn visit(endpoint: &Endpoint) {
    let mut client = endpoint.connect().await;
    assert_eq!(client.get("/hello").await.status, StatusCode::OK);
}

#[test]
fn only_what_is_safe_to_replay_is_served_early() {
    let server = Http3Server::start(config());
    let check = |asked: http::request::Builder, expected: u16| {
        converse(async {
            let endpoint = server.client();
            visit(&endpoint).await;
            let asked = asked.body(()).unwrap();
            let shown = format!("{asked:?}");
            let status = ask_early(&endpoint, asked).await;
            assert_eq!(status.as_u16(), expected, "{shown}");
        });
    };
    for method in ["GET", "HEAD", "OPTIONS"] {
        check(request(method, "/hello"), 200);
        check(
            request(method, "/hello").header("authorization", "Basic x"),
            425,
        );
        check(request(method, "/hello").header("cookie", "a=b"), 425);
    }
    for method in ["POST", "PUT", "DELETE", "PATCH", "LIST"] {
        check(request(method, "/hello"), 425);
    }
}

#[test]
fn the_same_is_served_once_the_handshake_is_over() {
    let server = Http3Server::start(config());
    converse(async {
        let endpoint = server.client();
        visit(&endpoint).await;
        let (socket, connecting) = endpoint.connecting();
        let Ok((quic, accepted)) = connecting.into_0rtt() else {
            panic!("no session to resume");
        };
        let mut client = Connected::over(socket, quic).await;
        assert!(accepted.await);
        // The first answer shows that the server is past the handshake as well.
        assert_eq!(client.ask(get("/hello"), b"").await.status, StatusCode::OK);
        let post = request("POST", "/hello").header("authorization", "Basic x");
        let answer = client.ask(post.body(()).unwrap(), b"").await;
        assert_eq!(answer.status, StatusCode::OK);
    });
}
