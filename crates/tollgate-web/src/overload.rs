//! Admission: bounded work, a bounded queue before it, a bounded wait in the queue. It answers
//! nothing itself; the handler asks before it works, and health routes do not ask.

use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::Notify;

use crate::metrics::{CounterFamily, Registry, RegistryError};

/// How much may be in flight, how much may wait for it, and how long; read like
/// [`ServerConfig`](crate::ServerConfig).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct OverloadLimits {
    /// Requests worked on at once; with 0 every one is turned away once it has waited.
    pub in_flight_max: usize,
    /// Requests waiting to be worked on.
    pub queue_max: usize,
    /// How long one may wait.
    #[serde(with = "crate::duration")]
    pub queue_wait: Duration,
}

impl Default for OverloadLimits {
    fn default() -> Self {
        Self {
            in_flight_max: 1000,
            queue_max: 1000,
            queue_wait: Duration::from_millis(100),
        }
    }
}

/// The gate before the work; one for all threads of a process.
pub struct Overload {
    limits: OverloadLimits,
    in_flight: AtomicUsize,
    queued: AtomicUsize,
    freed: Notify,
    rejections: CounterFamily,
}

/// The right to work; gives its place back when dropped.
#[must_use = "the place is given back at once"]
pub struct Permit<G: Deref<Target = Overload>>(G);

/// Why a request was turned away; the answer is 503 with `Retry-After`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// As many wait as may.
    #[error("the queue is full")]
    QueueFull,
    /// No place became free in time.
    #[error("waited too long in the queue")]
    QueueWait,
}

/// In the order of [`Rejection`].
const REASONS: [&str; 2] = ["queue_full", "queue_wait"];

impl Overload {
    /// A gate, its rejections counted as `overload_rejections_total{reason}`.
    ///
    /// # Errors
    /// See [`RegistryError`].
    pub fn new(limits: OverloadLimits, registry: &Registry) -> Result<Self, RegistryError> {
        let rejections = registry.counter_family(
            "overload_rejections_total",
            "Requests turned away because too much was in flight.",
            &[("reason", &REASONS)],
        )?;
        let (in_flight, queued) = (AtomicUsize::new(0), AtomicUsize::new(0));
        Ok(Self {
            limits,
            in_flight,
            queued,
            freed: Notify::new(),
            rejections,
        })
    }

    /// Waits for a place, within the bounds.
    ///
    /// # Errors
    /// See [`Rejection`].
    #[inline]
    pub async fn admit(&self) -> Result<Permit<&Self>, Rejection> {
        if self.takes_at_once() {
            return Ok(Permit(self));
        }
        self.wait().await
    }

    /// A place if there is one without waiting.
    pub fn admit_at_once(self: &Arc<Self>) -> Option<Permit<Arc<Self>>> {
        self.takes_at_once().then(|| Permit(Arc::clone(self)))
    }

    /// Requests with a permit, and requests waiting for one.
    #[must_use]
    pub fn load(&self) -> (usize, usize) {
        (
            self.in_flight.load(Ordering::Relaxed),
            self.queued.load(Ordering::Relaxed),
        )
    }

    /// Whether a place was free and is taken. Those who wait come before those who arrive.
    fn takes_at_once(&self) -> bool {
        if self.queued.load(Ordering::SeqCst) != 0 {
            return false;
        }
        let taken = self.in_flight.fetch_add(1, Ordering::SeqCst);
        let is_free = taken < self.limits.in_flight_max;
        if !is_free {
            self.give_back();
        }
        is_free
    }

    /// Gives a place back and wakes whoever waits for it, or missed it while it was looked at.
    fn give_back(&self) {
        self.in_flight.fetch_sub(1, Ordering::SeqCst);
        if self.queued.load(Ordering::SeqCst) > 0 {
            self.freed.notify_one();
        }
    }

    async fn wait(&self) -> Result<Permit<&Self>, Rejection> {
        let Some(_place) = QueuePlace::take(self) else {
            return Err(self.reject(Rejection::QueueFull));
        };
        let permit = async {
            loop {
                let mut freed = std::pin::pin!(self.freed.notified());
                // Listen first, then look: a place freed in between wakes us.
                freed.as_mut().enable();
                if let Some(permit) = self.try_take_queued() {
                    return permit;
                }
                freed.await;
            }
        };
        let permit = tokio::time::timeout(self.limits.queue_wait, permit).await;
        permit.map_err(|_| self.reject(Rejection::QueueWait))
    }

    /// Takes a place only if one is free, so that waiters never wake each other in circles.
    fn try_take_queued(&self) -> Option<Permit<&Self>> {
        let free = |taken: usize| (taken < self.limits.in_flight_max).then(|| taken + 1);
        self.in_flight
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, free)
            .ok()
            .map(|_| Permit(self))
    }

    fn reject(&self, rejection: Rejection) -> Rejection {
        self.rejections.increment([rejection as usize]);
        rejection
    }
}

impl<G: Deref<Target = Overload>> Drop for Permit<G> {
    #[inline]
    fn drop(&mut self) {
        self.0.give_back();
    }
}

struct QueuePlace<'a>(&'a Overload);

impl<'a> QueuePlace<'a> {
    fn take(overload: &'a Overload) -> Option<Self> {
        let waiting = overload.queued.fetch_add(1, Ordering::SeqCst);
        let place = Self(overload);
        (waiting < overload.limits.queue_max).then_some(place)
    }
}

impl Drop for QueuePlace<'_> {
    fn drop(&mut self) {
        self.0.queued.fetch_sub(1, Ordering::SeqCst);
    }
}
