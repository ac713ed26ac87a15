//! Lists of jobs: results in order, a bound on how many run, and an end with their caller.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Notify;
use tollgate_web::work::{JobError, JobPanicked, fan_out};

use super::{Ends, block_on, start};
use crate::support::STUCK;

#[test]
fn results_stand_in_the_order_of_the_list() {
    let one = |n: usize| async move {
        // The first ones take the longest.
        for _ in n..20 {
            tokio::task::yield_now().await;
        }
        assert_ne!(n, 7, "on purpose");
        n
    };
    let expected: Vec<_> = (0..20)
        .map(|n| if n == 7 { Err(JobPanicked) } else { Ok(n) })
        .collect();
    for at_once in [0, 1, 3, 20, usize::MAX] {
        let results = block_on(fan_out(at_once, (0..20).map(one)));
        assert_eq!(results, expected, "{at_once}");
    }
    let none: [std::future::Ready<()>; 0] = [];
    assert_eq!(block_on(fan_out(3, none)), []);
}

#[test]
fn no_more_run_than_may() {
    let (running, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let one = async || {
        let now = running.fetch_add(1, Ordering::SeqCst) + 1;
        most.fetch_max(now, Ordering::SeqCst);
        tokio::task::yield_now().await;
        running.fetch_sub(1, Ordering::SeqCst);
    };
    block_on(fan_out(3, (0..50).map(|_| one())));
    assert_eq!(most.load(Ordering::SeqCst), 3);
}

#[test]
fn a_pool_works_through_more_than_it_has_room_for() {
    let fixture = start(2, 0);
    let list = |n: usize| async move {
        tokio::task::yield_now().await;
        assert_ne!(n, 7, "on purpose");
        n
    };
    let results = block_on(fixture.pool.fan_out(10, (0..50).map(list)));
    for (n, result) in results.into_iter().enumerate() {
        let expected = if n == 7 {
            Err(JobError::Panicked)
        } else {
            Ok(n)
        };
        assert_eq!(result, expected);
    }
}

#[test]
fn a_list_is_cancelled_with_its_caller() {
    let fixture = start(2, 4);
    block_on(async {
        let (begun, ended) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let hang = |_| {
            let (begun, ends) = (Arc::clone(&begun), Ends(Arc::clone(&ended)));
            async move {
                let _ends = ends;
                begun.notify_one();
                std::future::pending::<()>().await;
            }
        };
        {
            let list = std::pin::pin!(fixture.pool.fan_out(2, (0..100).map(hang)));
            tokio::select! {
                _ = list => panic!("nothing ends these"),
                () = begun.notified() => {}
            }
        }
        ended.notified().await;
        let drained = fixture.pool.drain(STUCK).await;
        assert_eq!((drained.jobs_dropped, drained.jobs_aborted), (0, 0));
    });
    fixture.assert_counted("work_jobs_total{outcome=\"cancelled\"} 2");
}

#[test]
fn a_list_meets_the_end_of_its_pool() {
    let fixture = start(1, 0);
    block_on(async {
        fixture.pool.drain(STUCK).await;
        let results = fixture
            .pool
            .fan_out(2, (0..3).map(|n| async move { n }))
            .await;
        assert_eq!(results.len(), 3);
        for result in results {
            assert!(matches!(result, Err(JobError::Rejected(_))), "{result:?}");
        }
    });
}
