//! One QUIC connection, from its first packet to its last: handshake, requests, idleness, drain.

use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use bytes::Bytes;
use h3::error::Code;
use quinn::{VarInt, ZeroRttAccepted};
use rustls::pki_types::CertificateDer;
use tokio::task::JoinSet;
use tokio::time::{sleep_until, timeout, timeout_at};

use super::super::drain::Stage;
use super::super::request::Connected;
use super::super::state::{ConnectionInfo, ConnectionState, Shared};
use super::request::answer;
use super::transport::{LastNote, Refusing, Transport};
use super::{EarlyData, FAREWELL, Handshake};
use crate::http_metrics::Closed;
use crate::{ClientCertificate, Handler};

/// A head as it is sent may be longer than what it says, with each field counted (RFC 9114
/// §4.2.2), but no sane encoder makes it so long.
const ENCODED_HEAD_FACTOR: u64 = 2;

/// A client's first packet, and who will answer.
pub(super) struct Arrived<H> {
    pub(super) incoming: quinn::Incoming,
    pub(super) server: Arc<quinn::ServerConfig>,
    pub(super) shared: Arc<Shared>,
    pub(super) handler: Arc<H>,
    pub(super) local: SocketAddr,
    pub(super) early_data: EarlyData,
    /// Counted until the handshake is over.
    pub(super) handshake: Handshake,
}

/// Serves one connection until it ends.
pub(super) async fn run<H: Handler>(arrived: Arrived<H>) {
    let (shared, peer) = (
        Arc::clone(&arrived.shared),
        arrived.incoming.remote_address(),
    );
    if let Err(reason) = converse(arrived).await {
        shared.metrics.closed(reason);
        tracing::debug!(%peer, ?reason, "closed a QUIC connection");
    }
}

async fn converse<H: Handler>(arrived: Arrived<H>) -> Result<(), Closed> {
    let accepted = Instant::now();
    let shared = Arc::clone(&arrived.shared);
    let opening_ends = accepted + shared.config.header_timeout;
    let closing = shared.drain.reached(Stage::Closing);
    let opened = tokio::select! {
        biased;
        opened = timeout_at(opening_ends.into(), open(arrived, accepted)) => opened,
        () = closing => return Err(Closed::Drain),
    };
    let mut session = opened.map_err(|_| Closed::HeaderTimeout)??;
    let ended = session.serve(opening_ends).await;
    let code = match ended {
        Ok(()) => Code::H3_NO_ERROR,
        Err(_) => Code::H3_EXCESSIVE_LOAD,
    };
    session
        .connection
        .close(VarInt::from_u64(code.value()).unwrap_or_default(), b"");
    ended
}

/// Comes to the point where requests can be taken.
async fn open<H: Handler>(arrived: Arrived<H>, accepted: Instant) -> Result<Session<H>, Closed> {
    let Arrived {
        incoming,
        server,
        shared,
        ..
    } = arrived;
    let connecting = incoming
        .accept_with(server)
        .map_err(|_| Closed::TlsHandshake)?;
    let early = match arrived.early_data {
        EarlyData::Taken => connecting.into_0rtt(),
        EarlyData::Refused => Err(connecting),
    };
    let (connection, handshake) = match early {
        Ok((connection, over)) => (connection, Some((over, arrived.handshake))),
        Err(connecting) => {
            let connection = connecting.await.map_err(|_| Closed::TlsHandshake)?;
            drop(arrived.handshake);
            (connection, None)
        }
    };
    let certificate = shown(&connection);
    let header_bytes_max = u64::try_from(shared.config.header_bytes_max).unwrap_or(u64::MAX);
    let head_bytes_max = header_bytes_max.saturating_mul(ENCODED_HEAD_FACTOR);
    let (transport, last_note, refusing) = Transport::new(connection.clone(), head_bytes_max);
    let built = h3::server::builder()
        .max_field_section_size(header_bytes_max)
        .send_grease(false)
        .build(transport)
        .await;
    let local = match connection.local_ip() {
        Some(ip) => SocketAddr::new(ip, arrived.local.port()),
        None => arrived.local,
    };
    let mut session = Session {
        h3: built.map_err(|_| Closed::TlsHandshake)?,
        connected: None,
        handler: arrived.handler,
        requests: JoinSet::new(),
        connection,
        shared,
        local,
        accepted,
        last_note,
        refusing,
        certificate,
        handshake,
    };
    session.connected();
    Ok(session)
}

struct Session<H> {
    h3: h3::server::Connection<Transport, Bytes>,
    /// What requests are told, as long as the client stays where it is.
    connected: Option<Arc<Connected<H>>>,
    handler: Arc<H>,
    requests: JoinSet<Result<(), Closed>>,
    connection: quinn::Connection,
    shared: Arc<Shared>,
    local: SocketAddr,
    accepted: Instant,
    last_note: LastNote,
    refusing: Refusing,
    certificate: Option<ClientCertificate>,
    handshake: Option<(ZeroRttAccepted, Handshake)>,
}

impl<H: Handler> Session<H> {
    /// Takes requests until nobody wants any more.
    async fn serve(&mut self, opening_ends: Instant) -> Result<(), Closed> {
        let shared = Arc::clone(&self.shared);
        let mut draining = pin!(shared.drain.reached(Stage::Draining));
        let mut aborting = pin!(shared.drain.reached(Stage::Aborting));
        let mut drains = false;
        let mut asked = false;
        let mut idle_since = self.accepted;
        loop {
            let over = match asked {
                false => opening_ends,
                true => idle_since + shared.config.idle_timeout,
            };
            tokio::select! {
                biased;
                () = aborting.as_mut() => return Err(Closed::Drain),
                () = draining.as_mut(), if !drains => {
                    drains = true;
                    if self.refuse_more().await.is_err() {
                        return Ok(());
                    }
                }
                Some(done) = self.requests.join_next() => {
                    done.unwrap_or(Ok(()))?;
                    idle_since = Instant::now();
                }
                () = finished(&mut self.handshake) => {
                    if self.connection.close_reason().is_some() {
                        return Err(Closed::TlsHandshake);
                    }
                    self.handshake = None;
                }
                accepted = self.h3.accept() => match accepted {
                    Ok(Some(resolver)) => {
                        asked = true;
                        self.begin(resolver);
                    }
                    // The client has left, or broke the protocol and was told so.
                    Ok(None) | Err(_) => return self.left(),
                },
                () = sleep_until(over.into()), if self.requests.is_empty() => {
                    return self.nothing_came(asked).await;
                }
                () = sleep_until(opening_ends.into()), if self.handshake.is_some() => {
                    return Err(Closed::HeaderTimeout);
                }
            }
            if drains && self.requests.is_empty() {
                return Ok(());
            }
        }
    }

    fn begin(&mut self, resolver: h3::server::RequestResolver<Transport, Bytes>) {
        // Left by the transport whenever it accepts a request's stream.
        let Some(note) = self.last_note.lock().take() else {
            return;
        };
        let connected = self.connected();
        self.requests.spawn(answer(connected, resolver, note));
    }

    /// What this request is told of its connection: clients may move.
    fn connected(&mut self) -> Arc<Connected<H>> {
        let peer = self.connection.remote_address();
        if let Some(connected) = &self.connected
            && connected.state.info.peer == peer
        {
            return Arc::clone(connected);
        }
        let info = ConnectionInfo {
            peer,
            local: self.local,
            tls: true,
        };
        let shared = Arc::clone(&self.shared);
        let state = ConnectionState::new(shared, info, self.accepted);
        if let Some(certificate) = &self.certificate {
            // Nobody else sets it.
            let _ = state.client_certificate.set(certificate.clone());
        }
        let state = Arc::new(state);
        let handler = Arc::clone(&self.handler);
        let connected = Arc::new(Connected { state, handler });
        self.connected = Some(Arc::clone(&connected));
        connected
    }

    fn left(&self) -> Result<(), Closed> {
        match self.handshake {
            Some(_) => Err(Closed::TlsHandshake),
            None => Ok(()),
        }
    }

    async fn nothing_came(&mut self, asked: bool) -> Result<(), Closed> {
        if !asked {
            return Err(Closed::HeaderTimeout);
        }
        self.shared.metrics.closed(Closed::IdleTimeout);
        // The connection is closed right after; whether the client hears of it first is its luck.
        let _ = self.refuse_more().await;
        Ok(())
    }

    /// Tells the client which requests are the first that nobody will look at (RFC 9114 §5.2), and
    /// looks at none of those: it may ask them again elsewhere, and nothing must be done twice.
    async fn refuse_more(&mut self) -> Result<(), h3::error::ConnectionError> {
        self.refusing.store(true, Ordering::Relaxed);
        // One beyond the last that was taken. `h3` itself would still take that one. A client that
        // opens no window for the message would otherwise never be let go.
        let told = timeout(FAREWELL, self.h3.shutdown(1)).await;
        told.unwrap_or(Ok(()))
    }
}

/// What the client showed. Whoever asks for certificates takes no early data, so that the handshake
/// is over by now.
fn shown(connection: &quinn::Connection) -> Option<ClientCertificate> {
    let identity = connection.peer_identity()?;
    let chain = identity.downcast::<Vec<CertificateDer<'static>>>().ok()?;
    ClientCertificate::new(&chain)
}

/// Resolves once the handshake is over; never, if it is over already.
async fn finished(handshake: &mut Option<(ZeroRttAccepted, Handshake)>) {
    match handshake {
        Some((over, _)) => {
            over.await;
        }
        None => std::future::pending().await,
    }
}
