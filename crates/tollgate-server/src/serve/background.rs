//! What goes on beside the requests: keys age, expired records are removed, the clock is watched.

use std::{sync::Arc, time::Duration};

use tokio::{task::spawn_blocking, time::sleep};
use tollgate_api::{
    Clock, SystemEntropy,
    audit::{AuditEvent, AuditSink, key_events},
};
use tollgate_issuer::{Context, Issuer};
use tollgate_jose::Algorithm;
use tollgate_store::Store;

use super::clock_file::ClockFile;
use crate::config::Cleanup;

/// How long to wait after the store did not answer.
const RETRY: Duration = Duration::from_secs(1);
/// Between two steps of a sweep, so that those who wait for a commit get theirs.
const SWEEP_PAUSE: Duration = Duration::from_millis(5);
const CLOCK_INTERVAL: Duration = Duration::from_secs(1);
/// A clock is disciplined by less than this all the time.
const CLOCK_SET_BACK: Duration = Duration::from_millis(500);

/// Makes, publishes and retires signing keys as they come of age. Never ends.
pub(super) async fn keys<S: Store>(
    issuer: Arc<Issuer<S>>,
    clock: Clock,
    audit: Arc<dyn AuditSink>,
) {
    let mut held_back = Vec::new();
    loop {
        let context = Context {
            now: clock.now(),
            entropy: &SystemEntropy,
        };
        let before = issuer.key_ids();
        let pause = match issuer.tick_keys(&context).await {
            Ok(pause) => pause,
            Err(error) => {
                tracing::error!(%error, "failed to look after the signing keys");
                RETRY
            }
        };
        tell_keys(&*audit, &issuer, &context, &before);
        let before = held_back;
        held_back = issuer.rotations_held_back(&context).unwrap_or_default();
        if held_back != before {
            tell_held_back(&held_back);
        }
        sleep(pause).await;
    }
}

/// Tells the audit log of the signing keys that came and went since their ids were `before`.
pub(super) fn tell_keys<S: Store>(
    audit: &dyn AuditSink,
    issuer: &Issuer<S>,
    context: &Context<'_>,
    before: &[String],
) {
    let after = issuer.key_ids();
    let events: Vec<AuditEvent<'_>> = key_events(context.now.wall, before, &after).collect();
    if !events.is_empty() {
        audit.tell(&events);
    }
}

fn tell_held_back(algorithms: &[Algorithm]) {
    if algorithms.is_empty() {
        tracing::info!("signing keys rotate again");
    } else {
        tracing::warn!(
            ?algorithms,
            "as many signing keys are published as validators read; they rotate later than \
             keys.rotate_every says: make it longer, or the life of tokens shorter"
        );
    }
}

/// Removes expired records at each interval. Never ends.
pub(super) async fn cleanup<S: Store>(issuer: Arc<Issuer<S>>, clock: Clock, settings: Cleanup) {
    loop {
        sleep(settings.interval).await;
        let (mut removed, mut steps) = (0_usize, 0_usize);
        loop {
            match issuer.store().sweep(settings.batch_max, clock.now()).await {
                Ok(step) => {
                    removed = removed.saturating_add(step.removed);
                    steps = steps.saturating_add(1);
                    if step.finished {
                        break;
                    }
                }
                Err(error) => {
                    tracing::error!(%error, "failed to remove expired records");
                    break;
                }
            }
            sleep(SWEEP_PAUSE).await;
        }
        if removed > 0 {
            tracing::debug!(removed, steps, "removed expired records");
        }
    }
}

/// Notes the time for the next process. It waits for the disk: not on a thread that requests wait for.
pub(super) fn note_time(clock: &Clock, file: &ClockFile) {
    if let Err(error) = file.write(clock.now()) {
        tracing::warn!(%error, "failed to note the time");
    }
}

/// Tells of a clock that was set back: tokens go on expiring, but new ones carry its time. Never
/// ends.
pub(super) async fn clock(clock: Clock, file: ClockFile) {
    let mut is_back = false;
    let file = Arc::new(file);
    loop {
        sleep(CLOCK_INTERVAL).await;
        let (hand, note) = (clock.clone(), Arc::clone(&file));
        let noted = spawn_blocking(move || note_time(&hand, &note));
        if let Err(error) = noted.await {
            tracing::warn!(%error, "failed to note the time");
        }
        let set_back_by = clock.set_back_by();
        match set_back_by > CLOCK_SET_BACK {
            true if !is_back => {
                is_back = true;
                let seconds = set_back_by.as_secs_f64();
                tracing::warn!(seconds, "the clock was set back; what has expired stays so");
            }
            false if is_back => {
                is_back = false;
                tracing::info!("the clock has caught up");
            }
            _ => {}
        }
    }
}
