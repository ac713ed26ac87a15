//! The bounded queue between those who submit jobs and the workers.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, TryAcquireError};

use super::job::Job;

/// Why a job was not accepted; over HTTP the answer is 503 with `Retry-After`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Rejected {
    /// All workers are busy and as many jobs wait as may.
    #[error("the queue is full")]
    QueueFull,
    /// No place became free in time.
    #[error("waited too long for a place in the queue")]
    QueueWait,
    /// The pool takes no more jobs.
    #[error("the pool is shutting down")]
    ShuttingDown,
}

/// A place in the pool, held from before a job waits until it has ended.
pub(super) type Place = OwnedSemaphorePermit;

/// A job that waits for a worker.
pub(super) struct Queued {
    pub(super) job: Job,
    pub(super) since: Instant,
    pub(super) place: Place,
}

/// The jobs that wait, and how many run.
pub(super) struct Queue {
    /// One for each worker and one for each job that may wait.
    places: Arc<Semaphore>,
    state: Mutex<State>,
    /// Wakes workers: a job came, or none will.
    changed: Condvar,
    idle: Notify,
}

#[derive(Default)]
struct State {
    jobs: VecDeque<Queued>,
    running: usize,
    closed: bool,
}

impl State {
    fn is_idle(&self) -> bool {
        self.running == 0 && self.jobs.is_empty()
    }
}

impl Queue {
    pub(super) fn new(places: usize) -> Self {
        Self {
            places: Arc::new(Semaphore::new(places)),
            state: Mutex::default(),
            changed: Condvar::new(),
            idle: Notify::new(),
        }
    }

    /// A place, if one is free.
    pub(super) fn try_place(&self) -> Result<Place, Rejected> {
        let place = Arc::clone(&self.places).try_acquire_owned();
        place.map_err(|error| match error {
            TryAcquireError::NoPermits => Rejected::QueueFull,
            TryAcquireError::Closed => Rejected::ShuttingDown,
        })
    }

    /// A place, once one is free.
    pub(super) async fn place(&self) -> Result<Place, Rejected> {
        let place = Arc::clone(&self.places).acquire_owned().await;
        place.map_err(|_| Rejected::ShuttingDown)
    }

    /// A place, if one becomes free in time.
    pub(super) async fn place_within(&self, wait: Duration) -> Result<Place, Rejected> {
        let place = tokio::time::timeout(wait, self.place()).await;
        place.unwrap_or(Err(Rejected::QueueWait))
    }

    /// Adds a job; its place bounds the queue.
    pub(super) fn push(&self, job: Job, place: Place) -> Result<(), Rejected> {
        let since = Instant::now();
        let mut state = self.state.lock();
        if state.closed {
            return Err(Rejected::ShuttingDown);
        }
        state.jobs.push_back(Queued { job, since, place });
        drop(state);
        self.changed.notify_one();
        Ok(())
    }

    /// The next job, which then counts as running; `None` when there will be none.
    pub(super) fn next(&self) -> Option<Queued> {
        let mut state = self.state.lock();
        loop {
            if let Some(queued) = state.jobs.pop_front() {
                state.running += 1;
                return Some(queued);
            }
            if state.closed {
                return None;
            }
            self.changed.wait(&mut state);
        }
    }

    /// A running job has ended.
    pub(super) fn ended(&self) {
        let mut state = self.state.lock();
        state.running -= 1;
        if state.is_idle() {
            self.idle.notify_waiters();
        }
    }

    /// Takes no more jobs.
    pub(super) fn close(&self) {
        self.places.close();
        self.state.lock().closed = true;
        self.changed.notify_all();
    }

    /// Resolves when no job waits or runs.
    pub(super) async fn idle(&self) {
        loop {
            let mut idle = std::pin::pin!(self.idle.notified());
            // Listen first, then look: the last job may end in between.
            idle.as_mut().enable();
            if self.state.lock().is_idle() {
                return;
            }
            idle.await;
        }
    }

    /// Drops the jobs that wait; returns how many, and how many run.
    pub(super) fn clear(&self) -> (usize, usize) {
        let (dropped, running) = {
            let mut state = self.state.lock();
            (std::mem::take(&mut state.jobs), state.running)
        };
        // What a job owns is dropped outside the lock: it may submit another.
        (dropped.len(), running)
    }

    /// Jobs that wait and jobs that run.
    pub(super) fn load(&self) -> (usize, usize) {
        let state = self.state.lock();
        (state.jobs.len(), state.running)
    }
}
