//! A byte stream that tells its connection's state what happens on it.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::server::TlsStream;

use super::early_error::rewrite;
use super::frames::{Frames, Head};
use super::state::ConnectionState;

/// Reads that one poll may throw away after our last byte.
const DISCARDED_READS_MAX: usize = 16;

/// What connections run over.
pub(super) trait Transport: AsyncRead + AsyncWrite + Unpin + Send + 'static {
    /// When it is dropped, what its peer has not taken is dropped too.
    fn give_up_unsent(&self);
}

impl Transport for TcpStream {
    fn give_up_unsent(&self) {
        // Fails only on a connection that is already gone.
        let _ = self.set_zero_linger();
    }
}

impl Transport for UnixStream {
    /// Its peer holds what it has not taken.
    fn give_up_unsent(&self) {}
}

impl<I: Transport> Transport for TlsStream<I> {
    fn give_up_unsent(&self) {
        self.get_ref().0.give_up_unsent();
    }
}

/// A TCP or TLS stream under watch.
pub(super) struct WatchedStream<I: Transport> {
    inner: I,
    /// What was read to tell the protocol.
    prefix: Bytes,
    state: Arc<ConnectionState>,
    /// HTTP/2 alone.
    frames: Option<Frames>,
    read: Reading,
    /// What is written in place of hyper's answer to what it could not parse.
    early_error: Option<Bytes>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Reading {
    Open,
    Ended,
    /// We have said our last byte and throw away what still comes.
    Discarding,
}

impl<I: Transport> Drop for WatchedStream<I> {
    fn drop(&mut self) {
        if self.state.is_given_up() {
            self.inner.give_up_unsent();
        }
    }
}

impl<I: Transport> WatchedStream<I> {
    pub(super) fn new(inner: I, prefix: Bytes, state: Arc<ConnectionState>) -> Self {
        let frames = state.is_http2().then(Frames::new);
        Self {
            inner,
            prefix,
            state,
            frames,
            read: Reading::Open,
            early_error: None,
        }
    }

    /// Pending once the connection's turn is over, until its next.
    #[inline]
    fn poll_turn(&self, cx: &Context<'_>) -> Poll<()> {
        if self.state.turn.is_over() {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(())
    }
}

impl<I: Transport> AsyncRead for WatchedStream<I> {
    #[inline]
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        ready!(self.poll_turn(cx));
        let before = buf.filled().len();
        if self.prefix.is_empty() {
            ready!(Pin::new(&mut self.inner).poll_read(cx, buf))?;
        } else {
            let taken = self.prefix.len().min(buf.remaining());
            buf.put_slice(&self.prefix.split_to(taken));
        }
        let this = &mut *self;
        let read = buf.filled().get(before..).unwrap_or_default();
        if read.is_empty() {
            this.read = Reading::Ended;
            return Poll::Ready(Ok(()));
        }
        let Some(frames) = &mut this.frames else {
            this.state.turn.read(read.len(), 0);
            this.state.bytes_read();
            return Poll::Ready(Ok(()));
        };
        match frames.feed(read) {
            Head::Open => this.state.head_begun(),
            Head::Complete => this.state.head_complete(),
            Head::NoneYet => {}
        }
        this.state.turn.read(read.len(), frames.take_begun());
        Poll::Ready(Ok(()))
    }
}

impl<I: Transport> WatchedStream<I> {
    /// A client that takes some of a long answer is a reader, however slow: the system lets us
    /// write again only when a good part of what it held has been taken.
    #[inline]
    fn note_write(&self, written: &Poll<io::Result<usize>>) {
        match written {
            Poll::Ready(written) => {
                self.state.write_moved();
                self.state.turn.wrote(*written.as_ref().unwrap_or(&0));
            }
            Poll::Pending => self.state.write_blocked(),
        }
    }

    /// Claims to have written hyper's bytes once ours are written.
    fn poll_write_early_error(
        &mut self,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let ours = match self.early_error.take().or_else(|| rewrite(buf)) {
            Some(ours) => self.early_error.insert(ours),
            None => return Pin::new(&mut self.inner).poll_write(cx, buf),
        };
        while !ours.is_empty() {
            match Pin::new(&mut self.inner).poll_write(cx, ours) {
                Poll::Ready(written) => ours.advance(written?),
                Poll::Pending => {
                    self.state.write_blocked();
                    return Poll::Pending;
                }
            }
        }
        Poll::Ready(Ok(buf.len()))
    }

    /// Reads until the client has closed too. The watch ends it if that takes too long.
    fn poll_discard(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut space = [0; 4096];
        for _ in 0..DISCARDED_READS_MAX {
            let mut buf = ReadBuf::new(&mut space);
            ready!(Pin::new(&mut self.inner).poll_read(cx, &mut buf))?;
            if buf.filled().is_empty() {
                self.read = Reading::Ended;
                return Poll::Ready(Ok(()));
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

impl<I: Transport> AsyncWrite for WatchedStream<I> {
    #[inline]
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.early_error.is_some() || self.state.writes_early_error() {
            return self.poll_write_early_error(cx, buf);
        }
        ready!(self.poll_turn(cx));
        let written = Pin::new(&mut self.inner).poll_write(cx, buf);
        self.note_write(&written);
        written
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_turn(cx));
        let written = Pin::new(&mut self.inner).poll_write_vectored(cx, bufs);
        self.note_write(&written);
        written
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    #[inline]
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.inner).poll_flush(cx);
        match flushed {
            Poll::Ready(_) => self.state.write_flushed(),
            Poll::Pending => self.state.write_blocked(),
        }
        flushed
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.read != Reading::Discarding {
            let shut = Pin::new(&mut self.inner).poll_shutdown(cx);
            if shut.is_pending() {
                self.state.write_blocked();
            }
            ready!(shut)?;
            self.state.write_flushed();
            if self.read == Reading::Ended {
                return Poll::Ready(Ok(()));
            }
            self.read = Reading::Discarding;
            self.prefix.clear();
            self.state.lingering();
        }
        self.poll_discard(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;
    use std::time::{Duration, Instant};

    use tokio::io::{AsyncReadExt, DuplexStream, duplex};

    use super::*;
    use crate::http_metrics::Closed;
    use crate::metrics::Registry;
    use crate::serve::state::{ConnectionInfo, Shared, Verdict};
    use crate::{HttpMetrics, ServerConfig};

    const PATIENCE: Duration = Duration::from_secs(30);

    impl Transport for DuplexStream {
        fn give_up_unsent(&self) {}
    }

    fn watched(stream: DuplexStream) -> WatchedStream<DuplexStream> {
        let config = ServerConfig {
            write_timeout: PATIENCE,
            ..ServerConfig::default()
        };
        let metrics = HttpMetrics::register(&Registry::new(), &[]).unwrap();
        let any: SocketAddr = "127.0.0.1:1".parse().unwrap();
        let info = ConnectionInfo {
            peer: any,
            local: any,
            tls: false,
        };
        let shared = Arc::new(Shared::new(config, metrics));
        let state = ConnectionState::new(shared, info, Instant::now());
        state.request_begun();
        WatchedStream::new(stream, Bytes::new(), Arc::new(state))
    }

    #[tokio::test]
    async fn a_reader_may_be_slow_but_must_read() {
        let (mut client, server) = duplex(100);
        let mut stream = watched(server);
        let mut cx = Context::from_waker(std::task::Waker::noop());
        let begun = Instant::now();
        for round in 0..5 {
            let mut write = |bytes: &[u8]| Pin::new(&mut stream).poll_write(&mut cx, bytes);
            assert!(write(&[b'x'; 100]).is_ready());
            assert!(write(b"x").is_pending());
            let now = begun + PATIENCE * round;
            assert_eq!(stream.state.look(now), Verdict::Wait(now + PATIENCE));
            if round < 4 {
                assert_eq!(client.read(&mut [0; 100]).await.unwrap(), 100);
            }
        }
        let late = stream.state.look(begun + PATIENCE * 5);
        assert_eq!(late, Verdict::Abort(Closed::WriteTimeout));
    }
}
