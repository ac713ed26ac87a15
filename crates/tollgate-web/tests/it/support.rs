//! A server on a free port with a handler for every case, and a client that speaks raw bytes.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::thread::JoinHandle;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body, Frame};
use tokio::sync::{Notify, oneshot};
use tollgate_web::metrics::Registry;
use tollgate_web::{
    Drained, Handler, HttpMetrics, RequestBody, RequestContext, ResponseBody, Server, ServerConfig,
    StreamError, TlsReloader, TrustedProxies, body, error_response,
};

/// How long a client waits before it calls the server stuck; no test waits this long and passes.
pub(crate) const STUCK: Duration = Duration::from_secs(20);
/// A time-out that is meant to strike.
pub(crate) const SHORT: Duration = Duration::from_millis(60);

pub(crate) fn config() -> ServerConfig {
    ServerConfig {
        threads: 1,
        header_timeout: STUCK,
        read_timeout: STUCK,
        write_timeout: STUCK,
        idle_timeout: STUCK,
        request_timeout: STUCK,
        ..ServerConfig::default()
    }
}

pub(crate) fn loopback_trusted() -> TrustedProxies {
    TrustedProxies::new(vec!["127.0.0.0/8".parse().unwrap()])
}

/// Answers by path; see [`Handler::handle`] below.
#[derive(Default)]
pub(crate) struct Paths {
    /// Told when a request for `/gate` has arrived.
    pub(crate) arrived: Notify,
    /// Lets a request for `/gate` go on.
    pub(crate) gate: Notify,
}

impl Handler for Paths {
    async fn handle(
        &self,
        request: Request<RequestBody>,
        context: &mut RequestContext,
    ) -> Response<ResponseBody> {
        let path = request.uri().path().to_owned();
        match path.as_str() {
            "/hello" => Response::new("hello".into()),
            "/echo" => match body::collect(request.into_body(), usize::MAX).await {
                Ok(bytes) => Response::new(bytes.into()),
                Err(error) => error_response(error.status()),
            },
            "/tight" => match body::collect(request.into_body(), 10).await {
                Ok(bytes) => Response::new(bytes.into()),
                Err(error) => error_response(error.status()),
            },
            "/part" => {
                let mut body = request.into_body();
                self.arrived.notify_one();
                let part = std::future::poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await;
                assert!(part.is_some_and(|part| part.is_ok()));
                std::future::pending().await
            }
            "/switch" => {
                let response = Response::builder().status(101);
                let response = response.header("connection", "upgrade");
                let response = response.header("upgrade", "websocket");
                response.body(ResponseBody::empty()).unwrap()
            }
            "/unread" => Response::new("not read".into()),
            "/panic" => panic!("on purpose"),
            "/hang" => std::future::pending().await,
            "/gate" => {
                self.arrived.notify_one();
                self.gate.notified().await;
                Response::new("passed".into())
            }
            "/breaks" => Response::new(ResponseBody::stream(Breaks { begun: false })),
            "/endless" => Response::new(ResponseBody::stream(Endless)),
            "/large" => Response::new(vec![b'x'; 64 << 20].into()),
            "/certificate" => match context.client_certificate() {
                Some(shown) => {
                    assert_eq!(shown.chain().next(), Some(shown.leaf()));
                    let (bytes, length) = (shown.leaf().len(), shown.chain().count());
                    Response::new(format!("{bytes} bytes, {length} in the chain").into())
                }
                None => Response::new("none".into()),
            },
            "/who" => Response::new(
                format!(
                    "{} {} {} {}",
                    context.client_ip(),
                    context.scheme().as_str(),
                    context.forwarded_host().unwrap_or("-"),
                    context.request_id()
                )
                .into(),
            ),
            _ => error_response(http::StatusCode::NOT_FOUND),
        }
    }
}

/// A body that has more to say whenever it is asked.
struct Endless;

impl Body for Endless {
    type Data = Bytes;
    type Error = StreamError;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, StreamError>>> {
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(&[b'x'; 1024])))))
    }
}

/// A body that panics once a part of it has been sent.
struct Breaks {
    begun: bool,
}

impl Body for Breaks {
    type Data = Bytes;
    type Error = StreamError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, StreamError>>> {
        assert!(!self.begun, "on purpose");
        self.begun = true;
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(b"part")))))
    }
}

pub(crate) struct TestServer {
    pub(crate) address: SocketAddr,
    pub(crate) registry: Registry,
    pub(crate) handler: Arc<Paths>,
    pub(crate) tls: Option<TlsReloader>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<Drained>>,
}

impl TestServer {
    pub(crate) fn start(config: ServerConfig) -> Self {
        Self::prepared(config, |_| {})
    }

    /// A server with more listeners than one.
    #[expect(clippy::needless_pass_by_value, reason = "made for this one server")]
    pub(crate) fn prepared(config: ServerConfig, prepare: impl FnOnce(&mut Server)) -> Self {
        let registry = Registry::new();
        let metrics = HttpMetrics::register(&registry, &[]).unwrap();
        let mut server = bind(&config, &metrics);
        prepare(&mut server);
        let address = server.local_addr().unwrap();
        let tls = server.tls_reloader();
        let handler = Arc::new(Paths::default());
        let served = Arc::clone(&handler);
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            let shutdown = async { drop(stopped.await) };
            runtime.block_on(server.run(served, shutdown)).unwrap()
        });
        Self {
            address,
            registry,
            handler,
            tls,
            stop: Some(stop),
            thread: Some(thread),
        }
    }

    pub(crate) fn connect(&self) -> Client {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(STUCK)).unwrap();
        stream.set_write_timeout(Some(STUCK)).unwrap();
        Client { stream }
    }

    /// Begins the drain; [`join`](Self::join) waits for its end.
    pub(crate) fn begin_stop(&mut self) {
        drop(self.stop.take());
    }

    pub(crate) fn join(mut self) -> Drained {
        self.begin_stop();
        self.thread.take().unwrap().join().unwrap()
    }

    /// Waits until a line of the metrics is there.
    pub(crate) fn wait_for_metric(&self, line: &str) {
        let started = std::time::Instant::now();
        while !self
            .registry
            .render()
            .lines()
            .any(|rendered| rendered == line)
        {
            assert!(
                started.elapsed() < STUCK,
                "no `{line}` in:\n{}",
                self.registry.render()
            );
            std::thread::yield_now();
        }
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        self.begin_stop();
    }
}

/// On a free port; with HTTP/3, on one that is free on UDP too.
fn bind(config: &ServerConfig, metrics: &HttpMetrics) -> Server {
    let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
    loop {
        let server = Server::bind(config.clone(), &[any], metrics.clone()).unwrap();
        #[cfg(feature = "http3")]
        if config.http3 && server.http3_addrs().is_empty() {
            continue;
        }
        return server;
    }
}

pub(crate) struct Client {
    pub(crate) stream: TcpStream,
}

/// One parsed answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (found, value) = line.split_once(':')?;
            found.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }
}

impl Client {
    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) -> &mut Self {
        self.stream.write_all(bytes.as_ref()).unwrap();
        self
    }

    pub(crate) fn get(&mut self, path: &str) -> Answer {
        self.send(format!("GET {path} HTTP/1.1\r\nHost: t\r\n\r\n"))
            .answer()
    }

    pub(crate) fn answer(&mut self) -> Answer {
        read_answer(&mut self.stream)
    }

    /// Reads to the end: what the server still sent before it closed.
    pub(crate) fn rest(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        self.stream
            .read_to_end(&mut rest)
            .expect("closed in good order, not reset or left open");
        rest
    }

    /// Whether the server has ended the connection, in whatever way.
    pub(crate) fn is_cut_off(&mut self) -> bool {
        let end = self.end();
        end.is_none_or(|error| error.kind() == std::io::ErrorKind::ConnectionReset)
    }

    /// Whether the server has ended the connection without sending all that it had to.
    pub(crate) fn is_reset(&mut self) -> bool {
        let end = self.end();
        end.is_some_and(|error| error.kind() == std::io::ErrorKind::ConnectionReset)
    }

    /// Reads to the end: what went wrong, if anything did.
    fn end(&mut self) -> Option<std::io::Error> {
        std::io::copy(&mut self.stream, &mut std::io::sink()).err()
    }
}

/// Reads one answer whose length is told by `Content-Length`.
pub(crate) fn read_answer(stream: &mut impl Read) -> Answer {
    let mut answer = read_head(stream);
    let length = answer
        .header("content-length")
        .map_or(0, |length| length.parse().unwrap());
    answer.body = vec![0; length];
    stream.read_exact(&mut answer.body).unwrap();
    answer
}

/// Reads an answer that has no body.
pub(crate) fn read_head(stream: &mut impl Read) -> Answer {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        assert_eq!(
            stream.read(&mut byte).unwrap(),
            1,
            "closed within a head: {head:?}"
        );
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Answer {
        status,
        head,
        body: Vec::new(),
    }
}
