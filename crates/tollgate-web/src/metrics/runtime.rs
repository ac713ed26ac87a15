//! Figures of the Tokio runtimes of a process, each of which is told of by the thread that runs it.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::runtime::{Handle, RuntimeMetrics};

use super::{Registry, RegistryError};

type Figure = fn(&RuntimeMetrics) -> usize;

/// The runtimes whose figures are summed.
#[derive(Clone, Default)]
pub struct Runtimes(Arc<Mutex<Known>>);

#[derive(Default)]
struct Known {
    next: u64,
    runtimes: Vec<(u64, RuntimeMetrics)>,
    /// Of runtimes that have ended: their counters do not go back.
    ended: Counters,
}

#[derive(Clone, Copy, Default)]
struct Counters {
    busy: Duration,
    parks: u64,
}

/// A runtime counts until this is dropped.
#[must_use = "the runtime counts until this is dropped"]
pub struct CountedRuntime {
    runtimes: Runtimes,
    id: u64,
}

impl Runtimes {
    /// Registers `tokio_*`, summed over the runtimes that are [added](Self::add).
    ///
    /// # Errors
    /// See [`RegistryError`].
    pub fn register(registry: &Registry) -> Result<Self, RegistryError> {
        let runtimes = Self::default();
        let gauges: [(&str, &str, Figure); 3] = [
            (
                "tokio_workers",
                "Threads that run tasks.",
                RuntimeMetrics::num_workers,
            ),
            (
                "tokio_alive_tasks",
                "Tasks that have not ended.",
                RuntimeMetrics::num_alive_tasks,
            ),
            (
                "tokio_global_queue_depth",
                "Tasks woken from other threads that wait to run.",
                RuntimeMetrics::global_queue_depth,
            ),
        ];
        for (name, help, figure) in gauges {
            let read = runtimes.clone();
            registry.gauge_fn(name, help, move || {
                let sum: usize = read.0.lock().each().map(figure).sum();
                f64::from(u32::try_from(sum).unwrap_or(u32::MAX))
            })?;
        }
        let read = runtimes.clone();
        registry.counter_fn(
            "tokio_worker_busy_seconds_total",
            "Time that workers spent running tasks, in seconds.",
            move || read.0.lock().counters().busy.as_secs_f64(),
        )?;
        let read = runtimes.clone();
        registry.counter_fn(
            "tokio_worker_parks_total",
            "Times that a worker had nothing to do.",
            move || exposed(read.0.lock().counters().parks),
        )?;
        Ok(runtimes)
    }

    /// Counts the runtime of this handle.
    pub fn add(&self, runtime: &Handle) -> CountedRuntime {
        let mut known = self.0.lock();
        let id = known.next;
        known.next += 1;
        known.runtimes.push((id, runtime.metrics()));
        CountedRuntime {
            runtimes: self.clone(),
            id,
        }
    }
}

impl Drop for CountedRuntime {
    fn drop(&mut self) {
        let mut known = self.runtimes.0.lock();
        let gone = known.runtimes.iter().position(|(id, _)| *id == self.id);
        if let Some(gone) = gone {
            let (_, runtime) = known.runtimes.swap_remove(gone);
            known.ended = known.ended.plus(&runtime);
        }
    }
}

impl Known {
    fn each(&self) -> impl Iterator<Item = &RuntimeMetrics> {
        self.runtimes.iter().map(|(_, runtime)| runtime)
    }

    fn counters(&self) -> Counters {
        self.each().fold(self.ended, Counters::plus)
    }
}

impl Counters {
    fn plus(self, runtime: &RuntimeMetrics) -> Self {
        (0..runtime.num_workers()).fold(self, |sum, worker| Self {
            busy: sum.busy + runtime.worker_total_busy_duration(worker),
            parks: sum.parks.wrapping_add(runtime.worker_park_count(worker)),
        })
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "the exposition format has floats alone"
)]
fn exposed(count: u64) -> f64 {
    count as f64
}
