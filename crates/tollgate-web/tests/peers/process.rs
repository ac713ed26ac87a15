//! The server that is attacked: one listener in plain text, one with TLS and HTTP/3, a handler for
//! every case. Runs as a test of this binary that another test starts.

use std::env;
use std::fs;
use std::io::Read as _;
use std::net::SocketAddr;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Request, Response, StatusCode};
use http_body::{Body, Frame};
use serde_json::json;
use tokio::sync::watch;
use tollgate_web::metrics::Registry;
use tollgate_web::{
    Handler, HttpMetrics, RequestBody, RequestContext, ResponseBody, Server, ServerConfig,
    StreamError, TlsConfig, body, error_response,
};

/// Where the server finds its configuration and certificate, and leaves its addresses.
pub(crate) const DIRECTORY: &str = "TOLLGATE_TEST_WEB_SERVER";

/// Ends with its standard input, so that it never outlives the test that started it.
#[test]
#[ignore = "a server for other tests, which start it"]
fn process() {
    let Some(directory) = env::var_os(DIRECTORY) else {
        return;
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(serve(Path::new(&directory)));
}

async fn serve(directory: &Path) {
    let text = fs::read_to_string(directory.join("config.toml")).unwrap();
    let config: ServerConfig = toml::from_str(&text).unwrap();
    let paths = TlsConfig::new(directory.join("chain.pem"), directory.join("key.pem"));
    let secure = ServerConfig {
        tls: Some(paths),
        http3: true,
        ..config.clone()
    };
    let registry = Registry::new();
    let metrics = HttpMetrics::register(&registry, &[]).unwrap();
    let plain = bind(&config, &metrics);
    let secure = bind(&secure, &metrics);
    let addresses = json!({
        "plain": plain.local_addr().unwrap(),
        "secure": secure.local_addr().unwrap(),
    });
    // Whole or not there at all.
    let unfinished = directory.join("addresses.new");
    fs::write(&unfinished, addresses.to_string()).unwrap();
    fs::rename(unfinished, directory.join("addresses.json")).unwrap();

    let (stop, stopped) = watch::channel(());
    std::thread::spawn(move || {
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        drop(stop);
    });
    let handler = Arc::new(Paths(registry));
    let (one, other) = tokio::join!(
        plain.run(Arc::clone(&handler), until(stopped.clone())),
        secure.run(handler, until(stopped)),
    );
    one.unwrap();
    other.unwrap();
}

async fn until(mut stopped: watch::Receiver<()>) {
    while stopped.changed().await.is_ok() {}
}

/// On a free port; with HTTP/3, on one that is free on UDP too.
fn bind(config: &ServerConfig, metrics: &HttpMetrics) -> Server {
    let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
    loop {
        let server = Server::bind(config.clone(), &[any], metrics.clone()).unwrap();
        if !config.http3 || !server.http3_addrs().is_empty() {
            return server;
        }
    }
}

/// Answers by path.
struct Paths(Registry);

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
            "/hang" => std::future::pending().await,
            "/endless" => Response::new(ResponseBody::stream(Endless)),
            "/metrics" => Response::new(self.0.render().into()),
            "/page" => page(request.version()),
            "/peer" => Response::new(context.peer().to_string().into()),
            _ => error_response(StatusCode::NOT_FOUND),
        }
    }
}

/// What a browser shows of the protocol that it came by.
fn page(version: http::Version) -> Response<ResponseBody> {
    let text = format!("<!doctype html><title>page</title><p>served over {version:?}</p>");
    let mut response = Response::new(text.into());
    let html = HeaderValue::from_static("text/html; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, html);
    response
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
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(&[b'x'; 8192])))))
    }
}
