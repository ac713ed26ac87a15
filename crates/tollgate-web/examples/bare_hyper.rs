//! The baseline that the benchmarks divide by: hyper alone, without a bound, a time-out, a metric
//! or a log line. `GET /` says hello; `POST /form` parses a small form and answers JSON.
//!
//! `bare_hyper --listen ADDR --threads N`

use std::convert::Infallible;
use std::net::SocketAddr;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::TcpListener;

type Failure = Box<dyn std::error::Error + Send + Sync>;

fn main() -> Result<(), Failure> {
    let (mut listen, mut threads) = (SocketAddr::from(([127, 0, 0, 1], 8090)), 0);
    let mut arguments = std::env::args().skip(1);
    while let Some(flag) = arguments.next() {
        let value = arguments.next().ok_or("each flag takes a value")?;
        match flag.as_str() {
            "--listen" => listen = value.parse()?,
            "--threads" => threads = value.parse()?,
            _ => return Err("flags are --listen ADDR and --threads N".into()),
        }
    }
    if threads == 0 {
        threads = std::thread::available_parallelism()?.get();
    }
    let serving = (0..threads).map(|_| std::thread::spawn(move || serve(listen)));
    for thread in serving.collect::<Vec<_>>() {
        thread.join().map_err(|_| "a thread panicked")??;
    }
    Ok(())
}

fn serve(address: SocketAddr) -> Result<(), Failure> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    socket.set_nonblocking(true)?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(true)?;
    socket.bind(&address.into())?;
    socket.listen(4096)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async move {
        let listener = TcpListener::from_std(socket.into())?;
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            let connection =
                http1::Builder::new().serve_connection(TokioIo::new(stream), service_fn(answer));
            tokio::spawn(async move {
                // A client that breaks off is no event here.
                let _ = connection.await;
            });
        }
    })
}

async fn answer(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    match (request.method(), request.uri().path()) {
        (&Method::GET, "/") => Ok(Response::new(Full::from("hello"))),
        (&Method::POST, "/form") => Ok(form(request).await),
        _ => {
            let mut response = Response::new(Full::default());
            *response.status_mut() = StatusCode::NOT_FOUND;
            Ok(response)
        }
    }
}

async fn form(request: Request<Incoming>) -> Response<Full<Bytes>> {
    let Ok(body) = request.into_body().collect().await else {
        return Response::new(Full::default());
    };
    let body = body.to_bytes();
    let text = std::str::from_utf8(&body).unwrap_or_default();
    let pairs = text.split('&').filter_map(|pair| pair.split_once('='));
    let fields: Vec<(String, String)> = pairs
        .map(|(name, value)| (name.to_owned(), value.replace('+', " ")))
        .collect();
    let scope = fields
        .iter()
        .find(|(name, _)| name == "scope")
        .map_or("", |(_, value)| value);
    // As long as a token response with a signed token in it.
    let token = "x".repeat(220);
    let json = format!(
        r#"{{"access_token":"{token}","token_type":"Bearer","expires_in":3600,"scope":"{scope}"}}"#
    );
    let mut response = Response::new(Full::from(json));
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
