//! What others are divided by: hyper alone, without a bound, a time-out or a metric.

use crate::{HELLO, TEXT, runtime};
use anyhow::Result;
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use std::convert::Infallible;
use std::net::SocketAddr;
use tokio::net::{TcpListener, TcpStream};

pub(crate) fn http1(address: SocketAddr) -> Result<()> {
    accept(address, |stream| {
        let io = TokioIo::new(stream);
        let connection = http1::Builder::new().serve_connection(io, service_fn(answer));
        // A client that breaks off is no event here.
        tokio::spawn(async { drop(connection.await) });
    })
}

pub(crate) fn http2(address: SocketAddr) -> Result<()> {
    accept(address, |stream| {
        let io = TokioIo::new(stream);
        let builder = http2::Builder::new(TokioExecutor::new());
        let connection = builder.serve_connection(io, service_fn(answer));
        tokio::spawn(async { drop(connection.await) });
    })
}

fn accept(address: SocketAddr, serve: impl Fn(TcpStream)) -> Result<()> {
    runtime()?.block_on(async {
        let listener = TcpListener::bind(address).await?;
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            serve(stream);
        }
    })
}

async fn answer(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    if (request.method(), request.uri().path()) != (&Method::GET, "/") {
        let mut response = Response::default();
        *response.status_mut() = StatusCode::NOT_FOUND;
        return Ok(response);
    }
    let mut response = Response::new(Full::from(HELLO));
    let text = HeaderValue::from_static(TEXT);
    response.headers_mut().insert(CONTENT_TYPE, text);
    Ok(response)
}
