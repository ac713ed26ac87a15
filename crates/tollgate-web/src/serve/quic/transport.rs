//! quinn's connections and streams as h3 wants them, with what h3 does not ask for: which streams
//! came as early data, when a client gives one up, and a bound on what is read ahead of use.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use h3::error::Code;
use h3::quic::{
    self, ConnectionErrorIncoming, StreamErrorIncoming as StreamError, StreamId, WriteBuf,
};
use parking_lot::Mutex;
use quinn::{ConnectionError, ReadError, VarInt, WriteError};
use tokio::io::ReadBuf;

use super::frames::Frames;

/// Bytes of a body that may wait in the parser for the handler.
const AHEAD_BYTES_MAX: u64 = 128 * 1024;
const READ_BYTES: usize = 4096;

type Boxed<T> = Pin<Box<dyn Future<Output = T> + Send>>;
type Accepting<T> = Option<Boxed<Result<T, ConnectionError>>>;

/// What is known of a stream besides its bytes.
pub(super) struct Note {
    /// Its request may be a replay: the handshake was not over when it came (RFC 8470).
    pub(super) early: bool,
    /// Resolves once the client has all of the answer, or wants none of it.
    pub(super) over: Boxed<Outcome>,
    /// Bytes of the body that have been handed on.
    pub(super) used: Arc<AtomicU64>,
    /// The stream's connection.
    pub(super) connection: quinn::Connection,
}

/// How a stream's sending side ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Received,
    Unwanted,
}

/// The note on the stream that was accepted last.
pub(super) type LastNote = Arc<Mutex<Option<Note>>>;

/// Whether further requests are refused, which a client may then ask of another connection.
pub(super) type Refusing = Arc<AtomicBool>;

/// A QUIC connection.
pub(super) struct Transport {
    connection: quinn::Connection,
    requests: Accepting<(quinn::SendStream, quinn::RecvStream)>,
    others: Accepting<quinn::RecvStream>,
    opening: Accepting<quinn::SendStream>,
    head_bytes_max: u64,
    last: LastNote,
    refusing: Refusing,
}

impl Transport {
    pub(super) fn new(
        connection: quinn::Connection,
        head_bytes_max: u64,
    ) -> (Self, LastNote, Refusing) {
        let (last, refusing) = (LastNote::default(), Refusing::default());
        let transport = Self {
            connection,
            requests: None,
            others: None,
            opening: None,
            head_bytes_max,
            last: Arc::clone(&last),
            refusing: Arc::clone(&refusing),
        };
        (transport, last, refusing)
    }
}

impl quic::Connection<Bytes> for Transport {
    type RecvStream = Receiving;
    type OpenStreams = NoStreams;

    fn poll_accept_recv(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Receiving, ConnectionErrorIncoming>> {
        let connection = &self.connection;
        let accepting = self.others.get_or_insert_with(|| {
            let connection = connection.clone();
            Box::pin(async move { connection.accept_uni().await })
        });
        let accepted = ready!(accepting.as_mut().poll(cx));
        self.others = None;
        let stream = accepted.map_err(lost)?;
        let frames = Frames::of_other();
        Poll::Ready(Ok(Receiving::new(stream, frames, connection.clone())))
    }

    fn poll_accept_bidi(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Exchange, ConnectionErrorIncoming>> {
        let (send, receive) = loop {
            let connection = &self.connection;
            let accepting = self.requests.get_or_insert_with(|| {
                let connection = connection.clone();
                Box::pin(async move { connection.accept_bi().await })
            });
            let accepted = ready!(accepting.as_mut().poll(cx));
            self.requests = None;
            let (mut send, mut receive) = accepted.map_err(lost)?;
            if !self.refusing.load(Ordering::Relaxed) {
                break (send, receive);
            }
            // Both fail only on a stream that has ended.
            let code = varint(Code::H3_REQUEST_REJECTED.value());
            let _ = (send.reset(code), receive.stop(code));
        };
        let stopped = send.stopped();
        let early = receive.is_0rtt();
        let frames = Frames::of_request(self.head_bytes_max);
        let receiving = Receiving::new(receive, frames, self.connection.clone());
        *self.last.lock() = Some(Note {
            early,
            over: Box::pin(async move {
                match stopped.await {
                    Ok(None) => Outcome::Received,
                    Ok(Some(_)) | Err(_) => Outcome::Unwanted,
                }
            }),
            used: Arc::clone(&receiving.used),
            connection: self.connection.clone(),
        });
        Poll::Ready(Ok(Exchange {
            sending: Sending::new(send),
            receiving,
        }))
    }

    fn opener(&self) -> NoStreams {
        NoStreams(self.connection.clone())
    }
}

impl quic::OpenStreams<Bytes> for Transport {
    type BidiStream = Exchange;
    type SendStream = Sending;

    fn poll_open_bidi(&mut self, _: &mut Context<'_>) -> Poll<Result<Exchange, StreamError>> {
        Poll::Ready(Err(not_ours()))
    }

    fn poll_open_send(&mut self, cx: &mut Context<'_>) -> Poll<Result<Sending, StreamError>> {
        let connection = &self.connection;
        let opening = self.opening.get_or_insert_with(|| {
            let connection = connection.clone();
            Box::pin(async move { connection.open_uni().await })
        });
        let opened = ready!(opening.as_mut().poll(cx));
        self.opening = None;
        let stream = opened.map_err(|error| StreamError::ConnectionErrorIncoming {
            connection_error: lost(error),
        })?;
        Poll::Ready(Ok(Sending::new(stream)))
    }

    fn close(&mut self, code: Code, reason: &[u8]) {
        self.connection.close(varint(code.value()), reason);
    }
}

/// A server begins no streams but those of its transport.
pub(super) struct NoStreams(quinn::Connection);

impl quic::OpenStreams<Bytes> for NoStreams {
    type BidiStream = Exchange;
    type SendStream = Sending;

    fn poll_open_bidi(&mut self, _: &mut Context<'_>) -> Poll<Result<Exchange, StreamError>> {
        Poll::Ready(Err(not_ours()))
    }

    fn poll_open_send(&mut self, _: &mut Context<'_>) -> Poll<Result<Sending, StreamError>> {
        Poll::Ready(Err(not_ours()))
    }

    fn close(&mut self, code: Code, reason: &[u8]) {
        self.0.close(varint(code.value()), reason);
    }
}

/// The stream of one request and its answer.
pub(super) struct Exchange {
    sending: Sending,
    receiving: Receiving,
}

impl quic::BidiStream<Bytes> for Exchange {
    type SendStream = Sending;
    type RecvStream = Receiving;

    fn split(self) -> (Sending, Receiving) {
        (self.sending, self.receiving)
    }
}

impl quic::RecvStream for Exchange {
    type Buf = Bytes;

    fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, StreamError>> {
        self.receiving.poll_data(cx)
    }

    fn stop_sending(&mut self, error_code: u64) {
        self.receiving.stop_sending(error_code);
    }

    fn recv_id(&self) -> StreamId {
        self.receiving.recv_id()
    }
}

impl quic::SendStream<Bytes> for Exchange {
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), StreamError>> {
        self.sending.poll_ready(cx)
    }

    fn send_data<T: Into<WriteBuf<Bytes>>>(&mut self, data: T) -> Result<(), StreamError> {
        self.sending.send_data(data)
    }

    fn poll_finish(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), StreamError>> {
        self.sending.poll_finish(cx)
    }

    fn reset(&mut self, reset_code: u64) {
        self.sending.reset(reset_code);
    }

    fn send_id(&self) -> StreamId {
        self.sending.send_id()
    }
}

/// What a client sends on one stream.
pub(super) struct Receiving {
    stream: quinn::RecvStream,
    frames: Frames,
    used: Arc<AtomicU64>,
    ended: bool,
    connection: quinn::Connection,
}

impl Receiving {
    fn new(stream: quinn::RecvStream, frames: Frames, connection: quinn::Connection) -> Self {
        Self {
            stream,
            frames,
            used: Arc::default(),
            ended: false,
            connection,
        }
    }
}

impl quic::RecvStream for Receiving {
    type Buf = Bytes;

    fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, StreamError>> {
        let used = self.used.load(Ordering::Relaxed);
        if self.frames.body_bytes.saturating_sub(used) > AHEAD_BYTES_MAX {
            // Nobody need wake the parser: it goes on with what it has, and asks again after.
            return Poll::Pending;
        }
        let mut space = [0; READ_BYTES];
        let mut buf = ReadBuf::new(&mut space);
        ready!(self.stream.poll_read_buf(cx, &mut buf)).map_err(unreadable)?;
        let read = buf.filled();
        if read.is_empty() {
            self.ended = true;
            return Poll::Ready(Ok(None));
        }
        if self.frames.feed(read).is_err() {
            let code = varint(Code::H3_EXCESSIVE_LOAD.value());
            self.connection.close(code, b"");
            return Poll::Ready(Err(StreamError::StreamTerminated {
                error_code: code.into_inner(),
            }));
        }
        Poll::Ready(Ok(Some(Bytes::copy_from_slice(read))))
    }

    fn stop_sending(&mut self, error_code: u64) {
        // Fails only on a stream that has ended.
        let _ = self.stream.stop(varint(error_code));
        self.ended = true;
    }

    fn recv_id(&self) -> StreamId {
        stream_id(self.stream.id())
    }
}

impl Drop for Receiving {
    fn drop(&mut self) {
        // The rest of a body that nobody reads is not an error (RFC 9114 §4.1).
        if !self.ended {
            let _ = self.stream.stop(varint(Code::H3_NO_ERROR.value()));
        }
    }
}

/// What we send on one stream. Dropped without a word, it ends in good order.
pub(super) struct Sending {
    stream: quinn::SendStream,
    writing: Option<WriteBuf<Bytes>>,
}

impl Sending {
    fn new(stream: quinn::SendStream) -> Self {
        Self {
            stream,
            writing: None,
        }
    }
}

impl quic::SendStream<Bytes> for Sending {
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), StreamError>> {
        if let Some(writing) = &mut self.writing {
            while writing.has_remaining() {
                let written = Pin::new(&mut self.stream).poll_write(cx, writing.chunk());
                writing.advance(ready!(written).map_err(unwritable)?);
            }
        }
        self.writing = None;
        Poll::Ready(Ok(()))
    }

    fn send_data<T: Into<WriteBuf<Bytes>>>(&mut self, data: T) -> Result<(), StreamError> {
        if self.writing.is_some() {
            return Err(StreamError::ConnectionErrorIncoming {
                connection_error: ConnectionErrorIncoming::InternalError(
                    "sent before ready".to_owned(),
                ),
            });
        }
        self.writing = Some(data.into());
        Ok(())
    }

    fn poll_finish(&mut self, _: &mut Context<'_>) -> Poll<Result<(), StreamError>> {
        let finished = self.stream.finish();
        Poll::Ready(finished.map_err(|error| StreamError::Unknown(error.into())))
    }

    fn reset(&mut self, reset_code: u64) {
        // Fails only on a stream that has ended.
        let _ = self.stream.reset(varint(reset_code));
    }

    fn send_id(&self) -> StreamId {
        stream_id(self.stream.id())
    }
}

fn varint(value: u64) -> VarInt {
    VarInt::from_u64(value).unwrap_or(VarInt::MAX)
}

#[expect(
    clippy::expect_used,
    reason = "both number streams as RFC 9000 §2.1 does"
)]
fn stream_id(id: quinn::StreamId) -> StreamId {
    StreamId::try_from(u64::from(id)).expect("a stream id of QUIC")
}

fn lost(error: ConnectionError) -> ConnectionErrorIncoming {
    match error {
        ConnectionError::ApplicationClosed(close) => ConnectionErrorIncoming::ApplicationClose {
            error_code: close.error_code.into(),
        },
        ConnectionError::TimedOut => ConnectionErrorIncoming::Timeout,
        error => ConnectionErrorIncoming::Undefined(Arc::new(error)),
    }
}

fn unreadable(error: ReadError) -> StreamError {
    match error {
        ReadError::Reset(code) => StreamError::StreamTerminated {
            error_code: code.into(),
        },
        ReadError::ConnectionLost(error) => StreamError::ConnectionErrorIncoming {
            connection_error: lost(error),
        },
        error => StreamError::Unknown(error.into()),
    }
}

fn unwritable(error: WriteError) -> StreamError {
    match error {
        WriteError::Stopped(code) => StreamError::StreamTerminated {
            error_code: code.into(),
        },
        WriteError::ConnectionLost(error) => StreamError::ConnectionErrorIncoming {
            connection_error: lost(error),
        },
        error => StreamError::Unknown(error.into()),
    }
}

fn not_ours() -> StreamError {
    StreamError::Unknown("a server opens no such stream".into())
}
