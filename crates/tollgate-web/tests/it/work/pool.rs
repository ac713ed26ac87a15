//! A pool takes what it has room for, and says how each job ended.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::Notify;
use tollgate_web::metrics::Registry;
use tollgate_web::work::{JobError, Rejected, WorkError, WorkLimits, WorkPool};

use super::{Ends, block_on, start};
use crate::support::{SHORT, STUCK};

#[test]
fn results_come_back_and_panics_are_contained() {
    let fixture = start(1, 10);
    let pool = &fixture.pool;
    block_on(async {
        let panics = pool.submit(async { panic!("on purpose") }).unwrap();
        let waits = pool.submit(async {
            tokio::task::yield_now().await;
            std::thread::current().name().map(ToOwned::to_owned)
        });
        let computes = pool.submit(async { (1..=100).sum::<u32>() }).unwrap();
        assert_eq!(panics.await, Err::<(), _>(JobError::Panicked));
        assert_eq!(waits.unwrap().await.unwrap().as_deref(), Some("work-0"));
        assert_eq!(computes.await, Ok(5050));
        pool.drain(STUCK).await;
    });
    fixture.assert_counted("work_jobs_total{outcome=\"done\"} 2");
    fixture.assert_counted("work_jobs_total{outcome=\"panicked\"} 1");
    fixture.assert_counted("work_duration_seconds_count 3");
    fixture.assert_counted("work_jobs_waiting 0");
    fixture.assert_counted("work_jobs_running 0");
}

#[test]
fn what_does_not_fit_is_rejected() {
    let fixture = start(1, 1);
    let pool = &fixture.pool;
    block_on(async {
        let (running, gate) = fixture.gated().await;
        let waiting = pool.submit(async { 1 }).unwrap();
        assert_eq!(pool.load(), (1, 1));
        assert_eq!(pool.submit(async {}).err(), Some(Rejected::QueueFull));
        let late = pool.submit_within(SHORT, async {}).await;
        assert_eq!(late.err(), Some(Rejected::QueueWait));
        let in_time = pool.submit_within(STUCK, async { 2 });
        let (in_time, ()) = tokio::join!(in_time, async { gate.add_permits(1) });
        assert_eq!(running.await, Ok("passed"));
        assert_eq!(waiting.await, Ok(1));
        assert_eq!(in_time.unwrap().await, Ok(2));
    });
    fixture.assert_counted("work_rejections_total{reason=\"queue_full\"} 1");
    fixture.assert_counted("work_rejections_total{reason=\"queue_wait\"} 1");
}

#[test]
fn a_pool_without_a_queue_takes_one_job_a_worker() {
    let fixture = start(2, 0);
    block_on(async {
        let (first, first_gate) = fixture.gated().await;
        let (second, second_gate) = fixture.gated().await;
        let third = fixture.pool.submit(async {});
        assert_eq!(third.err(), Some(Rejected::QueueFull));
        first_gate.add_permits(1);
        second_gate.add_permits(1);
        assert_eq!((first.await, second.await), (Ok("passed"), Ok("passed")));
        let next = fixture.pool.submit_within(STUCK, async { 3 }).await;
        assert_eq!(next.unwrap().await, Ok(3));
    });
}

#[test]
fn jobs_are_cancelled_with_their_tickets() {
    let fixture = start(1, 10);
    block_on(async {
        let (running, gate) = fixture.gated().await;
        let (began, ran) = (Arc::new(AtomicBool::new(false)), Arc::new(Notify::new()));
        let begins = Arc::clone(&began);
        let never = fixture
            .pool
            .submit(async move { begins.store(true, Ordering::SeqCst) });
        let runs = Arc::clone(&ran);
        let alone = fixture.pool.submit(async move { runs.notify_one() });
        drop(never.unwrap());
        alone.unwrap().detach();
        gate.add_permits(1);
        ran.notified().await;
        assert!(!began.load(Ordering::SeqCst));
        assert_eq!(running.await, Ok("passed"));

        let ended = Arc::new(Notify::new());
        let (begun, ends) = (Arc::new(Notify::new()), Ends(Arc::clone(&ended)));
        let begins = Arc::clone(&begun);
        let hangs = fixture.pool.submit(async move {
            let _ends = ends;
            begins.notify_one();
            std::future::pending::<()>().await;
        });
        begun.notified().await;
        drop(hangs.unwrap());
        ended.notified().await;
        fixture.pool.drain(STUCK).await;
    });
    fixture.assert_counted("work_jobs_total{outcome=\"cancelled\"} 2");
    fixture.assert_counted("work_jobs_total{outcome=\"done\"} 2");
}

#[test]
fn impossible_pools_are_refused() {
    let registry = Registry::new();
    let limits = |workers, queue_max| WorkLimits { workers, queue_max };
    for bad in [
        limits(1025, 0),
        limits(1, (1 << 20) + 1),
        limits(1, usize::MAX),
    ] {
        let refused = WorkPool::start("work", bad, &registry).err();
        assert!(matches!(refused, Some(WorkError::Limits)), "{bad:?}");
    }
    let first = WorkPool::start("work", limits(1, 1), &registry);
    let second = WorkPool::start("work", limits(1, 1), &registry);
    assert!(first.is_ok());
    assert!(matches!(second.err(), Some(WorkError::Metrics(_))));
}
