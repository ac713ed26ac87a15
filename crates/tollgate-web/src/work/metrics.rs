//! What is counted of a pool's jobs.

use std::sync::{Arc, Weak};
use std::time::Duration;

use super::queue::{Queue, Rejected};
use crate::metrics::{Buckets, CounterFamily, Histogram, Registry, RegistryError};

/// How a job ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Done,
    Panicked,
    Cancelled,
    Aborted,
}

/// In the order of [`Outcome`].
const OUTCOMES: [&str; 4] = ["done", "panicked", "cancelled", "aborted"];
const REASONS: [&str; 3] = ["queue_full", "queue_wait", "shutting_down"];

pub(super) struct WorkMetrics {
    jobs: CounterFamily,
    rejections: CounterFamily,
    waits: Histogram,
    durations: Histogram,
}

impl WorkMetrics {
    /// Registers the families of the pool `name`, which begins their names.
    pub(super) fn register(
        name: &str,
        registry: &Registry,
        queue: &Arc<Queue>,
    ) -> Result<Self, RegistryError> {
        let jobs = registry.counter_family(
            &format!("{name}_jobs_total"),
            "Jobs ended, by how.",
            &[("outcome", &OUTCOMES)],
        )?;
        let rejections = registry.counter_family(
            &format!("{name}_rejections_total"),
            "Jobs not accepted, by cause.",
            &[("reason", &REASONS)],
        )?;
        let waits = registry.histogram(
            &format!("{name}_wait_seconds"),
            "From a job's acceptance to its beginning, in seconds.",
            &Buckets::latency(),
        )?;
        let durations = registry.histogram(
            &format!("{name}_duration_seconds"),
            "From a job's beginning to its end, in seconds.",
            &Buckets::latency(),
        )?;
        let (waiting, running) = (Arc::downgrade(queue), Arc::downgrade(queue));
        registry.gauge_fn(
            &format!("{name}_jobs_waiting"),
            "Jobs that wait for a worker.",
            move || count(load(&waiting).0),
        )?;
        registry.gauge_fn(
            &format!("{name}_jobs_running"),
            "Jobs that run.",
            move || count(load(&running).1),
        )?;
        Ok(Self {
            jobs,
            rejections,
            waits,
            durations,
        })
    }

    pub(super) fn rejected(&self, reason: Rejected) {
        self.rejections.increment([match reason {
            Rejected::QueueFull => 0,
            Rejected::QueueWait => 1,
            Rejected::ShuttingDown => 2,
        }]);
    }

    pub(super) fn begun(&self, waited: Duration) {
        self.waits.observe(waited);
    }

    pub(super) fn ended(&self, outcome: Outcome, took: Duration) {
        self.jobs.increment([outcome as usize]);
        self.durations.observe(took);
    }

    /// Jobs that never began.
    pub(super) fn dropped(&self, jobs: usize) {
        self.jobs.add([Outcome::Aborted as usize], jobs as u64);
    }
}

fn load(queue: &Weak<Queue>) -> (usize, usize) {
    queue.upgrade().map_or((0, 0), |queue| queue.load())
}

fn count(jobs: usize) -> f64 {
    f64::from(u32::try_from(jobs).unwrap_or(u32::MAX))
}
