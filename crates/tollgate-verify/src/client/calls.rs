//! Tokens that the provider is asked about: waiting for their turn, under way, answered.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread;
use std::time::Duration;

use zeroize::Zeroizing;

use super::active_tokens::ActiveTokens;
use super::answers::Answers;
use super::clock::Clock;
use super::flight::Flight;
use super::http::FetchError;
use super::introspection::{IntrospectionError, IntrospectionSettings};
use super::retry::rest_after;
use crate::lock::lock;
use crate::token::VerifiedToken;
use crate::verified::{Hash, hash};

/// Longest token that the provider is asked about, in bytes.
const TOKEN_BYTES_MAX: usize = 16 * 1024;
/// Most bytes of tokens in one request. Escaped they may be twice as many, and that stays far below
/// what providers take: else long tokens of strangers would have a request refused that others share.
const BATCH_BYTES_MAX: usize = TOKEN_BYTES_MAX;
/// A provider that cannot answer at all is left alone for this long …
const COOL_DOWN: Duration = Duration::from_secs(1);
/// … or for as long as it says itself, but for no longer than this.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(60);

/// What is known of a token in the end.
pub(super) type Outcome = Result<Option<VerifiedToken>, IntrospectionError>;

/// What the clones of an introspection client share.
pub(super) struct Calls {
    pub(super) answers: Answers,
    settings: IntrospectionSettings,
    clock: Arc<dyn Clock>,
    queue: Mutex<Queue>,
    active: ActiveTokens,
    pub(super) requests: AtomicU64,
    pub(super) hits: AtomicU64,
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<Arc<Call>>,
    /// Waiting or under way, by hash of the token.
    calls: HashMap<Hash, Arc<Call>>,
    workers: usize,
    /// The last failure that had nothing to do with a token, and until when it stands for the next.
    failure: Option<(FetchError, Duration)>,
}

impl Queue {
    /// Why the provider is not to be asked now.
    fn refusal(&self, now: Duration) -> Option<FetchError> {
        let (error, until) = self.failure.as_ref()?;
        (now < *until).then(|| error.clone())
    }

    /// Whether there is room for another call, once those are gone for which nobody waits any more:
    /// to ask and to leave costs a stranger nothing.
    fn has_room(&mut self, waiting_max: usize) -> bool {
        if self.waiting.len() >= waiting_max {
            let Self { waiting, calls, .. } = self;
            waiting.retain(|call| {
                let is_abandoned = call.is_abandoned();
                if is_abandoned {
                    calls.remove(&call.hash);
                }
                !is_abandoned
            });
        }
        self.waiting.len() < waiting_max
    }

    /// The calls that go into the next request.
    fn next_batch(&mut self, tokens_max: usize) -> Vec<Arc<Call>> {
        let (mut batch, mut bytes) = (Vec::new(), 0);
        while let Some(call) = self.waiting.pop_front() {
            if call.is_abandoned() {
                self.calls.remove(&call.hash);
                continue;
            }
            bytes += call.token.len();
            if !batch.is_empty() && (batch.len() == tokens_max || bytes > BATCH_BYTES_MAX) {
                self.waiting.push_front(call);
                break;
            }
            batch.push(call);
        }
        batch
    }
}

/// One token that the provider is asked about.
pub(super) struct Call {
    token: Zeroizing<String>,
    hash: Hash,
    asked_at: Duration,
    pub(super) flight: Flight,
    outcome: OnceLock<Outcome>,
}

impl Call {
    /// Whether nobody waits for it. To be asked under the lock of the queue, which holds one
    /// reference here and one among the calls.
    fn is_abandoned(self: &Arc<Self>) -> bool {
        Arc::strong_count(self) == 2
    }

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
        let (queue, active) = (Mutex::default(), ActiveTokens::new(&settings));
        let (requests, hits) = (AtomicU64::new(0), AtomicU64::new(0));
        Arc::new(Self {
            answers,
            settings,
            clock,
            queue,
            active,
            requests,
            hits,
        })
    }

    /// How many may wait; who has to be asked about waits at least for a moment.
    pub(super) fn waiting_max(&self) -> usize {
        self.settings.waiting_max.max(1)
    }

    pub(super) fn begin(self: &Arc<Self>, token: &str) -> Begun {
        let is_token =
            token.len() <= TOKEN_BYTES_MAX && token.bytes().all(|b| b.is_ascii_graphic());
        if token.is_empty() || !is_token {
            return Begun::Known(Ok(None));
        }
        let hash = hash(token.as_bytes());
        if let Some(known) = self.active.find(&hash, &*self.clock) {
            self.hits.fetch_add(1, Ordering::Relaxed);
            return Begun::Known(Ok(Some(known)));
        }
        let now = self.clock.elapsed();
        let mut queue = lock(&self.queue);
        if let Some(call) = queue.calls.get(&hash) {
            return Begun::Asking(Arc::clone(call));
        }
        if let Some(error) = queue.refusal(now) {
            return Begun::Known(Err(error.into()));
        }
        if !queue.has_room(self.waiting_max()) {
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
            hash,
            asked_at: now,
            flight: Flight::default(),
            outcome: OnceLock::new(),
        });
        queue.calls.insert(hash, Arc::clone(&call));
        queue.waiting.push_back(Arc::clone(&call));
        Begun::Asking(call)
    }

    /// What a request has brought, for its tokens and for those that come next.
    fn note(&self, outcomes: &[Outcome]) {
        let now = self.clock.elapsed();
        let failure = outcomes.iter().find_map(|outcome| match outcome {
            Err(IntrospectionError::Fetch(error)) if is_of_provider(error) => {
                let rest = rest_after(error, COOL_DOWN, RETRY_AFTER_MAX);
                Some((error.clone(), now.saturating_add(rest)))
            }
            _ => None,
        });
        if failure.is_some() || outcomes.iter().any(Result::is_ok) {
            lock(&self.queue).failure = failure;
        }
    }
}

/// Whether a failure is the provider's, whatever the token. One that a token may have caused must not
/// keep others from being asked about.
fn is_of_provider(error: &FetchError) -> bool {
    matches!(
        error,
        FetchError::Busy { .. } | FetchError::Failed(_) | FetchError::Status(429 | 502..=504)
    )
}

/// Takes calls from the queue until it is empty.
struct Worker {
    shared: Arc<Calls>,
    is_counted: bool,
}

/// What a worker does next.
struct Turn {
    calls: Vec<Arc<Call>>,
    /// Why the provider is not asked.
    refusal: Option<FetchError>,
}

impl Worker {
    fn run(mut self) {
        while let Some(Turn { calls, refusal }) = self.next_turn() {
            let batch = Batch {
                shared: &self.shared,
                calls,
            };
            match refusal {
                Some(error) => batch.refuse(&error),
                None => batch.ask(),
            }
        }
    }

    /// The calls of the next request, or such as need none; without any, the worker is no longer
    /// counted from the very moment that it saw the queue empty, or the next call would wait for it
    /// in vain.
    fn next_turn(&mut self) -> Option<Turn> {
        let Calls {
            answers,
            settings,
            clock,
            ..
        } = &*self.shared;
        let now = clock.elapsed();
        let mut queue = lock(&self.shared.queue);
        if let Some(error) = queue.refusal(now) {
            let calls = std::mem::take(&mut queue.waiting);
            if !calls.is_empty() {
                let (calls, refusal) = (calls.into(), Some(error));
                return Some(Turn { calls, refusal });
            }
        }
        let is_late = |call: &Arc<Call>| now >= call.asked_at.saturating_add(settings.timeout);
        let late = queue
            .waiting
            .iter()
            .take_while(|call| is_late(call))
            .count();
        if late > 0 {
            let (calls, refusal) = (
                queue.waiting.drain(..late).collect(),
                Some(FetchError::TimedOut),
            );
            return Some(Turn { calls, refusal });
        }
        let calls = queue.next_batch(answers.tokens_per_request());
        if calls.is_empty() {
            queue.workers -= 1;
            self.is_counted = false;
            return None;
        }
        let refusal = None;
        Some(Turn { calls, refusal })
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

impl Batch<'_> {
    fn ask(self) {
        let Calls {
            answers,
            active,
            clock,
            requests,
            ..
        } = self.shared;
        requests.fetch_add(1, Ordering::Relaxed);
        let tokens: Vec<&str> = self.calls.iter().map(|call| call.token.as_str()).collect();
        let outcomes = answers.ask(&tokens);
        self.shared.note(&outcomes);
        for (call, outcome) in self.calls.iter().zip(outcomes) {
            if let Ok(Some(token)) = &outcome {
                active.keep(call.hash, token, &**clock);
            }
            // Set once: a call belongs to one batch.
            let _ = call.outcome.set(outcome);
        }
    }

    fn refuse(self, error: &FetchError) {
        for call in &self.calls {
            let _ = call.outcome.set(Err(error.clone().into()));
        }
    }
}

impl Drop for Batch<'_> {
    fn drop(&mut self) {
        for call in &self.calls {
            lock(&self.shared.queue).calls.remove(&call.hash);
            call.flight.land();
        }
    }
}
