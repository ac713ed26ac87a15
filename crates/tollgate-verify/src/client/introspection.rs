//! Opaque tokens: asking the provider about them (RFC 7662), with answers signed or not (RFC 9701).

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;
use std::time::Duration;

use zeroize::Zeroizing;

use super::answers::{Answers, Expectation};
use super::clock::{Clock, SystemClock};
use super::flight::Flight;
use super::form::ClientCredentials;
use super::http::{FetchError, HttpClient};
use super::source::KeySource;
use crate::error::{BuildError, Error};
use crate::token::VerifiedToken;
use tollgate_jose::sha256_base64url;

/// Longest token that the provider is asked about, in bytes.
const TOKEN_BYTES_MAX: usize = 16 * 1024;

/// Why it is not known whether a token is active.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IntrospectionError {
    /// The provider gave no usable answer.
    #[error("introspect token: {0}")]
    Fetch(#[from] FetchError),
    /// Too many tokens wait for an answer already.
    #[error("introspect token: too many waiting")]
    Overloaded,
    /// The provider calls the token active, but it is not for this resource server, or no access
    /// token, or bound to a key that was not presented, or what is said about it is malformed; or
    /// the signed answer could not be verified.
    #[error("introspect token: {0}")]
    Refused(#[from] Error),
}

/// Bounds of the introspection client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct IntrospectionSettings {
    /// How long an answer may be used again; zero, the default, asks every time, so that a
    /// revocation counts at once. Never beyond the token's own `exp`.
    pub cache_ttl: Duration,
    /// Most answers kept.
    pub cache_entries_max: usize,
    /// Most requests at a time.
    pub requests_max: usize,
    /// Most tokens that wait for their turn.
    pub waiting_max: usize,
    /// Time for one request with all its retries.
    pub timeout: Duration,
    /// Further attempts after a failure that may pass, with growing pauses.
    pub retries: u32,
    /// Longest answer, in bytes.
    pub bytes_max: usize,
    /// How far the provider's clock may differ from ours, up to five minutes; zero by default.
    /// Whole seconds count.
    pub leeway: Duration,
}

impl Default for IntrospectionSettings {
    fn default() -> Self {
        Self {
            cache_ttl: Duration::ZERO,
            cache_entries_max: 10_000,
            requests_max: 8,
            waiting_max: 1_000,
            timeout: Duration::from_secs(5),
            retries: 2,
            bytes_max: 1024 * 1024,
            leeway: Duration::ZERO,
        }
    }
}

/// Asks a provider about opaque tokens. Cheap to clone; clones share requests and answers.
///
/// However many ask about one token at a time, the provider is asked once; and where it has an
/// endpoint for many tokens, those that arrive while a request is under way go into the next.
#[derive(Clone)]
pub struct Introspector {
    shared: Arc<Shared>,
}

/// An [`Introspector`] in the making.
#[must_use]
pub struct IntrospectorBuilder {
    expectation: Expectation,
    settings: IntrospectionSettings,
    http: Option<Arc<dyn HttpClient>>,
    clock: Option<Arc<dyn Clock>>,
}

impl Introspector {
    /// A client of the introspection endpoint at `url` of this issuer, for a resource server with
    /// this audience and these credentials.
    pub fn builder(
        url: &str,
        issuer: &str,
        audience: &str,
        credentials: ClientCredentials,
    ) -> IntrospectorBuilder {
        IntrospectorBuilder {
            expectation: Expectation::new(url, issuer, audience, credentials),
            settings: IntrospectionSettings::default(),
            http: None,
            clock: None,
        }
    }

    /// The token, if it is active.
    ///
    /// # Errors
    /// [`IntrospectionError`] when that could not be found out, which is no reason to let it in;
    /// [`Error::KeyBinding`] in it for a token bound to a key, since nothing was presented.
    pub async fn introspect(
        &self,
        token: &str,
    ) -> Result<Option<VerifiedToken>, IntrospectionError> {
        refuse_bound(self.introspect_any(token).await)
    }

    /// [`Introspector::introspect`] for code without an async runtime.
    ///
    /// # Errors
    /// As there.
    pub fn introspect_blocking(
        &self,
        token: &str,
    ) -> Result<Option<VerifiedToken>, IntrospectionError> {
        refuse_bound(match self.shared.begin(token) {
            Begun::Known(answer) => answer,
            Begun::Asking(call) => {
                call.flight.wait();
                call.answer()
            }
        })
    }

    /// Many tokens; the answers stand in their order.
    pub async fn introspect_many(
        &self,
        tokens: &[&str],
    ) -> Vec<Result<Option<VerifiedToken>, IntrospectionError>> {
        // All are begun before the first is waited for, so that they go into few requests.
        let begun: Vec<Begun> = tokens
            .iter()
            .map(|token| self.shared.begin(token))
            .collect();
        let mut answers = Vec::with_capacity(begun.len());
        for begun in begun {
            answers.push(refuse_bound(begun.answer().await));
        }
        answers
    }

    /// The token, if it is active; whoever asks checks what was presented for a bound one.
    pub(crate) async fn introspect_any(
        &self,
        token: &str,
    ) -> Result<Option<VerifiedToken>, IntrospectionError> {
        self.shared.begin(token).answer().await
    }

    /// Requests made, retries not counted, and answers taken from the cache.
    #[must_use]
    pub fn requests_and_hits(&self) -> (u64, u64) {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        (read(&self.shared.requests), read(&self.shared.hits))
    }
}

impl fmt::Debug for Introspector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Introspector")
            .field(&self.shared.answers)
            .finish()
    }
}

impl IntrospectorBuilder {
    /// Bounds and times.
    pub fn settings(mut self, settings: IntrospectionSettings) -> Self {
        self.settings = settings;
        self
    }

    /// Asks about many tokens at once here, in the form of Tollgate's `/oauth/introspect/batch`.
    pub fn batch_url(mut self, url: &str) -> Self {
        self.expectation.batch_url = Some(url.to_owned());
        self
    }

    /// Demands signed answers (RFC 9701) and verifies them with these keys; asks for one token at
    /// a time then.
    pub fn signed(mut self, keys: &KeySource) -> Self {
        self.expectation.keys = Some(keys.clone());
        self
    }

    /// Asks through this client instead of the default one.
    pub fn http(mut self, http: Arc<dyn HttpClient>) -> Self {
        self.http = Some(http);
        self
    }

    /// Takes the time from here.
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = Some(clock);
        self
    }

    /// The client.
    ///
    /// # Errors
    /// [`BuildError`] for an empty issuer or audience, or a leeway above five minutes.
    pub fn build(self) -> Result<Introspector, BuildError> {
        let Self {
            expectation,
            settings,
            http,
            clock,
        } = self;
        let clock = clock.unwrap_or_else(|| Arc::new(SystemClock::default()));
        let http = http.unwrap_or_else(super::default_http_client);
        let answers = Answers::new(expectation, settings, http, Arc::clone(&clock))?;
        let (queue, cache) = (Mutex::default(), Mutex::default());
        let (requests, hits) = (AtomicU64::new(0), AtomicU64::new(0));
        let shared = Shared {
            answers,
            settings,
            clock,
            queue,
            cache,
            requests,
            hits,
        };
        Ok(Introspector {
            shared: Arc::new(shared),
        })
    }
}

struct Shared {
    answers: Answers,
    settings: IntrospectionSettings,
    clock: Arc<dyn Clock>,
    queue: Mutex<Queue>,
    /// By hash of the token, so that the cache holds no credentials.
    cache: Mutex<HashMap<String, (Option<VerifiedToken>, Duration)>>,
    requests: AtomicU64,
    hits: AtomicU64,
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<Arc<Call>>,
    /// Waiting or under way, by hash of the token.
    calls: HashMap<String, Arc<Call>>,
    workers: usize,
}

/// One token that the provider is asked about.
struct Call {
    token: Zeroizing<String>,
    hash: String,
    flight: Flight,
    outcome: OnceLock<Result<Option<VerifiedToken>, IntrospectionError>>,
}

impl Call {
    fn answer(&self) -> Result<Option<VerifiedToken>, IntrospectionError> {
        // Landed without an outcome: the client panicked.
        let lost = || Err(FetchError::Invalid("answer lost").into());
        self.outcome.get().cloned().unwrap_or_else(lost)
    }
}

enum Begun {
    Known(Result<Option<VerifiedToken>, IntrospectionError>),
    Asking(Arc<Call>),
}

impl Begun {
    async fn answer(self) -> Result<Option<VerifiedToken>, IntrospectionError> {
        match self {
            Self::Known(answer) => answer,
            Self::Asking(call) => {
                call.flight.clone().landing().await;
                call.answer()
            }
        }
    }
}

/// A bound token is worth nothing to whoever presents nothing.
fn refuse_bound(
    answer: Result<Option<VerifiedToken>, IntrospectionError>,
) -> Result<Option<VerifiedToken>, IntrospectionError> {
    match answer {
        Ok(Some(token)) if token.claims.cnf.is_some() => Err(Error::KeyBinding.into()),
        other => other,
    }
}

impl Shared {
    fn begin(self: &Arc<Self>, token: &str) -> Begun {
        let is_token =
            token.len() <= TOKEN_BYTES_MAX && token.bytes().all(|b| b.is_ascii_graphic());
        if token.is_empty() || !is_token {
            return Begun::Known(Ok(None));
        }
        let hash = sha256_base64url(token.as_bytes());
        if let Some(known) = self.cached(&hash) {
            self.hits.fetch_add(1, Ordering::Relaxed);
            return Begun::Known(Ok(known));
        }
        let mut queue = lock(&self.queue);
        if let Some(call) = queue.calls.get(&hash) {
            return Begun::Asking(Arc::clone(call));
        }
        if queue.waiting.len() >= self.settings.waiting_max {
            return Begun::Known(Err(IntrospectionError::Overloaded));
        }
        if queue.workers < self.settings.requests_max.max(1) {
            let shared = Arc::clone(self);
            // Made on the new thread: dropped here, it would take the lock that is held here.
            let work = move || {
                Worker {
                    shared,
                    is_counted: true,
                }
                .run();
            };
            match thread::Builder::new()
                .name("tollgate-introspect".into())
                .spawn(work)
            {
                Ok(_) => queue.workers += 1,
                Err(_) if queue.workers == 0 => {
                    return Begun::Known(Err(IntrospectionError::Overloaded));
                }
                Err(_) => {}
            }
        }
        let call = Arc::new(Call {
            token: Zeroizing::new(token.to_owned()),
            hash: hash.clone(),
            flight: Flight::default(),
            outcome: OnceLock::new(),
        });
        queue.calls.insert(hash, Arc::clone(&call));
        queue.waiting.push_back(Arc::clone(&call));
        Begun::Asking(call)
    }

    /// What is kept of a token, unless it has run out by either clock.
    fn cached(&self, hash: &str) -> Option<Option<VerifiedToken>> {
        if self.settings.cache_ttl.is_zero() {
            return None;
        }
        let cache = lock(&self.cache);
        let (token, until) = cache.get(hash)?;
        let now = self.clock.now();
        let has_expired = token.as_ref().and_then(VerifiedToken::expires_at);
        let is_fresh = self.clock.elapsed() < *until && has_expired.is_none_or(|exp| now < exp);
        is_fresh.then(|| token.clone())
    }

    fn keep(&self, hash: &str, token: Option<&VerifiedToken>) {
        let IntrospectionSettings {
            cache_ttl: ttl,
            cache_entries_max: entries_max,
            ..
        } = self.settings;
        if ttl.is_zero() {
            return;
        }
        let now = self.clock.elapsed();
        let mut cache = lock(&self.cache);
        if cache.len() >= entries_max {
            cache.retain(|_, (_, until)| now < *until);
        }
        if cache.len() < entries_max {
            cache.insert(hash.to_owned(), (token.cloned(), now.saturating_add(ttl)));
        }
    }
}

/// Takes calls from the queue until it is empty.
struct Worker {
    shared: Arc<Shared>,
    is_counted: bool,
}

impl Worker {
    fn run(mut self) {
        while let Some(calls) = self.next_calls() {
            let batch = Batch {
                shared: &self.shared,
                calls,
            };
            self.shared.requests.fetch_add(1, Ordering::Relaxed);
            let tokens: Vec<&str> = batch.calls.iter().map(|call| call.token.as_str()).collect();
            let outcomes = self.shared.answers.ask(&tokens);
            for (call, outcome) in batch.calls.iter().zip(outcomes) {
                if let Ok(token) = &outcome {
                    self.shared.keep(&call.hash, token.as_ref());
                }
                // Set once: a call belongs to one batch.
                let _ = call.outcome.set(outcome);
            }
        }
    }

    /// The calls of the next request; with none, the worker is no longer counted from the very
    /// moment that it saw the queue empty, or the next call would wait for it in vain.
    fn next_calls(&mut self) -> Option<Vec<Arc<Call>>> {
        let mut queue = lock(&self.shared.queue);
        let share = self
            .shared
            .answers
            .tokens_per_request()
            .min(queue.waiting.len());
        if share == 0 {
            queue.workers -= 1;
            self.is_counted = false;
            return None;
        }
        Some(queue.waiting.drain(..share).collect())
    }
}

impl Drop for Worker {
    /// After a panic: where nobody else is left to serve them, the waiting must not wait.
    fn drop(&mut self) {
        if !self.is_counted {
            return;
        }
        let mut queue = lock(&self.shared.queue);
        queue.workers -= 1;
        let stranded = if queue.workers == 0 {
            std::mem::take(&mut queue.waiting)
        } else {
            VecDeque::new()
        };
        drop(queue);
        drop(Batch {
            shared: &self.shared,
            calls: stranded.into(),
        });
    }
}

/// Lets the waiters of a batch go, also when the client panicked.
struct Batch<'s> {
    shared: &'s Shared,
    calls: Vec<Arc<Call>>,
}

impl Drop for Batch<'_> {
    fn drop(&mut self) {
        for call in &self.calls {
            lock(&self.shared.queue).calls.remove(&call.hash);
            call.flight.land();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Whatever panicked, the state under the lock is whole.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
