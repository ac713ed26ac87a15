//! One serving thread: its runtime, its accept loops, and waiting for its connections at the end.

use std::io;
use std::net::{SocketAddr, TcpListener as StdListener};
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::StatusCode;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::connection;
use super::drain::Stage;
use super::early_error::message;
use super::listen::refuse_new;
use super::request::Connected;
use super::state::{ConnectionInfo, ConnectionSlot, ConnectionState, Shared};
use crate::http_metrics::Closed;
use crate::{Handler, TlsReloader};

/// How long to wait after the system refused a connection for want of files or memory.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// When nothing came for so long after new connections were refused, the backlog is empty.
const BACKLOG_QUIET: Duration = Duration::from_millis(50);
const CERTIFICATE_POLL: Duration = Duration::from_secs(2);

/// What a thread looks after besides its connections.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Watch {
    Certificates,
    Nothing,
}

/// The sockets of one thread.
pub(super) struct Sockets {
    pub(super) listeners: Vec<StdListener>,
    #[cfg(feature = "http3")]
    pub(super) quic: Vec<super::quic::Bound>,
}

/// Serves on this thread until the server has drained.
pub(super) fn thread<H: Handler>(
    shared: Arc<Shared>,
    handler: Arc<H>,
    sockets: Sockets,
    tls: Option<TlsReloader>,
    watch: Watch,
) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async move {
        // Each connection holds a clone; when all are dropped, the last connection has ended.
        let (open, mut all_ended) = mpsc::channel::<()>(1);
        let mut accepting = JoinSet::new();
        for listener in sockets.listeners {
            let listener = TcpListener::from_std(listener)?;
            let acceptor = Acceptor {
                shared: Arc::clone(&shared),
                tls: tls.clone(),
                handler: Arc::clone(&handler),
            };
            accepting.spawn(acceptor.run(listener, open.clone()));
        }
        #[cfg(feature = "http3")]
        for bound in sockets.quic {
            let local = bound.local();
            let (shared, handler) = (Arc::clone(&shared), Arc::clone(&handler));
            match super::quic::Acceptor::new(bound, shared, handler) {
                Ok(acceptor) => {
                    accepting.spawn(acceptor.run(open.clone()));
                }
                Err(error) => tracing::error!(%local, %error, "failed to serve QUIC"),
            }
        }
        drop(open);
        if let Some(tls) = tls.filter(|_| watch == Watch::Certificates) {
            tokio::spawn(watch_certificates(tls));
        }
        while accepting.join_next().await.is_some() {}
        all_ended.recv().await;
        Ok(())
    })
}

struct Acceptor<H> {
    shared: Arc<Shared>,
    handler: Arc<H>,
    tls: Option<TlsReloader>,
}

impl<H: Handler> Acceptor<H> {
    async fn run(self, listener: TcpListener, open: mpsc::Sender<()>) {
        let mut draining = std::pin::pin!(self.shared.drain.reached(Stage::Draining));
        loop {
            tokio::select! {
                biased;
                () = draining.as_mut() => break,
                accepted = listener.accept() => self.take(accepted, &open).await,
            }
        }
        refuse_new(&listener);
        while let Ok(accepted) = timeout(BACKLOG_QUIET, listener.accept()).await {
            if self.shared.drain.stage() == Stage::Aborting {
                return;
            }
            self.take(accepted, &open).await;
        }
    }

    async fn take(&self, accepted: io::Result<(TcpStream, SocketAddr)>, open: &mpsc::Sender<()>) {
        match accepted {
            Ok((stream, peer)) => self.serve(stream, peer, open.clone()),
            // The client's doing, and over with.
            Err(error) if is_about_one_connection(&error) => {}
            Err(error) => {
                tracing::error!(%error, "failed to accept a connection");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }

    fn serve(&self, stream: TcpStream, peer: SocketAddr, open: mpsc::Sender<()>) {
        let accepted = Instant::now();
        let Some(slot) = ConnectionSlot::take(&self.shared) else {
            self.shared.metrics.closed(Closed::ConnectionsMax);
            if self.tls.is_none() {
                // As far as the empty socket takes it; there is no place to wait for more.
                let _ = stream.try_write(&message(StatusCode::SERVICE_UNAVAILABLE));
            }
            return;
        };
        // Fails only on a connection that is already gone.
        let Ok(local) = stream.local_addr() else {
            return;
        };
        let _ = stream.set_nodelay(true);
        let info = ConnectionInfo {
            peer,
            local,
            tls: self.tls.is_some(),
        };
        let state = Arc::new(ConnectionState::new(
            Arc::clone(&self.shared),
            info,
            accepted,
        ));
        let connected = Connected {
            state,
            handler: Arc::clone(&self.handler),
        };
        let tls = self.tls.as_ref().map(|tls| tls.tcp().into());
        tokio::spawn(async move {
            connection::run(stream, tls, connected, accepted).await;
            drop((slot, open));
        });
    }
}

fn is_about_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(
        error.kind(),
        ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted
    )
}

/// Takes changed certificate files into use; runs until its runtime ends.
async fn watch_certificates(tls: TlsReloader) {
    let mut seen = tls.stamp();
    loop {
        sleep(CERTIFICATE_POLL).await;
        let stamp = tls.stamp();
        if stamp == seen {
            continue;
        }
        // Certificate and key are seldom replaced in the same instant; a mismatch is tried again
        // at the next change.
        seen = stamp;
        match tls.reload() {
            Ok(()) => tracing::info!("took the new certificate into use"),
            Err(error) => tracing::error!(%error, "kept the old certificate"),
        }
    }
}
