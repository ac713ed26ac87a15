//! The stages of a shutdown, from accepting no more to cutting off what is left.

use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use tokio::sync::{Notify, oneshot};
use tokio::time::{Instant, sleep_until, timeout_at};

use super::state::Shared;

/// How long a connection between two requests is kept for the request that may be on its way.
const IDLE_GRACE: Duration = Duration::from_millis(500);

/// What a server does with connections; only ever moves forward.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Stage {
    /// Everything is served.
    Serving,
    /// Listeners close; each connection's next answer is its last.
    Draining,
    /// Connections without a request are closed.
    Closing,
    /// Everything is cut off.
    Aborting,
}

/// The current stage, and who wants to hear of the next.
pub(super) struct Drain {
    stage: AtomicU8,
    pub(super) changed: Notify,
}

impl Drain {
    pub(super) fn new() -> Self {
        Self {
            stage: AtomicU8::new(Stage::Serving as u8),
            changed: Notify::new(),
        }
    }

    #[inline]
    pub(super) fn stage(&self) -> Stage {
        match self.stage.load(Ordering::Relaxed) {
            0 => Stage::Serving,
            1 => Stage::Draining,
            2 => Stage::Closing,
            _ => Stage::Aborting,
        }
    }

    pub(super) fn enter(&self, stage: Stage) {
        self.stage.store(stage as u8, Ordering::SeqCst);
        self.changed.notify_waiters();
    }

    /// Resolves once this stage, or a later one, has been entered.
    pub(super) async fn reached(&self, stage: Stage) {
        loop {
            let mut changed = std::pin::pin!(self.changed.notified());
            changed.as_mut().enable();
            if self.stage() >= stage {
                return;
            }
            changed.await;
        }
    }
}

/// Walks through the stages until all threads have ended; returns how many connections had to be
/// cut off.
pub(super) async fn drain(shared: &Shared, threads: Vec<oneshot::Receiver<()>>) -> usize {
    let deadline = Instant::now() + shared.config.drain_timeout;
    let mut ended = std::pin::pin!(async {
        for thread in threads {
            // A thread ends by dropping its sender.
            let _ = thread.await;
        }
    });
    shared.drain.enter(Stage::Draining);
    let grace = deadline.min(Instant::now() + IDLE_GRACE);
    if timeout_at(grace, ended.as_mut()).await.is_ok() {
        return 0;
    }
    sleep_until(grace).await;
    shared.drain.enter(Stage::Closing);
    if timeout_at(deadline, ended.as_mut()).await.is_ok() {
        return 0;
    }
    let aborted = shared.connections_open();
    shared.drain.enter(Stage::Aborting);
    ended.await;
    aborted
}
