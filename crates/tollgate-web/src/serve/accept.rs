//! One serving thread: its runtime, its accept loops, and waiting for its connections at the end.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::StatusCode;
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::admission::Admission;
use super::drain::Stage;
use super::early_error::message;
use super::listener::{Accept, LOCAL, Listener, Ownership, Socket};
use super::request::Connected;
use super::state::{ConnectionInfo, ConnectionState};
use crate::{Handler, TlsError, TlsReloader};

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
    pub(super) listeners: Vec<Listener>,
    #[cfg(feature = "http3")]
    pub(super) quic: Vec<super::quic::Bound>,
}

/// Who serves whatever is accepted.
pub(super) struct Service<H> {
    pub(super) admission: Admission,
    pub(super) handler: Arc<H>,
    pub(super) tls: Option<TlsReloader>,
}

impl<H> Clone for Service<H> {
    fn clone(&self) -> Self {
        Self {
            admission: self.admission.clone(),
            handler: Arc::clone(&self.handler),
            tls: self.tls.clone(),
        }
    }
}

/// Serves on this thread until the server has drained. A socket that cannot be served is logged,
/// and the others are served all the same.
pub(super) fn thread<H: Handler>(
    service: Service<H>,
    sockets: Sockets,
    watch: Watch,
) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let metrics = service.admission.shared.metrics.clone();
    let _counted = metrics.runtimes().add(runtime.handle());
    runtime.block_on(async move {
        // Each connection holds a clone; when all are dropped, the last connection has ended.
        let (open, mut all_ended) = mpsc::channel::<()>(1);
        let mut accepting = JoinSet::new();
        for listener in sockets.listeners {
            if let Err(error) = listen(&mut accepting, &service, listener, &open) {
                tracing::error!(%error, "failed to serve a listening socket");
            }
        }
        #[cfg(feature = "http3")]
        for bound in sockets.quic {
            let local = bound.local();
            match super::quic::Acceptor::new(bound, &service) {
                Ok(acceptor) => {
                    accepting.spawn(acceptor.run(open.clone()));
                }
                Err(error) => tracing::error!(%local, %error, "failed to serve QUIC"),
            }
        }
        drop(open);
        if let Some(tls) = service.tls.filter(|_| watch == Watch::Certificates) {
            tokio::spawn(watch_certificates(tls));
        }
        while accepting.join_next().await.is_some() {}
        all_ended.recv().await;
        Ok(())
    })
}

fn listen<H: Handler>(
    accepting: &mut JoinSet<()>,
    service: &Service<H>,
    listener: Listener,
    open: &mpsc::Sender<()>,
) -> io::Result<()> {
    let Listener { socket, ownership } = listener;
    let (service, open) = (service.clone(), open.clone());
    match socket {
        Socket::Tcp(listener) => {
            let listener = TcpListener::from_std(listener)?;
            accepting.spawn(service.accept_from(listener, ownership, open));
        }
        Socket::Unix(listener) => {
            let listener = UnixListener::from_std(listener)?;
            let service = Service {
                tls: None,
                ..service
            };
            accepting.spawn(service.accept_from(listener, ownership, open));
        }
    }
    Ok(())
}

impl<H: Handler> Service<H> {
    async fn accept_from<L: Accept>(
        self,
        listener: L,
        ownership: Ownership,
        open: mpsc::Sender<()>,
    ) {
        let drain = &self.admission.shared.drain;
        let mut draining = std::pin::pin!(drain.reached(Stage::Draining));
        loop {
            tokio::select! {
                biased;
                () = draining.as_mut() => break,
                accepted = listener.accept() => self.take::<L>(accepted, &open).await,
            }
        }
        match &ownership {
            Ownership::Port => listener.refuse_new(),
            Ownership::Path(path) => path.remove(),
            // Who waits there is for the next one to serve.
            #[cfg(feature = "systemd")]
            Ownership::Inherited => return,
        }
        while let Ok(accepted) = timeout(BACKLOG_QUIET, listener.accept()).await {
            if drain.stage() == Stage::Aborting {
                return;
            }
            self.take::<L>(accepted, &open).await;
        }
    }

    async fn take<L: Accept>(
        &self,
        accepted: io::Result<(L::Stream, Option<SocketAddr>)>,
        open: &mpsc::Sender<()>,
    ) {
        match accepted {
            Ok((stream, peer)) => self.serve::<L>(stream, peer, open.clone()),
            // The client's doing, and over with.
            Err(error) if is_about_one_connection(&error) => {}
            Err(error) => {
                tracing::error!(%error, "failed to accept a connection");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }

    /// `peer` is missing where connections have no addresses.
    fn serve<L: Accept>(
        &self,
        stream: L::Stream,
        peer: Option<SocketAddr>,
        open: mpsc::Sender<()>,
    ) {
        let accepted = Instant::now();
        let Some(place) = self.admission.admit(peer.map(|peer| peer.ip())) else {
            if self.tls.is_none() {
                // As far as the empty socket takes it; there is no place to wait for more.
                L::turn_away(&stream, &message(StatusCode::SERVICE_UNAVAILABLE));
            }
            return;
        };
        // Fails only on a connection that is already gone.
        let Ok(local) = L::local(&stream) else {
            return;
        };
        let info = ConnectionInfo {
            peer: peer.unwrap_or(LOCAL),
            local,
            tls: self.tls.is_some(),
        };
        let shared = Arc::clone(&self.admission.shared);
        let connected = Connected {
            state: Arc::new(ConnectionState::new(shared, info, accepted)),
            handler: Arc::clone(&self.handler),
        };
        let tls = self.tls.as_ref().map(|tls| tls.tcp().into());
        tokio::spawn(async move {
            L::converse(stream, tls, connected, accepted).await;
            drop((place, open));
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
    let mut seen = tls.first_stamp();
    let mut awaited = false;
    loop {
        sleep(CERTIFICATE_POLL).await;
        let stamp = tls.stamp();
        let is_new = stamp != seen;
        if !is_new && !awaited {
            continue;
        }
        // Certificate and key are seldom replaced in the same instant; a mismatch is tried again
        // at the next change.
        seen = stamp;
        let reloaded = tls.reload();
        // By a clock that is late, a fresh certificate is not valid yet.
        awaited = matches!(reloaded, Err(TlsError::NotValidNow(_)));
        match reloaded {
            Ok(()) => tracing::info!("took the new certificate into use"),
            Err(error) if is_new => tracing::error!(%error, "kept the old certificate"),
            Err(_) => {}
        }
    }
}
