//! A pool ends with its work done, or says what was not.

use std::sync::Arc;
use std::sync::mpsc;
use std::time::Duration;

use tokio::sync::Notify;
use tollgate_web::work::{JobError, Rejected, WorkDrained};

use super::{Ends, block_on, start};
use crate::support::{SHORT, STUCK};

const ALL_DONE: WorkDrained = WorkDrained {
    jobs_dropped: 0,
    jobs_aborted: 0,
};

#[test]
fn a_drain_does_what_was_accepted_and_takes_no_more() {
    let fixture = start(1, 10);
    block_on(async {
        let (running, gate) = fixture.gated().await;
        let waiting = fixture.pool.submit(async { 1 }).unwrap();
        let drain = fixture.pool.drain(STUCK);
        let meanwhile = async {
            // The drain is polled first, so it has begun.
            let late = fixture.pool.submit(async {}).err();
            let waits = fixture.pool.submit_within(STUCK, async {}).await.err();
            gate.add_permits(1);
            (late, waits)
        };
        let shut = Some(Rejected::ShuttingDown);
        let (drained, rejected) = tokio::join!(biased; drain, meanwhile);
        assert_eq!(drained, ALL_DONE);
        assert_eq!(rejected, (shut, shut));
        assert_eq!((running.await, waiting.await), (Ok("passed"), Ok(1)));
        assert_eq!(fixture.pool.drain(Duration::ZERO).await, ALL_DONE);
    });
    fixture.assert_counted("work_rejections_total{reason=\"shutting_down\"} 2");
}

#[test]
fn a_drain_does_not_wait_for_ever() {
    let fixture = start(1, 10);
    block_on(async {
        let (running, _gate) = fixture.gated().await;
        let waiting = fixture.pool.submit(async { 1 }).unwrap();
        let drained = fixture.pool.drain(SHORT).await;
        let expected = WorkDrained {
            jobs_dropped: 1,
            jobs_aborted: 1,
        };
        assert_eq!(drained, expected);
        assert_eq!(running.await, Err(JobError::Aborted));
        assert_eq!(waiting.await, Err(JobError::Aborted));
        fixture.pool.drain(STUCK).await;
    });
    fixture.assert_counted("work_jobs_total{outcome=\"aborted\"} 2");
}

#[test]
fn a_drain_leaves_a_job_behind_that_blocks_its_thread() {
    let fixture = start(1, 0);
    let (release, blocked) = mpsc::sync_channel::<()>(1);
    block_on(async {
        let (begun, begins) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let (told, ended) = (Arc::clone(&begun), Ends(Arc::clone(&begins)));
        let ticket = fixture.pool.submit(async move {
            let _ended = ended;
            told.notify_one();
            blocked.recv().unwrap();
        });
        begun.notified().await;
        assert_eq!(fixture.pool.drain(SHORT).await.jobs_aborted, 1);
        release.send(()).unwrap();
        // It ran to its end all the same.
        begins.notified().await;
        ticket.unwrap().await.unwrap();
    });
}

#[test]
fn a_dropped_pool_aborts_its_jobs() {
    let fixture = start(1, 1);
    block_on(async {
        let (running, _gate) = fixture.gated().await;
        let waiting = fixture.pool.submit(async {}).unwrap();
        drop(fixture);
        assert_eq!(running.await, Err(JobError::Aborted));
        assert_eq!(waiting.await, Err(JobError::Aborted));
    });
}
