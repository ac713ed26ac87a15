//! Work off the request: pools and lists of jobs.

mod ending;
mod fan_out;
mod pool;

use std::sync::Arc;

use tokio::sync::{Notify, Semaphore};
use tollgate_web::metrics::Registry;
use tollgate_web::work::{Ticket, WorkLimits, WorkPool};

use crate::support::STUCK;

fn block_on<F: Future>(future: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async { tokio::time::timeout(STUCK, future).await.unwrap() })
}

/// A pool and what it counts.
struct Fixture {
    pool: WorkPool,
    registry: Registry,
}

fn start(workers: usize, queue_max: usize) -> Fixture {
    let registry = Registry::new();
    let limits = WorkLimits { workers, queue_max };
    let pool = WorkPool::start("work", limits, &registry).unwrap();
    Fixture { pool, registry }
}

impl Fixture {
    fn assert_counted(&self, line: &str) {
        let rendered = self.registry.render();
        assert!(
            rendered.lines().any(|rendered| rendered == line),
            "no `{line}` in:\n{rendered}"
        );
    }

    /// A job that has begun and goes on when told.
    async fn gated(&self) -> (Ticket<&'static str>, Arc<Semaphore>) {
        let (begun, gate) = (Arc::new(Notify::new()), Arc::new(Semaphore::new(0)));
        let (told, waits) = (Arc::clone(&begun), Arc::clone(&gate));
        let ticket = self.pool.submit(async move {
            told.notify_one();
            let _passed = waits.acquire().await.unwrap();
            "passed"
        });
        begun.notified().await;
        (ticket.unwrap(), gate)
    }
}

/// Tells when it is dropped.
struct Ends(Arc<Notify>);

impl Drop for Ends {
    fn drop(&mut self) {
        self.0.notify_one();
    }
}
