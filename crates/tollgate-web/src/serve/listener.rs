//! One listening socket on one thread, whatever its kind, and how it stops without losing anyone.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::unix::net::UnixListener as StdUnixListener;
use std::sync::Arc;
use std::time::Instant;

use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio_rustls::TlsAcceptor;

use super::connection;
use super::listen::refuse_new;
use super::request::Connected;
use super::unix::UnixPath;
use crate::Handler;

/// How Unix sockets appear where an address is wanted: as processes of this machine.
pub(super) const LOCAL: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// A socket, not yet served.
pub(super) struct Listener {
    pub(super) socket: Socket,
    pub(super) ownership: Ownership,
}

pub(super) enum Socket {
    Tcp(std::net::TcpListener),
    Unix(StdUnixListener),
}

impl Socket {
    pub(super) fn try_clone(&self) -> io::Result<Self> {
        Ok(match self {
            Self::Tcp(listener) => Self::Tcp(listener.try_clone()?),
            Self::Unix(listener) => Self::Unix(listener.try_clone()?),
        })
    }
}

/// Whose a listening socket is.
#[derive(Clone)]
pub(super) enum Ownership {
    /// Ours: at the end, it is closed.
    Port,
    /// Ours, with a file that goes when the last of its listeners does.
    Path(Arc<UnixPath>),
    /// Whoever handed it to us keeps it open for who comes after us.
    #[cfg(feature = "systemd")]
    Inherited,
}

/// What an accept loop serves.
pub(super) trait Accept: Sized + Send + Sync + 'static {
    type Stream: Send + 'static;

    /// The next connection, and who is at its other end.
    fn accept(&self)
    -> impl Future<Output = io::Result<(Self::Stream, Option<SocketAddr>)>> + Send;

    /// Sends what fits into the empty socket of somebody who is turned away.
    fn turn_away(stream: &Self::Stream, message: &[u8]);

    /// Our end; fails only on a connection that is already gone.
    fn local(stream: &Self::Stream) -> io::Result<SocketAddr>;

    /// Serves a connection until it ends.
    fn converse<H: Handler>(
        stream: Self::Stream,
        tls: Option<TlsAcceptor>,
        connected: Connected<H>,
        accepted: Instant,
    ) -> impl Future<Output = ()> + Send;

    /// Lets no further connection begin, if that can be done without harm to those who have.
    fn refuse_new(&self);
}

impl Accept for TcpListener {
    type Stream = TcpStream;

    async fn accept(&self) -> io::Result<(TcpStream, Option<SocketAddr>)> {
        let (stream, peer) = TcpListener::accept(self).await?;
        Ok((stream, Some(peer)))
    }

    fn turn_away(stream: &TcpStream, message: &[u8]) {
        let _ = stream.try_write(message);
    }

    fn local(stream: &TcpStream) -> io::Result<SocketAddr> {
        let _ = stream.set_nodelay(true);
        stream.local_addr()
    }

    async fn converse<H: Handler>(
        stream: TcpStream,
        tls: Option<TlsAcceptor>,
        connected: Connected<H>,
        accepted: Instant,
    ) {
        connection::run(stream, tls, connected, accepted).await;
    }

    fn refuse_new(&self) {
        refuse_new(self);
    }
}

impl Accept for UnixListener {
    type Stream = UnixStream;

    async fn accept(&self) -> io::Result<(UnixStream, Option<SocketAddr>)> {
        let (stream, _) = UnixListener::accept(self).await?;
        Ok((stream, None))
    }

    fn turn_away(stream: &UnixStream, message: &[u8]) {
        let _ = stream.try_write(message);
    }

    fn local(_: &UnixStream) -> io::Result<SocketAddr> {
        Ok(LOCAL)
    }

    /// In plain text: what stays on this machine needs no TLS.
    async fn converse<H: Handler>(
        stream: UnixStream,
        _: Option<TlsAcceptor>,
        connected: Connected<H>,
        accepted: Instant,
    ) {
        connection::run_plain(stream, connected, accepted).await;
    }

    /// The path is gone by then, so that nobody new finds here.
    fn refuse_new(&self) {}
}
