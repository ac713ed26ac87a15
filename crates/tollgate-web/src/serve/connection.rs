//! One connection, from its first byte to its last: protocol, hyper, and the watch over both.

use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use bytes::{Bytes, BytesMut};
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::net::TcpStream;
use tokio::time::{Sleep, sleep_until, timeout_at};
use tokio_rustls::TlsAcceptor;

use super::drain::Stage;
use super::request::{Connected, serve};
use super::state::{ConnectionState, Verdict};
use super::stream::{Transport, WatchedStream};
use crate::http_metrics::Closed;
use crate::{ClientCertificate, Handler, ServerConfig};

/// What an HTTP/2 client with prior knowledge sends first (RFC 9113 §3.4).
pub(super) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const FIRST_READ_BYTES: usize = 4096;

const STREAMS_MAX: u32 = 100;
/// Streams that a client opened and reset before we looked: the rapid-reset attack.
const PENDING_RESETS_MAX: usize = 20;
const LOCAL_RESETS_MAX: usize = 256;
/// Of one stream, before it is asked for more.
pub(super) const SEND_BUFFER_BYTES_MAX: usize = 64 * 1024;
const STREAM_WINDOW_BYTES: u32 = 64 * 1024;
const CONNECTION_WINDOW_BYTES: u32 = 1024 * 1024;
/// hyper accepts no smaller buffer.
const BUFFER_BYTES_MIN: usize = 8192;

/// Serves one accepted connection until it ends.
pub(super) async fn run<H: Handler>(
    stream: TcpStream,
    tls: Option<TlsAcceptor>,
    connected: Connected<H>,
    accepted: Instant,
) {
    let state = Arc::clone(&connected.state);
    let ended = match tls {
        // In a box, or every connection on plain text would be as large.
        Some(acceptor) => Box::pin(converse_tls(stream, acceptor, connected, accepted)).await,
        None => converse_plain(stream, connected, accepted).await,
    };
    note_end(&state, ended);
}

/// Serves one accepted connection in plain text.
pub(super) async fn run_plain<I, H>(stream: I, connected: Connected<H>, accepted: Instant)
where
    I: Transport,
    H: Handler,
{
    let state = Arc::clone(&connected.state);
    note_end(&state, converse_plain(stream, connected, accepted).await);
}

fn note_end(state: &ConnectionState, ended: Result<(), Closed>) {
    if let Err(reason) = ended {
        state.shared.metrics.closed(reason);
        tracing::debug!(peer = %state.info.peer, ?reason, "closed a connection");
    }
}

async fn converse_tls<H: Handler>(
    stream: TcpStream,
    acceptor: TlsAcceptor,
    connected: Connected<H>,
    accepted: Instant,
) -> Result<(), Closed> {
    let handshake = opening(&connected.state, accepted, acceptor.accept(stream)).await?;
    let stream = handshake.map_err(|_| Closed::TlsHandshake)?;
    let shown = stream.get_ref().1.peer_certificates().unwrap_or_default();
    if let Some(certificate) = ClientCertificate::new(shown) {
        // Nobody else sets it.
        let _ = connected.state.client_certificate.set(certificate);
    }
    let protocol = match stream.get_ref().1.alpn_protocol() {
        Some(b"h2") => Protocol::Http2,
        _ => Protocol::Http1,
    };
    speak(stream, Bytes::new(), protocol, connected).await
}

async fn converse_plain<I, H>(
    mut stream: I,
    connected: Connected<H>,
    accepted: Instant,
) -> Result<(), Closed>
where
    I: Transport,
    H: Handler,
{
    if !connected.state.shared.config.http2 {
        return speak(stream, Bytes::new(), Protocol::Http1, connected).await;
    }
    let told = opening(&connected.state, accepted, tell_protocol(&mut stream)).await?;
    // A client that left before its first request has ended the connection itself.
    let Ok((prefix, protocol)) = told else {
        return Ok(());
    };
    speak(stream, prefix, protocol, connected).await
}

/// What comes before the first request, under the time-out of its head.
async fn opening<T>(
    state: &ConnectionState,
    accepted: Instant,
    step: impl Future<Output = T>,
) -> Result<T, Closed> {
    let deadline = accepted + state.shared.config.header_timeout;
    let closing = state.shared.drain.reached(Stage::Closing);
    tokio::select! {
        biased;
        done = timeout_at(deadline.into(), step) => done.map_err(|_| Closed::HeaderTimeout),
        () = closing => Err(Closed::Drain),
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Protocol {
    Http1,
    Http2,
}

/// Reads until it is clear which protocol the client speaks; returns what was read.
async fn tell_protocol(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<(Bytes, Protocol)> {
    let mut read = BytesMut::with_capacity(FIRST_READ_BYTES);
    loop {
        if stream.read_buf(&mut read).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let common = read
            .iter()
            .zip(PREFACE)
            .take_while(|(byte, expected)| byte == expected)
            .count();
        if common == PREFACE.len() {
            return Ok((read.freeze(), Protocol::Http2));
        }
        if common < read.len() {
            return Ok((read.freeze(), Protocol::Http1));
        }
    }
}

async fn speak<I, H>(
    stream: I,
    prefix: Bytes,
    protocol: Protocol,
    connected: Connected<H>,
) -> Result<(), Closed>
where
    I: Transport,
    H: Handler,
{
    let state = Arc::clone(&connected.state);
    let config = &state.shared.config;
    if protocol == Protocol::Http2 {
        state.set_http2();
    }
    let io = TokioIo::new(WatchedStream::new(stream, prefix, Arc::clone(&state)));
    match protocol {
        Protocol::Http1 => {
            let service = service_fn(|request| serve(&connected, request));
            let connection = http1::Builder::new()
                .half_close(false)
                .header_read_timeout(None)
                .max_header_size(config.header_bytes_max)
                .max_buf_size(config.header_bytes_max.max(BUFFER_BYTES_MIN))
                .writev(false)
                .serve_connection(io, service);
            watch(
                &state,
                pin!(connection),
                http1::Connection::graceful_shutdown,
            )
            .await
        }
        Protocol::Http2 => {
            let connected = Arc::new(connected);
            let service = service_fn(move |request| serve(Arc::clone(&connected), request));
            // In a box, or every connection over HTTP/1 would be as large.
            let mut connection = Box::pin(http2_builder(config).serve_connection(io, service));
            watch(
                &state,
                connection.as_mut(),
                http2::Connection::graceful_shutdown,
            )
            .await
        }
    }
}

fn http2_builder(config: &ServerConfig) -> http2::Builder<TokioExecutor> {
    let header_bytes_max = u32::try_from(config.header_bytes_max).unwrap_or(u32::MAX);
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder
        .max_concurrent_streams(STREAMS_MAX)
        .max_header_list_size(header_bytes_max)
        .max_pending_accept_reset_streams(PENDING_RESETS_MAX)
        .max_local_error_reset_streams(LOCAL_RESETS_MAX)
        .max_send_buf_size(SEND_BUFFER_BYTES_MAX)
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES);
    builder
}

/// Drives a connection under its time-outs and through the stages of a drain.
///
/// There is one timer, set for the earliest time-out that can strike. Requests do not touch it:
/// when it goes off, it looks at what has happened meanwhile and sets itself anew.
async fn watch<C>(
    state: &ConnectionState,
    mut connection: Pin<&mut C>,
    close: fn(Pin<&mut C>),
) -> Result<(), Closed>
where
    C: Future<Output = hyper::Result<()>>,
{
    let drain = &state.shared.drain;
    let mut timer = pin!(sleep_until(Instant::now().into()));
    let mut changed = pin!(drain.changed.notified());
    let mut stage = Stage::Serving;
    let mut watching = Watching::Begins;
    std::future::poll_fn(|cx| {
        if !state.turn.begins(cx) {
            return Poll::Pending;
        }
        loop {
            if connection.as_mut().poll(cx).is_ready() {
                return Poll::Ready(Ok(()));
            }
            if watching == Watching::Begins || drain.stage() != stage {
                while changed.as_mut().poll(cx).is_ready() {
                    changed.set(drain.changed.notified());
                }
                if drain.stage() != stage {
                    stage = drain.stage();
                    match stage {
                        Stage::Aborting => return Poll::Ready(Err(Closed::Drain)),
                        Stage::Closing => close(connection.as_mut()),
                        Stage::Draining if state.is_http2() => close(connection.as_mut()),
                        Stage::Draining | Stage::Serving => {}
                    }
                    watching = Watching::Goes;
                    continue;
                }
            }
            let due = timer.is_elapsed() || state.needs_look();
            if !due && watching == Watching::Goes {
                return Poll::Pending;
            }
            watching = Watching::Goes;
            match poll_timer(state, timer.as_mut(), cx) {
                Verdict::Wait(_) => return Poll::Pending,
                Verdict::Lingered => return Poll::Ready(Ok(())),
                Verdict::Abort(reason) => return Poll::Ready(Err(reason)),
                Verdict::CloseIdle => {
                    state.shared.metrics.closed(Closed::IdleTimeout);
                    close(connection.as_mut());
                    // From here on only lingering is left to wait for.
                    state.closing();
                }
            }
        }
    })
    .await
}

/// Whether the watch has been set up.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Watching {
    Begins,
    Goes,
}

/// Judges the connection and sets the timer for the next look.
fn poll_timer(
    state: &ConnectionState,
    mut timer: Pin<&mut Sleep>,
    cx: &mut Context<'_>,
) -> Verdict {
    loop {
        let verdict = state.look(Instant::now());
        let Verdict::Wait(until) = verdict else {
            return verdict;
        };
        timer.as_mut().reset(until.into());
        if timer.as_mut().poll(cx).is_pending() {
            return verdict;
        }
    }
}
