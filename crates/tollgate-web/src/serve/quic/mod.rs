//! HTTP/3 over QUIC beside the TLS listener: on each of its addresses, the UDP port of the same
//! number. Whatever fails here leaves TCP alone.
//!
//! Each thread has an endpoint of its own. The kernel hands a packet to the thread that its
//! connection id names, so that a client keeps its thread when its address changes; where the
//! kernel cannot do that, one endpoint serves all.

mod alt_svc;
mod body;
mod connection;
mod frames;
mod request;
mod steer;
mod transport;

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use quinn::crypto::rustls::QuicServerConfig;
use quinn::{
    Endpoint, EndpointConfig, IdleTimeout, Incoming, TokioRuntime, TransportConfig, VarInt,
};
use rustls::ServerConfig as RustlsConfig;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::accept::Service;
use super::drain::Stage;
use crate::tls::TlsError;
use crate::{Handler, ServerConfig, TlsConfig, TlsReloader};

pub(crate) use alt_svc::AltSvc;
pub(crate) use body::QuicBody;
use connection::{Arrived, run};
use steer::{SteeredIds, THREADS_MAX, steer};

/// As on HTTP/2.
const STREAMS_MAX: u32 = 100;
const STREAM_WINDOW_BYTES: u32 = 64 * 1024;
const CONNECTION_WINDOW_BYTES: u32 = 1024 * 1024;
/// Of all answers of a connection, what may be sent before the client has confirmed it.
const SENT_BYTES_MAX: u64 = 1024 * 1024;
/// HTTP/3 needs three in each direction; more are for extensions that we ignore.
const OTHER_STREAMS_MAX: u32 = 16;
/// First packets that wait to be looked at, and what of their connections may wait with them.
const INCOMING_MAX: usize = 1024;
const INCOMING_BYTES_MAX: u64 = 64 * 1024;
const INCOMING_BYTES_MAX_TOTAL: u64 = 8 * 1024 * 1024;
const SOCKET_BUFFER_BYTES: usize = 2 * 1024 * 1024;
/// Handshakes under way at once before clients must show that their addresses are their own.
const UNVALIDATED_HANDSHAKES_MAX: usize = 128;
/// How long the last packets may take at the end.
const FAREWELL: Duration = Duration::from_millis(500);

/// Whether requests are taken before the handshake is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EarlyData {
    Taken,
    Refused,
}

/// What all endpoints of a server have in common.
pub(super) struct Settings {
    tls: TlsReloader,
    /// As last made of the TLS settings, which may change.
    server: Mutex<(Arc<RustlsConfig>, Arc<quinn::ServerConfig>)>,
    endpoint: EndpointConfig,
    early_data: EarlyData,
    handshakes_max: usize,
    alt_svc: Arc<AltSvc>,
}

impl Settings {
    /// # Errors
    /// When the TLS settings do not allow QUIC.
    pub(super) fn new(
        config: &ServerConfig,
        tls: TlsReloader,
        alt_svc: Arc<AltSvc>,
    ) -> Result<Self, TlsError> {
        let rustls = tls.quic();
        let mut server = quinn::ServerConfig::with_crypto(crypto(Arc::clone(&rustls))?);
        server
            .transport_config(Arc::new(transport(config)))
            .migration(true)
            .max_incoming(INCOMING_MAX)
            .incoming_buffer_size(INCOMING_BYTES_MAX)
            .incoming_buffer_size_total(INCOMING_BYTES_MAX_TOTAL);
        // Who the client is, is known only after the handshake.
        let early_data = match config.tls.as_ref() {
            Some(TlsConfig {
                client_certificates: None,
                ..
            }) => EarlyData::Taken,
            _ => EarlyData::Refused,
        };
        Ok(Self {
            tls,
            server: Mutex::new((rustls, Arc::new(server))),
            endpoint: EndpointConfig::default(),
            early_data,
            handshakes_max: (config.connections_max / 8).clamp(1, UNVALIDATED_HANDSHAKES_MAX),
            alt_svc,
        })
    }
}

impl Settings {
    /// What new connections are served with.
    fn server(&self) -> Arc<quinn::ServerConfig> {
        let rustls = self.tls.quic();
        let mut current = self.server.lock();
        let (made_of, server) = &mut *current;
        if !Arc::ptr_eq(made_of, &rustls) {
            match crypto(Arc::clone(&rustls)) {
                Ok(crypto) => Arc::make_mut(server).crypto = crypto,
                Err(error) => tracing::error!(%error, "kept the old certificate on QUIC"),
            }
            *made_of = rustls;
        }
        Arc::clone(server)
    }
}

fn crypto(config: Arc<RustlsConfig>) -> Result<Arc<QuicServerConfig>, TlsError> {
    let crypto = QuicServerConfig::try_from(config)
        .map_err(|error| rustls::Error::General(error.to_string()))?;
    Ok(Arc::new(crypto))
}

fn transport(config: &ServerConfig) -> TransportConfig {
    // Requests have time-outs of their own; this is for clients that have vanished.
    let silence = config.idle_timeout + config.request_timeout;
    let silence_max = Duration::from_secs(3600);
    let mut transport = TransportConfig::default();
    transport
        .max_concurrent_bidi_streams(STREAMS_MAX.into())
        .max_concurrent_uni_streams(OTHER_STREAMS_MAX.into())
        .stream_receive_window(STREAM_WINDOW_BYTES.into())
        .receive_window(CONNECTION_WINDOW_BYTES.into())
        .send_window(SENT_BYTES_MAX)
        .datagram_receive_buffer_size(None)
        .max_idle_timeout(IdleTimeout::try_from(silence.min(silence_max)).ok());
    transport
}

/// A UDP socket of one thread, bound.
pub(super) struct Bound {
    socket: UdpSocket,
    local: SocketAddr,
    ids: SteeredIds,
    settings: Arc<Settings>,
}

impl Bound {
    pub(super) fn local(&self) -> SocketAddr {
        self.local
    }
}

/// Binds each address for each thread; the result is indexed by thread. Of an address that cannot
/// be had nothing is bound, and the log says why.
pub(super) fn bind(
    addresses: &[SocketAddr],
    threads: usize,
    settings: &Arc<Settings>,
) -> Vec<Vec<Bound>> {
    let mut by_thread: Vec<Vec<Bound>> = (0..threads).map(|_| Vec::new()).collect();
    for &local in addresses {
        match sockets(local, threads) {
            Ok(sockets) => {
                let threads = sockets.len();
                let ids = (0..threads).filter_map(|thread| SteeredIds::new(thread, threads));
                for ((socket, ids), bound) in sockets.into_iter().zip(ids).zip(&mut by_thread) {
                    bound.push(Bound {
                        socket,
                        local,
                        ids,
                        settings: Arc::clone(settings),
                    });
                }
            }
            Err(error) => {
                tracing::error!(%local, %error, "failed to listen for QUIC; HTTP/3 is off there");
            }
        }
    }
    by_thread
}

/// A socket a thread, or one if packets cannot be steered.
fn sockets(address: SocketAddr, threads: usize) -> io::Result<Vec<UdpSocket>> {
    // Fails when the port is taken: sharing must not let two servers steal from each other.
    drop(socket(address, Sharing::None)?);
    if threads == 1 || threads > THREADS_MAX {
        return Ok(vec![socket(address, Sharing::None)?]);
    }
    let sockets: io::Result<Vec<_>> = (0..threads)
        .map(|_| socket(address, Sharing::Port))
        .collect();
    let mut sockets = sockets?;
    if let Some(first) = sockets.first()
        && let Err(error) = steer(first, threads)
    {
        tracing::warn!(%error, "failed to steer QUIC packets; one thread serves HTTP/3");
        sockets.truncate(1);
    }
    Ok(sockets)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Sharing {
    None,
    Port,
}

fn socket(address: SocketAddr, sharing: Sharing) -> io::Result<UdpSocket> {
    let domain = Domain::for_address(address);
    let socket = Socket::new(domain, Type::DGRAM, Some(Protocol::UDP))?;
    if address.is_ipv6() {
        socket.set_only_v6(false)?;
    }
    if sharing == Sharing::Port {
        socket.set_reuse_port(true)?;
    }
    // As far as the system lets us; smaller ones lose packets under load and nothing else.
    let _ = socket.set_recv_buffer_size(SOCKET_BUFFER_BYTES);
    let _ = socket.set_send_buffer_size(SOCKET_BUFFER_BYTES);
    socket.bind(&address.into())?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}

/// One endpoint: a socket and the connections on it.
pub(super) struct Acceptor<H> {
    service: Service<H>,
    endpoint: Endpoint,
    local: SocketAddr,
    settings: Arc<Settings>,
    handshakes: Arc<AtomicUsize>,
}

/// A handshake under way.
pub(super) struct Handshake(Arc<AtomicUsize>);

impl Drop for Handshake {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl<H: Handler> Acceptor<H> {
    /// Needs the runtime of its thread around it.
    pub(super) fn new(bound: Bound, service: &Service<H>) -> io::Result<Self> {
        let Bound {
            socket,
            local,
            ids,
            settings,
        } = bound;
        let mut config = settings.endpoint.clone();
        config.cid_generator(move || Box::new(ids));
        let server = Some(settings.server().as_ref().clone());
        let endpoint = Endpoint::new(config, server, socket, Arc::new(TokioRuntime))?;
        settings.alt_svc.offer(local.port());
        Ok(Self {
            service: service.clone(),
            endpoint,
            local,
            settings,
            handshakes: Arc::default(),
        })
    }

    /// Takes connections until the server drains, and waits for them to end.
    pub(super) async fn run(self, open: mpsc::Sender<()>) {
        let drain = &self.service.admission.shared.drain;
        let (all_open, mut all_ended) = mpsc::channel::<()>(1);
        let mut draining = std::pin::pin!(drain.reached(Stage::Draining));
        loop {
            tokio::select! {
                biased;
                () = draining.as_mut() => break,
                incoming = self.endpoint.accept() => match incoming {
                    Some(incoming) => self.take(incoming, all_open.clone()),
                    None => {
                        self.settings.alt_svc.withdraw(self.local.port());
                        tracing::error!(local = %self.local, "a QUIC endpoint broke down");
                        break;
                    }
                },
            }
        }
        // Whoever comes from now on is not answered and falls back to TCP.
        self.endpoint.set_server_config(None);
        drop(all_open);
        all_ended.recv().await;
        self.endpoint.close(VarInt::from_u32(0), b"");
        // Clients that hear no farewell find out for themselves.
        let _ = timeout(FAREWELL, self.endpoint.wait_idle()).await;
        drop(open);
    }

    fn take(&self, incoming: Incoming, open: mpsc::Sender<()>) {
        let validated = incoming.remote_address_validated();
        let under_load = self.handshakes.load(Ordering::Relaxed) >= self.settings.handshakes_max;
        if under_load && !validated {
            // Who does not answer to the address gets nothing more than this one packet.
            let _ = incoming.retry();
            return;
        }
        let peer = incoming.remote_address().ip();
        let Some(place) = self.service.admission.admit(Some(peer)) else {
            incoming.refuse();
            return;
        };
        self.handshakes.fetch_add(1, Ordering::Relaxed);
        let arrived = Arrived {
            incoming,
            server: self.settings.server(),
            shared: Arc::clone(&self.service.admission.shared),
            handler: Arc::clone(&self.service.handler),
            local: self.local,
            early_data: self.settings.early_data,
            handshake: Handshake(Arc::clone(&self.handshakes)),
        };
        tokio::spawn(async move {
            run(arrived).await;
            drop((place, open));
        });
    }
}
