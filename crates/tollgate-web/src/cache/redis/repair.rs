//! Coming back to a server that was away, with the invalidations that it has missed.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::Shared;
use crate::cache::second_level::Invalidation;

/// Invalidations that are kept one by one; with more, everything goes.
const DEBTS_MAX: usize = 1024;
const RETRY_MIN: Duration = Duration::from_millis(20);

/// The invalidations that the server has not confirmed.
#[derive(Default)]
pub(super) struct Debts(Vec<Invalidation>);

impl Debts {
    pub(super) fn add(&mut self, what: Invalidation) {
        if self.0.contains(&what) {
            return;
        }
        self.0.push(what);
        if self.0.iter().map(count).sum::<usize>() > DEBTS_MAX {
            self.0 = vec![Invalidation::Prefix(String::new())];
        }
    }
}

fn count(what: &Invalidation) -> usize {
    match what {
        Invalidation::Keys(keys) => keys.len(),
        Invalidation::Prefix(_) | Invalidation::Tag(_) => 1,
    }
}

/// Waits for a failure, then for the server, until the task is aborted.
pub(super) async fn run(shared: Arc<Shared>) {
    loop {
        shared.broken.notified().await;
        let mut wait = RETRY_MIN;
        while !mend(&shared).await {
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(shared.config.retry_max);
        }
    }
}

/// Whether the server answers and nothing is owed to it any more.
async fn mend(shared: &Shared) -> bool {
    if shared.command::<()>(&redis::cmd("PING")).await.is_err() {
        return false;
    }
    loop {
        let next = {
            let mut debts = shared.debts.lock();
            match debts.0.pop() {
                Some(what) => what,
                None => {
                    // Under the lock, so that no debt is added in between.
                    shared.usable.store(true, Ordering::Release);
                    return true;
                }
            }
        };
        if shared.remove(&next).await.is_err() {
            shared.debts.lock().add(next);
            return false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debts_are_few_or_everything() {
        let keys = |count: usize, name: &str| {
            Invalidation::Keys((0..count).map(|key| format!("{name}{key}")).collect())
        };
        let all = vec![Invalidation::Prefix(String::new())];
        let mut debts = Debts::default();
        debts.add(keys(DEBTS_MAX, "a"));
        debts.add(keys(DEBTS_MAX, "a"));
        assert_eq!(debts.0, [keys(DEBTS_MAX, "a")]);
        debts.add(keys(1, "b"));
        assert_eq!(debts.0, all);
        debts.add(keys(DEBTS_MAX + 1, "c"));
        assert_eq!(debts.0, all);
    }
}
