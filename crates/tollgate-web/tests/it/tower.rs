//! Tower services and axum routers behind a server, asked over sockets.

use std::net::SocketAddr;
use std::thread::JoinHandle;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{ConnectInfo, Path};
use axum::routing::{get, post};
use http::{Request, Response, StatusCode};
use http_body::Body;
use tokio::sync::oneshot;
use tollgate_web::extract::{ClientIp, RouteTemplates};
use tollgate_web::metrics::Registry;
use tollgate_web::{
    Handler, HttpMetrics, RequestBody, RequestId, RequestInfo, ResponseBody, Server, ServerConfig,
    StreamError, TowerService,
};

use crate::support::{Answer, Client, SHORT, config, loopback_trusted};

const ROUTES: &[&str] = &["/users/{id}", "/never"];

struct Running {
    address: SocketAddr,
    registry: Registry,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Running {
    fn start(config: ServerConfig, handler: impl Handler) -> Self {
        let registry = Registry::new();
        let metrics = HttpMetrics::register(&registry, ROUTES).unwrap();
        let any = "127.0.0.1:0".parse().unwrap();
        let server = Server::bind(config, &[any], metrics).unwrap();
        let address = server.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build();
            let serving = server.run(handler, async { drop(stopped.await) });
            runtime.unwrap().block_on(serving).unwrap();
        });
        Self {
            address,
            registry,
            stop: Some(stop),
            thread: Some(thread),
        }
    }

    fn ask(&self, request: &str) -> Answer {
        let stream = std::net::TcpStream::connect(self.address).unwrap();
        let mut client = Client { stream };
        client.send(request).answer()
    }

    fn get(&self, path: &str) -> Answer {
        self.ask(&format!("GET {path} HTTP/1.1\r\nHost: t\r\n\r\n"))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.stop.take());
        self.thread.take().unwrap().join().unwrap();
    }
}

fn router() -> Router {
    Router::new()
        .route("/", get(|| async { "hello" }))
        .route("/users/{id}", get(|Path(id): Path<String>| async { id }))
        .route(
            "/ip",
            get(|ClientIp(ip): ClientIp| async move { ip.to_string() }),
        )
        .route(
            "/peer",
            get(|ConnectInfo(peer): ConnectInfo<SocketAddr>| async move { peer.ip().to_string() }),
        )
        .route("/id", get(|id: RequestId| async move { id.to_string() }))
        .route(
            "/info",
            get(|info: RequestInfo| async move {
                format!("{} {}", info.client_ip(), info.scheme().as_str())
            }),
        )
        .route("/echo", post(|body: Bytes| async { body }))
        .route("/panic", get(panics))
        .route(
            "/stream",
            get(|| async { axum::body::Body::new(Pieces::unsized_of(3)) }),
        )
        .route(
            "/sized",
            get(|| async { axum::body::Body::new(Pieces::sized_of(3)) }),
        )
        .route("/large", get(|| async { "x".repeat(100_000) }))
        .route_layer(RouteTemplates::new(ROUTES))
}

async fn panics() -> &'static str {
    panic!("on purpose")
}

const PIECE: &[u8] = b"piece ";

/// A body that comes in pieces, its length told or not.
struct Pieces {
    left: u8,
    length: Length,
}

enum Length {
    Told,
    Untold,
}

impl Pieces {
    fn unsized_of(left: u8) -> Self {
        let length = Length::Untold;
        Self { left, length }
    }

    fn sized_of(left: u8) -> Self {
        let length = Length::Told;
        Self { left, length }
    }
}

impl Body for Pieces {
    type Data = Bytes;
    type Error = StreamError;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<http_body::Frame<Bytes>, StreamError>>> {
        let left = self.left.checked_sub(1);
        self.left = left.unwrap_or(0);
        let piece = http_body::Frame::data(Bytes::from_static(PIECE));
        std::task::Poll::Ready(left.map(|_| Ok(piece)))
    }

    fn size_hint(&self) -> http_body::SizeHint {
        match self.length {
            Length::Told => http_body::SizeHint::with_exact(u64::from(self.left) * 6),
            Length::Untold => http_body::SizeHint::default(),
        }
    }
}

#[test]
fn an_axum_router_is_served() {
    let running = Running::start(config(), TowerService::new(router()));
    let check = |path: &str, status: u16, body: &str| {
        let answer = running.get(path);
        assert_eq!((answer.status, answer.text()), (status, body), "{path}");
        assert!(answer.header("x-request-id").is_some(), "{path}");
    };
    check("/", 200, "hello");
    check("/users/alice", 200, "alice");
    check("/ip", 200, "127.0.0.1");
    check("/peer", 200, "127.0.0.1");
    check("/info", 200, "127.0.0.1 http");
    check("/none", 404, "");
    let answer = running.get("/id");
    assert_eq!(Some(answer.text()), answer.header("x-request-id"));
    let internal = r#"{"error":"server_error","error_description":"internal error"}"#;
    check("/panic", 500, internal);
    let metrics = running.registry.render();
    assert!(metrics.contains("http_handler_panics_total 1"), "{metrics}");
}

#[test]
fn a_body_keeps_its_length_and_a_stream_has_none() {
    let running = Running::start(config(), TowerService::new(router()));
    let check = |path: &str, length: &str, body: &str| {
        let answer = running.get(path);
        assert_eq!(answer.header("content-length"), Some(length), "{path}");
        assert_eq!(answer.text(), body, "{path}");
    };
    check("/", "5", "hello");
    check("/sized", "18", "piece piece piece ");
    check("/large", "100000", &"x".repeat(100_000));
    let stream = std::net::TcpStream::connect(running.address).unwrap();
    let mut client = Client { stream };
    client.send("GET /stream HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n");
    let answer = String::from_utf8(client.rest()).unwrap();
    assert!(answer.contains("transfer-encoding: chunked"), "{answer}");
    assert_eq!(answer.matches("piece ").count(), 3, "{answer}");
}

#[test]
fn requests_count_under_the_route_that_they_matched() {
    let running = Running::start(config(), TowerService::new(router()));
    running.get("/users/alice");
    running.get("/users/bob");
    running.get("/");
    let metrics = running.registry.render();
    for line in [
        r#"http_requests_total{route="/users/{id}",method="GET",status="2xx"} 2"#,
        r#"http_requests_total{route="other",method="GET",status="2xx"} 1"#,
    ] {
        assert!(metrics.lines().any(|l| l == line), "no {line} in {metrics}");
    }
    assert!(!metrics.contains("alice"), "{metrics}");
}

#[test]
fn the_client_of_a_trusted_proxy_is_told_and_of_no_other() {
    let request = "GET /ip HTTP/1.1\r\nHost: t\r\nX-Forwarded-For: 192.0.2.7\r\n\r\n";
    let check = |config, client: &str| {
        let running = Running::start(config, TowerService::new(router()));
        assert_eq!(running.ask(request).text(), client);
    };
    let trusting = ServerConfig {
        trusted_proxies: loopback_trusted(),
        ..config()
    };
    check(trusting, "192.0.2.7");
    check(config(), "127.0.0.1");
}

#[test]
fn a_body_beyond_the_bounds_is_told_as_such() {
    let tight = ServerConfig {
        body_bytes_max: 10,
        read_timeout: SHORT,
        ..config()
    };
    let running = Running::start(tight, TowerService::new(router()));
    let post = "POST /echo HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n";
    let check = |chunks: &str, status: u16| {
        let answer = running.ask(&format!("{post}{chunks}"));
        assert_eq!(answer.status, status, "{chunks:?}");
    };
    check("5\r\nhello\r\n0\r\n\r\n", 200);
    check("5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n", 413);
    check("5\r\nhello\r\n", 408);
    check("5\r\nhello\r\nX\r\n", 400);
}

#[test]
fn an_error_of_the_service_is_a_constant_500() {
    let failing = tower::service_fn(|_: Request<RequestBody>| async {
        Err::<Response<ResponseBody>, StreamError>("the password is wrong".into())
    });
    let running = Running::start(config(), TowerService::new(failing));
    let answer = running.get("/");
    assert_eq!(answer.status, 500);
    assert!(!answer.text().contains("password"));
}

#[test]
fn extractors_say_that_nobody_serves_them() {
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    for path in ["/ip", "/id", "/info"] {
        let request = Request::get(path).body(axum::body::Body::empty());
        let answer = tower::ServiceExt::oneshot(router(), request.unwrap());
        let answer = runtime.as_ref().unwrap().block_on(answer).unwrap();
        assert_eq!(answer.status(), StatusCode::INTERNAL_SERVER_ERROR, "{path}");
    }
}
