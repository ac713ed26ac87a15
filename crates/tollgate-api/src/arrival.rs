//! Bodies on their way in. Whoever sends one slowly keeps nobody else out: no place among the
//! work in flight is taken before the body is complete, and past a bound of bodies on their way
//! only those that are quick are waited for.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use bytes::Bytes;
use tollgate_web::{OverloadLimits, Rejection, RequestBody, body::collect};

use crate::{call::BodyType, refusal::Refusal};

/// How many times as large as any other body a batch may be: it holds a hundred tokens, and a signed
/// one has more than a kilobyte when it says much.
pub const BATCH_BODIES: usize = 4;

/// Counts the bodies on their way in.
pub(crate) struct Arrivals {
    arriving: AtomicUsize,
    arriving_max: usize,
    /// How long a body may take once there are too many.
    patience: Duration,
    bytes_max: usize,
}

impl Arrivals {
    /// As many bodies of at most `bytes_max` bytes, batches not counted, as requests may be in flight or queued.
    pub(crate) const fn new(limits: OverloadLimits, bytes_max: usize) -> Self {
        Self {
            arriving: AtomicUsize::new(0),
            arriving_max: limits.in_flight_max.saturating_add(limits.queue_max),
            patience: limits.queue_wait,
            bytes_max,
        }
    }

    /// Reads a body whole.
    pub(crate) async fn collect(
        &self,
        body: RequestBody,
        kind: BodyType,
    ) -> Result<Bytes, Refusal> {
        let place = Place::take(self);
        let bytes_max = match kind {
            BodyType::Form => self.bytes_max,
            BodyType::Json => self.bytes_max.saturating_mul(BATCH_BODIES),
        };
        let body = collect(body, bytes_max);
        if place.before < self.arriving_max {
            return Ok(body.await?);
        }
        match tokio::time::timeout(self.patience, body).await {
            Ok(body) => Ok(body?),
            Err(_) => Err(Rejection::QueueFull.into()),
        }
    }
}

struct Place<'a> {
    arrivals: &'a Arrivals,
    before: usize,
}

impl<'a> Place<'a> {
    fn take(arrivals: &'a Arrivals) -> Self {
        Self {
            arrivals,
            before: arrivals.arriving.fetch_add(1, Ordering::Relaxed),
        }
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.arrivals.arriving.fetch_sub(1, Ordering::Relaxed);
    }
}
