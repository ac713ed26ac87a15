//! The server: sockets, threads, connections and requests under their bounds.

mod accept;
mod admission;
mod connection;
mod date;
mod drain;
mod early_error;
mod frames;
mod listen;
mod listener;
#[cfg(feature = "http3")]
mod quic;
mod refusal;
mod request;
mod state;
mod stream;
#[cfg(feature = "systemd")]
mod systemd;
mod tracked_body;
mod turn;
mod unix;

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;

use tokio::sync::oneshot;

use crate::config::ConfigError;
use crate::tls::TlsError;
use crate::{Handler, HttpMetrics, ServerConfig, TlsReloader};
use accept::Service;
use admission::Admission;
use drain::Stage;
use listener::{Listener, Ownership, Socket};
use state::Shared;

#[cfg(feature = "http3")]
pub(crate) use quic::QuicBody;
pub(crate) use state::ConnectionInfo;

/// Why a server did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServerError {
    /// A value is out of range.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// An address cannot be listened on.
    #[error("failed to listen on {address}: {cause}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        cause: io::Error,
    },
    /// A Unix socket cannot be listened on.
    #[error("failed to listen on `{}`: {cause}", path.display())]
    Unix {
        /// Where it was to be.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
    /// What systemd handed over is not as it should be.
    #[cfg(feature = "systemd")]
    #[error("failed to take over listening sockets: {0}")]
    Inherited(#[source] io::Error),
    /// Certificate or key cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// A thread or its runtime could not be started.
    #[error("failed to start a serving thread: {0}")]
    Thread(#[source] io::Error),
}

/// How a drain ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drained {
    /// Connections that were cut off because `drain_timeout` had passed.
    pub connections_aborted: usize,
}

/// Sockets that listen, not yet served.
pub struct Server {
    shared: Arc<Shared>,
    tls: Option<TlsReloader>,
    /// For each thread one socket an address.
    listeners: Vec<Vec<Listener>>,
    local_addrs: Vec<SocketAddr>,
    /// For each thread one socket an address, or none.
    #[cfg(feature = "http3")]
    quic: Vec<Vec<quic::Bound>>,
}

impl Server {
    /// Listens on every address, on each thread with a socket of its own.
    ///
    /// Port 0 takes a free port; see [`local_addrs`](Self::local_addrs).
    ///
    /// # Errors
    /// See [`ServerError`].
    pub fn bind(
        config: ServerConfig,
        addresses: &[SocketAddr],
        metrics: HttpMetrics,
    ) -> Result<Self, ServerError> {
        config.validate()?;
        let files = config.tls.as_ref();
        let tls = files
            .map(|files| TlsReloader::load(files, &config))
            .transpose()?;
        let (listeners, local_addrs) = listen::bind(addresses, config.thread_count())?;
        #[cfg(feature = "http3")]
        let alt_svc = Arc::new(quic::AltSvc::new(local_addrs.iter().copied()));
        #[cfg(feature = "http3")]
        let quic = listen_quic(&config, tls.as_ref(), &local_addrs, &alt_svc)?;
        let shared = Shared::new(config, metrics);
        #[cfg(feature = "http3")]
        let shared = shared.offering(alt_svc);
        let shared = Arc::new(shared);
        Ok(Self {
            shared,
            tls,
            listeners,
            local_addrs,
            #[cfg(feature = "http3")]
            quic,
        })
    }

    /// The UDP addresses on which HTTP/3 is spoken. One that could not be listened on is missing:
    /// the log says why, and TCP is served all the same.
    #[cfg(feature = "http3")]
    #[must_use]
    pub fn http3_addrs(&self) -> Vec<SocketAddr> {
        let first = self.quic.first();
        first
            .into_iter()
            .flatten()
            .map(quic::Bound::local)
            .collect()
    }

    /// Listens at a path too, in plain text, with these permissions (`0o660`, say). A socket that
    /// nobody serves any more is replaced; ours goes when the server ends.
    ///
    /// Peers there have no address: they appear as 127.0.0.1, and are trusted as proxies if that
    /// is. The cap of connections an address does not count them.
    ///
    /// # Errors
    /// When somebody serves at this path, or something else than a socket stands there. The other
    /// listeners are not affected.
    pub fn listen_unix(&mut self, path: impl AsRef<Path>, mode: u32) -> Result<(), ServerError> {
        let path = path.as_ref();
        let failed = |cause| ServerError::Unix {
            path: path.to_owned(),
            cause,
        };
        let (listener, file) = unix::listen(path, mode).map_err(failed)?;
        let ownership = Ownership::Path(Arc::new(file));
        self.share(&Socket::Unix(listener), &ownership)
            .map_err(failed)
    }

    /// Takes over the listening sockets that systemd (or whoever speaks like it) has opened for
    /// this process, TCP and Unix, and returns their number. TCP ones speak TLS if that is
    /// configured, but no HTTP/3.
    ///
    /// At the end they are left as they are: who connects meanwhile waits for the next process.
    /// To be called once, before the process starts others.
    ///
    /// # Errors
    /// When one of them is of another kind. The other listeners are not affected.
    #[cfg(feature = "systemd")]
    pub fn listen_inherited(&mut self) -> Result<usize, ServerError> {
        let sockets = systemd::inherited().map_err(ServerError::Inherited)?;
        for socket in &sockets {
            if let Socket::Tcp(listener) = socket {
                listen::bound_unsent(listener);
                let local = listener.local_addr().map_err(ServerError::Inherited)?;
                self.local_addrs.push(local);
            }
            self.share(socket, &Ownership::Inherited)
                .map_err(ServerError::Inherited)?;
        }
        Ok(sockets.len())
    }

    /// Every thread takes from a socket that there is but once.
    fn share(&mut self, socket: &Socket, ownership: &Ownership) -> io::Result<()> {
        for listeners in &mut self.listeners {
            listeners.push(Listener {
                socket: socket.try_clone()?,
                ownership: ownership.clone(),
            });
        }
        Ok(())
    }

    /// The addresses listened on, in the order given.
    #[must_use]
    pub fn local_addrs(&self) -> &[SocketAddr] {
        &self.local_addrs
    }

    /// The first address listened on.
    #[must_use]
    pub fn local_addr(&self) -> Option<SocketAddr> {
        self.local_addrs.first().copied()
    }

    /// What takes new certificate files into use; `None` without TLS. Changed files are also
    /// noticed without being told, within seconds.
    #[must_use]
    pub fn tls_reloader(&self) -> Option<TlsReloader> {
        self.tls.clone()
    }

    /// Serves until `shutdown` resolves, then drains and returns. Requests are handled on the
    /// server's own threads; this future only waits. Dropped, it cuts everything off.
    ///
    /// # Errors
    /// When a thread cannot be started.
    pub async fn run<H: Handler>(
        self,
        handler: H,
        shutdown: impl Future<Output = ()>,
    ) -> Result<Drained, ServerError> {
        let service = Service {
            admission: Admission::new(Arc::clone(&self.shared)),
            handler: Arc::new(handler),
            tls: self.tls,
        };
        let _ends = EndsWith(Arc::clone(&self.shared));
        let mut threads = Vec::with_capacity(self.listeners.len());
        #[cfg(feature = "http3")]
        let mut quic = self.quic.into_iter();
        for (index, listeners) in self.listeners.into_iter().enumerate() {
            let sockets = accept::Sockets {
                listeners,
                #[cfg(feature = "http3")]
                quic: quic.next().unwrap_or_default(),
            };
            let service = service.clone();
            // One thread watches the files for all.
            let watch = match index {
                0 => accept::Watch::Certificates,
                _ => accept::Watch::Nothing,
            };
            let started = spawn(index, move || accept::thread(service, sockets, watch));
            threads.push(started.map_err(ServerError::Thread)?);
        }
        shutdown.await;
        let aborted = drain::drain(&self.shared, threads).await;
        Ok(Drained {
            connections_aborted: aborted,
        })
    }
}

/// Ends the threads when nobody waits for them any more.
struct EndsWith(Arc<Shared>);

impl Drop for EndsWith {
    fn drop(&mut self) {
        self.0.drain.enter(Stage::Aborting);
    }
}

#[cfg(feature = "http3")]
fn listen_quic(
    config: &ServerConfig,
    tls: Option<&TlsReloader>,
    addresses: &[SocketAddr],
    alt_svc: &Arc<quic::AltSvc>,
) -> Result<Vec<Vec<quic::Bound>>, ServerError> {
    let Some(tls) = tls.filter(|_| config.http3) else {
        return Ok(Vec::new());
    };
    let settings = quic::Settings::new(config, tls.clone(), Arc::clone(alt_svc))?;
    Ok(quic::bind(
        addresses,
        config.thread_count(),
        &Arc::new(settings),
    ))
}

/// Runs `serve` on a new thread; the receiver resolves when it has ended, however it ended.
fn spawn(
    index: usize,
    serve: impl FnOnce() -> io::Result<()> + Send + 'static,
) -> io::Result<oneshot::Receiver<()>> {
    let (done, ended) = oneshot::channel();
    thread::Builder::new()
        .name(format!("web-{index}"))
        .spawn(move || {
            if let Err(error) = serve() {
                tracing::error!(%error, "a serving thread ended");
            }
            drop(done);
        })?;
    Ok(ended)
}
