//! What a server and each of its connections know about themselves; no I/O.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use super::drain::{Drain, Stage};
use super::turn::Turn;
use crate::http_metrics::Closed;
use crate::{ClientCertificate, HttpMetrics, ServerConfig};

/// How long after our last byte a client may go on sending before the socket is closed: closing at
/// once would reset the connection and could destroy the answer on its way.
const LINGER: Duration = Duration::from_secs(1);

/// What all threads of one server share.
pub(crate) struct Shared {
    pub(super) config: ServerConfig,
    pub(super) metrics: HttpMetrics,
    /// Where HTTP/3 is spoken.
    #[cfg(feature = "http3")]
    pub(super) alt_svc: Arc<super::quic::AltSvc>,
    pub(super) drain: Drain,
    /// The origin of all moments kept as numbers.
    epoch: Instant,
    connections: AtomicUsize,
}

impl Shared {
    pub(super) fn new(config: ServerConfig, metrics: HttpMetrics) -> Self {
        let (epoch, connections) = (Instant::now(), AtomicUsize::new(0));
        Self {
            config,
            metrics,
            #[cfg(feature = "http3")]
            alt_svc: Arc::default(),
            drain: Drain::new(),
            epoch,
            connections,
        }
    }

    /// Tells clients where HTTP/3 is spoken.
    #[cfg(feature = "http3")]
    pub(super) fn offering(self, alt_svc: Arc<super::quic::AltSvc>) -> Self {
        Self { alt_svc, ..self }
    }

    pub(super) fn connections_open(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }

    /// Nanoseconds since the server was made, never one of the reserved small values.
    pub(super) fn nanos(&self, moment: Instant) -> u64 {
        let nanos = moment.saturating_duration_since(self.epoch).as_nanos();
        u64::try_from(nanos).unwrap_or(u64::MAX).max(UNSTAMPED + 1)
    }

    fn moment(&self, nanos: u64) -> Instant {
        self.epoch + Duration::from_nanos(nanos)
    }
}

/// One of the places that `connections_max` allows.
pub(super) struct ConnectionSlot(Arc<Shared>);

impl ConnectionSlot {
    pub(super) fn take(shared: &Arc<Shared>) -> Option<Self> {
        let open = shared.connections.fetch_add(1, Ordering::Relaxed);
        shared.metrics.connections().raise();
        let slot = Self(Arc::clone(shared));
        (open < shared.config.connections_max).then_some(slot)
    }
}

impl Drop for ConnectionSlot {
    fn drop(&mut self) {
        self.0.connections.fetch_sub(1, Ordering::Relaxed);
        self.0.metrics.connections().lower();
    }
}

/// Both ends of a connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ConnectionInfo {
    pub(crate) peer: SocketAddr,
    pub(crate) local: SocketAddr,
    pub(crate) tls: bool,
}

/// Not happening.
const NEVER: u64 = 0;
/// Happening, since a moment that nobody has looked up yet: reading the clock for each request
/// would cost more than all else that is kept here.
const UNSTAMPED: u64 = 1;
/// Of an answer: begun, but nothing of it stands ready to be read.
const UNMADE: u64 = u64::MAX;

/// What a connection is doing and since when. Written by its stream and its requests, all on one
/// thread, and read by its watch.
pub(crate) struct ConnectionState {
    pub(super) shared: Arc<Shared>,
    pub(super) info: ConnectionInfo,
    /// What the client showed in its handshake.
    pub(super) client_certificate: OnceLock<ClientCertificate>,
    pub(super) turn: Turn,
    http2: AtomicBool,
    requests: AtomicU32,
    head_since: AtomicU64,
    idle_since: AtomicU64,
    /// HTTP/1: an answer has been handed to hyper and is not yet written.
    answer_unwritten: AtomicBool,
    write_blocked_since: AtomicU64,
    linger_since: AtomicU64,
    /// The client took nothing for too long, and the connection is to be cut.
    given_up: AtomicBool,
    /// For HTTP/2, since when each answer waits to be read; slots are reused.
    answers: parking_lot::Mutex<Vec<u64>>,
    /// For HTTP/2, an answer began to wait when no other did.
    answer_unwatched: AtomicBool,
}

/// What a connection's watch must do about it now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Look again at this moment.
    Wait(Instant),
    /// No request for too long: close in good order.
    CloseIdle,
    /// Cut off.
    Abort(Closed),
    /// The client had its time to read our last bytes.
    Lingered,
}

impl ConnectionState {
    pub(super) fn new(shared: Arc<Shared>, info: ConnectionInfo, accepted: Instant) -> Self {
        let accepted = shared.nanos(accepted);
        Self {
            shared,
            info,
            client_certificate: OnceLock::new(),
            turn: Turn::new(),
            http2: AtomicBool::new(false),
            requests: AtomicU32::new(0),
            head_since: AtomicU64::new(accepted),
            idle_since: AtomicU64::new(accepted),
            answer_unwritten: AtomicBool::new(false),
            write_blocked_since: AtomicU64::new(NEVER),
            linger_since: AtomicU64::new(NEVER),
            given_up: AtomicBool::new(false),
            answers: parking_lot::Mutex::new(Vec::new()),
            answer_unwatched: AtomicBool::new(false),
        }
    }

    pub(super) fn is_http2(&self) -> bool {
        self.http2.load(Ordering::Relaxed)
    }

    pub(super) fn set_http2(&self) {
        self.http2.store(true, Ordering::Relaxed);
    }

    /// HTTP/1: bytes came in; between two requests they begin the next head.
    #[inline]
    pub(super) fn bytes_read(&self) {
        if self.head_since.load(Ordering::Relaxed) == NEVER
            && self.idle_since.load(Ordering::Relaxed) != NEVER
        {
            self.head_begun();
        }
    }

    /// A request's head has begun to arrive.
    pub(super) fn head_begun(&self) {
        if self.head_since.load(Ordering::Relaxed) == NEVER {
            self.head_since.store(UNSTAMPED, Ordering::Relaxed);
        }
    }

    pub(super) fn head_complete(&self) {
        self.head_since.store(NEVER, Ordering::Relaxed);
    }

    #[inline]
    pub(super) fn request_begun(&self) {
        let requests = self.requests.load(Ordering::Relaxed);
        self.requests
            .store(requests.wrapping_add(1), Ordering::Relaxed);
        self.head_complete();
        self.idle_since.store(NEVER, Ordering::Relaxed);
    }

    #[inline]
    pub(super) fn request_ended(&self, now: Instant) {
        let requests = self.requests.load(Ordering::Relaxed).saturating_sub(1);
        self.requests.store(requests, Ordering::Relaxed);
        if requests == 0 {
            self.answer_unwritten.store(true, Ordering::Relaxed);
            self.idle_since
                .store(self.shared.nanos(now), Ordering::Relaxed);
        }
    }

    pub(super) fn write_blocked(&self) {
        if self.write_blocked_since.load(Ordering::Relaxed) == NEVER {
            self.write_blocked_since.store(UNSTAMPED, Ordering::Relaxed);
        }
    }

    /// The client has taken something.
    #[inline]
    pub(super) fn write_moved(&self) {
        if self.write_blocked_since.load(Ordering::Relaxed) != NEVER {
            self.write_blocked_since.store(NEVER, Ordering::Relaxed);
        }
    }

    /// HTTP/1: whether what hyper writes now is its own word and no handler's.
    pub(super) fn writes_early_error(&self) -> bool {
        !self.is_http2()
            && self.requests.load(Ordering::Relaxed) == 0
            && !self.answer_unwritten.load(Ordering::Relaxed)
    }

    #[inline]
    pub(super) fn write_flushed(&self) {
        if self.requests.load(Ordering::Relaxed) == 0 {
            self.answer_unwritten.store(false, Ordering::Relaxed);
        }
        self.write_moved();
    }

    pub(super) fn lingering(&self) {
        if self.linger_since.load(Ordering::Relaxed) == NEVER {
            self.linger_since.store(UNSTAMPED, Ordering::Relaxed);
        }
    }

    /// An HTTP/2 answer begins to wait for its reader; the slot is given back with
    /// [`answer_read`](Self::answer_read).
    pub(super) fn answer_waits(&self, now: Instant) -> usize {
        let since = self.shared.nanos(now);
        let mut answers = self.answers.lock();
        if answers.iter().all(|&slot| slot == NEVER || slot == UNMADE) {
            self.answer_unwatched.store(true, Ordering::Relaxed);
        }
        let free = answers.iter().position(|&slot| slot == NEVER);
        let slot = free.unwrap_or_else(|| {
            answers.push(NEVER);
            answers.len() - 1
        });
        if let Some(entry) = answers.get_mut(slot) {
            *entry = since;
        }
        slot
    }

    /// Part of the answer was taken.
    pub(super) fn answer_moves(&self, slot: usize, now: Instant) {
        if let Some(entry) = self.answers.lock().get_mut(slot) {
            if *entry == UNMADE {
                self.answer_unwatched.store(true, Ordering::Relaxed);
            }
            *entry = self.shared.nanos(now);
        }
    }

    /// The answer waits for whoever makes it, and its reader for both.
    pub(super) fn answer_unmade(&self, slot: usize) {
        if let Some(entry) = self.answers.lock().get_mut(slot) {
            *entry = UNMADE;
        }
    }

    pub(super) fn answer_read(&self, slot: usize) {
        if let Some(entry) = self.answers.lock().get_mut(slot) {
            *entry = NEVER;
        }
    }

    /// Whether something began whose time-out the watch does not know of yet.
    #[inline]
    pub(super) fn needs_look(&self) -> bool {
        let marks = [
            &self.head_since,
            &self.write_blocked_since,
            &self.linger_since,
        ];
        marks
            .iter()
            .any(|mark| mark.load(Ordering::Relaxed) == UNSTAMPED)
            || self.answer_unwatched.load(Ordering::Relaxed)
    }

    /// The connection is being closed for want of requests; bytes still written out or thrown away
    /// have time-outs of their own, and this backs them.
    pub(super) fn closing(&self) {
        self.lingering();
    }

    /// Whether what the client has not taken is not to be kept for it.
    pub(super) fn is_given_up(&self) -> bool {
        self.given_up.load(Ordering::Relaxed)
    }

    /// Judges the connection at `now`.
    pub(super) fn look(&self, now: Instant) -> Verdict {
        let config = &self.shared.config;
        self.answer_unwatched.store(false, Ordering::Relaxed);
        if let Some(end) = self.end(&self.linger_since, LINGER, now) {
            return if end <= now {
                Verdict::Lingered
            } else {
                Verdict::Wait(end)
            };
        }
        let blocked = self.end(&self.write_blocked_since, config.write_timeout, now);
        let head = self.end(&self.head_since, config.header_timeout, now);
        let unread = self
            .oldest_answer()
            .map(|since| since + config.write_timeout);
        let aborts = [
            (blocked, Closed::WriteTimeout),
            (unread, Closed::WriteTimeout),
            (head, Closed::HeaderTimeout),
        ];
        for (end, reason) in aborts {
            if end.is_some_and(|end| end <= now) {
                let given_up = reason == Closed::WriteTimeout;
                self.given_up.store(given_up, Ordering::Relaxed);
                return Verdict::Abort(reason);
            }
        }
        let ends = [blocked, head, unread].into_iter().flatten();
        // A connection that is not idle can only become so from now on.
        let idle = self.end(&self.idle_since, config.idle_timeout, now);
        match ends.min() {
            Some(end) => Verdict::Wait(end),
            None if idle.is_some_and(|end| end <= now) => Verdict::CloseIdle,
            None => Verdict::Wait(idle.unwrap_or(now + config.idle_timeout)),
        }
    }

    /// When what began at `mark` must be over; stamps it first if nobody has.
    fn end(&self, mark: &AtomicU64, timeout: Duration, now: Instant) -> Option<Instant> {
        match mark.load(Ordering::Relaxed) {
            NEVER => None,
            UNSTAMPED => {
                mark.store(self.shared.nanos(now), Ordering::Relaxed);
                Some(now + timeout)
            }
            nanos => Some(self.shared.moment(nanos) + timeout),
        }
    }

    fn oldest_answer(&self) -> Option<Instant> {
        if !self.is_http2() {
            return None;
        }
        let answers = self.answers.lock();
        let oldest = answers
            .iter()
            .copied()
            .filter(|&since| since != NEVER && since != UNMADE)
            .min();
        oldest.map(|nanos| self.shared.moment(nanos))
    }

    pub(super) fn is_draining(&self) -> bool {
        self.shared.drain.stage() > Stage::Serving
    }
}
