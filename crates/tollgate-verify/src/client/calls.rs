//! Tokens that the provider is asked about: waiting for their turn, under way, answered.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;
use std::time::Duration;

use zeroize::Zeroizing;

use super::answers::Answers;
use super::clock::Clock;
use super::flight::Flight;
use super::http::FetchError;
use super::introspection::{IntrospectionError, IntrospectionSettings};
use crate::token::VerifiedToken;
use tollgate_jose::sha256_base64url;

/// Longest token that the provider is asked about, in bytes.
const TOKEN_BYTES_MAX: usize = 16 * 1024;

/// What is known of a token in the end.
pub(super) type Outcome = Result<Option<VerifiedToken>, IntrospectionError>;

/// What the clones of an introspection client share.
pub(super) struct Calls {
    pub(super) answers: Answers,
    settings: IntrospectionSettings,
    clock: Arc<dyn Clock>,
    queue: Mutex<Queue>,
    /// By hash of the token, so that the cache holds no credentials.
    cache: Mutex<HashMap<String, (Option<VerifiedToken>, Duration)>>,
    pub(super) requests: AtomicU64,
    pub(super) hits: AtomicU64,
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<Arc<Call>>,
    /// Waiting or under way, by hash of the token.
    calls: HashMap<String, Arc<Call>>,
    workers: usize,
}

/// One token that the provider is asked about.
pub(super) struct Call {
    token: Zeroizing<String>,
    hash: String,
    pub(super) flight: Flight,
    outcome: OnceLock<Outcome>,
}

impl Call {
    pub(super) fn answer(&self) -> Outcome {
        // Landed without an outcome: the client panicked.
        let lost = || Err(FetchError::Invalid("answer lost").into());
        self.outcome.get().cloned().unwrap_or_else(lost)
    }
}

pub(super) enum Begun {
    Known(Outcome),
    Asking(Arc<Call>),
}

impl Begun {
    pub(super) async fn answer(self) -> Outcome {
        match self {
            Self::Known(answer) => answer,
            Self::Asking(call) => {
                call.flight.clone().landing().await;
                call.answer()
            }
        }
    }
}

impl Calls {
    pub(super) fn new(
        answers: Answers,
        settings: IntrospectionSettings,
        clock: Arc<dyn Clock>,
    ) -> Arc<Self> {
        let (queue, cache) = (Mutex::default(), Mutex::default());
        let (requests, hits) = (AtomicU64::new(0), AtomicU64::new(0));
        Arc::new(Self {
            answers,
            settings,
            clock,
            queue,
            cache,
            requests,
            hits,
        })
    }

    pub(super) fn begin(self: &Arc<Self>, token: &str) -> Begun {
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
    shared: Arc<Calls>,
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
    shared: &'s Calls,
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
