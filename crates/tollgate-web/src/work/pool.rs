//! The pool: threads that run one job after another, and its end.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use tokio::runtime::Runtime;
use tokio::sync::watch;

use super::fan_out::fan_out;
use super::job::{JobError, Ticket, job};
use super::metrics::{Outcome, WorkMetrics};
use super::queue::{Queue, Queued, Rejected};
use crate::metrics::{Registry, RegistryError};

const WORKERS_MAX: usize = 1024;
const QUEUE_MAX: usize = 1 << 20;

/// How many jobs run at once, and how many wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct WorkLimits {
    /// Threads, each with one job at a time: 1 to 1024; 0: one a core.
    pub workers: usize,
    /// Jobs that may wait for a worker, at most 1048576.
    pub queue_max: usize,
}

impl Default for WorkLimits {
    fn default() -> Self {
        Self {
            workers: 0,
            queue_max: 1000,
        }
    }
}

/// Why a pool did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WorkError {
    /// More threads or places than there may be.
    #[error("a pool has at most {WORKERS_MAX} workers and {QUEUE_MAX} places in its queue")]
    Limits,
    /// Its metrics could not be registered.
    #[error(transparent)]
    Metrics(#[from] RegistryError),
    /// A thread or its runtime could not be started.
    #[error("failed to start a worker: {0}")]
    Thread(#[from] io::Error),
}

/// How a drain ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WorkDrained {
    /// Jobs that never began, since the time was up.
    pub jobs_dropped: usize,
    /// Jobs that were running when the time was up. They end at their next await; one that blocks
    /// its thread cannot be stopped.
    pub jobs_aborted: usize,
}

/// A pool of workers. Dropping it aborts its jobs; see [`drain`](Self::drain).
pub struct WorkPool(Arc<Shared>);

struct Shared {
    queue: Arc<Queue>,
    metrics: WorkMetrics,
    abort: watch::Sender<bool>,
}

impl WorkPool {
    /// Starts the workers. The names of the pool's threads and metrics begin with `name`.
    ///
    /// # Errors
    /// See [`WorkError`].
    pub fn start(name: &str, limits: WorkLimits, registry: &Registry) -> Result<Self, WorkError> {
        if limits.workers > WORKERS_MAX || limits.queue_max > QUEUE_MAX {
            return Err(WorkError::Limits);
        }
        let workers = match limits.workers {
            0 => thread::available_parallelism().map_or(1, usize::from),
            workers => workers,
        };
        let queue = Arc::new(Queue::new(workers + limits.queue_max));
        let metrics = WorkMetrics::register(name, registry, &queue)?;
        let shared = Arc::new(Shared {
            queue,
            metrics,
            abort: watch::Sender::new(false),
        });
        // Dropped when a later worker cannot be started, it ends the earlier ones.
        let pool = Self(Arc::clone(&shared));
        for index in 0..workers {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()?;
            let shared = Arc::clone(&shared);
            thread::Builder::new()
                .name(format!("{name}-{index}"))
                .spawn(move || shared.work(&runtime))?;
        }
        Ok(pool)
    }

    /// Hands over a job, or rejects it at once.
    ///
    /// The job has its worker's thread for itself and may block it. A job that waits for other jobs
    /// of the same pool can wait for ever: all workers may do the same.
    ///
    /// # Errors
    /// See [`Rejected`].
    pub fn submit<F>(&self, work: F) -> Result<Ticket<F::Output>, Rejected>
    where
        F: Future<Output: Send> + Send + 'static,
    {
        let place = self.0.queue.try_place();
        self.0.push(place, work)
    }

    /// Hands over a job once there is a place for it, within `wait`.
    ///
    /// # Errors
    /// See [`Rejected`].
    pub async fn submit_within<F>(
        &self,
        wait: Duration,
        work: F,
    ) -> Result<Ticket<F::Output>, Rejected>
    where
        F: Future<Output: Send> + Send + 'static,
    {
        let place = self.0.queue.place_within(wait).await;
        self.0.push(place, work)
    }

    /// Runs a list of jobs, at most `at_once` (at least one) of them waiting or running at any time,
    /// and returns their results in the order of the list. Others who wait for a place have their turn
    /// in between; [`submit`](Self::submit), which does not wait, finds one only while `at_once` is
    /// less than there are workers and places. Dropped, it cancels what has not ended.
    pub async fn fan_out<F, L>(&self, at_once: usize, list: L) -> Vec<Result<F::Output, JobError>>
    where
        F: Future<Output: Send> + Send + 'static,
        L: IntoIterator<Item = F>,
    {
        let one = |work| async move {
            let place = self.0.queue.place().await;
            self.0.push(place, work)?.await
        };
        let results = fan_out(at_once, list.into_iter().map(one)).await;
        let flat = |result: Result<_, _>| result.unwrap_or(Err(JobError::Panicked));
        results.into_iter().map(flat).collect()
    }

    /// Jobs that wait, and jobs that run.
    #[must_use]
    pub fn load(&self) -> (usize, usize) {
        self.0.queue.load()
    }

    /// Takes no more jobs, runs those that it has, and aborts what is left when `within` has passed.
    pub async fn drain(&self, within: Duration) -> WorkDrained {
        self.0.queue.close();
        let drained = tokio::time::timeout(within, self.0.queue.idle()).await;
        let (jobs_dropped, jobs_aborted) = match drained {
            Ok(()) => (0, 0),
            Err(_) => self.0.abort(),
        };
        WorkDrained {
            jobs_dropped,
            jobs_aborted,
        }
    }
}

impl Drop for WorkPool {
    fn drop(&mut self) {
        self.0.queue.close();
        self.0.abort();
    }
}

impl Shared {
    fn push<F>(
        &self,
        place: Result<super::queue::Place, Rejected>,
        work: F,
    ) -> Result<Ticket<F::Output>, Rejected>
    where
        F: Future<Output: Send> + Send + 'static,
    {
        let pushed = place.and_then(|place| {
            let (job, ticket) = job(work);
            self.queue.push(job, place).map(|()| ticket)
        });
        pushed.inspect_err(|reason| self.metrics.rejected(*reason))
    }

    fn abort(&self) -> (usize, usize) {
        let (dropped, running) = self.queue.clear();
        self.metrics.dropped(dropped);
        self.abort.send_replace(true);
        (dropped, running)
    }

    /// Runs jobs until there are no more.
    fn work(&self, runtime: &Runtime) {
        while let Some(queued) = self.queue.next() {
            self.run(runtime, queued);
            self.queue.ended();
        }
    }

    fn run(&self, runtime: &Runtime, queued: Queued) {
        let begun = Instant::now();
        let Queued { job, since, place } = queued;
        self.metrics.begun(begun.saturating_duration_since(since));
        let mut abort = self.abort.subscribe();
        let running = async move {
            tokio::select! {
                biased;
                _ = abort.wait_for(|abort| *abort) => Outcome::Aborted,
                outcome = job => outcome,
            }
        };
        // Jobs contain their own panics, but not those of what they drop at their end.
        let outcome = catch_unwind(AssertUnwindSafe(|| runtime.block_on(running)));
        self.metrics
            .ended(outcome.unwrap_or(Outcome::Panicked), begun.elapsed());
        drop(place);
    }
}
