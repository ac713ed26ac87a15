//! Readiness: each check at its own pace, one report.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::Notify;
use tollgate_web::{CheckSettings, HealthRegistry, Importance, Status};

use crate::support::{SHORT, STUCK};

fn block_on<F: Future>(future: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async { tokio::time::timeout(STUCK, future).await.unwrap() })
}

fn fresh_for(fresh_for: Duration) -> CheckSettings {
    CheckSettings {
        timeout: STUCK,
        fresh_for,
        importance: Importance::Required,
    }
}

#[test]
fn results_are_kept_as_long_as_each_check_says() {
    let runs = [const { AtomicUsize::new(0) }; 2].map(Arc::new);
    let health = HealthRegistry::new();
    for ((name, fresh), runs) in [("kept", STUCK), ("new", Duration::ZERO)]
        .into_iter()
        .zip(&runs)
    {
        let runs = Arc::clone(runs);
        health.register_with(name, fresh_for(fresh), move || {
            let run = runs.fetch_add(1, Ordering::Relaxed);
            async move { Ok(Some(run.to_string())) }
        });
    }
    block_on(async {
        for round in 0..10 {
            let report = health.report().await;
            assert_eq!(report.checks["kept"].detail.as_deref(), Some("0"));
            assert_eq!(report.checks["new"].detail, Some(round.to_string()));
        }
    });
    assert_eq!(runs.map(|runs| runs.load(Ordering::Relaxed)), [1, 10]);
}

#[test]
fn a_failure_is_kept_too() {
    let runs = Arc::new(AtomicUsize::new(0));
    for panics in [false, true] {
        let (health, counted) = (HealthRegistry::new(), Arc::clone(&runs));
        health.register_with("broken", fresh_for(STUCK), move || {
            counted.fetch_add(1, Ordering::Relaxed);
            async move {
                assert!(!panics, "on purpose");
                Err("broken".to_owned())
            }
        });
        block_on(async {
            for _ in 0..3 {
                assert!(!health.report().await.is_ok());
            }
        });
        assert_eq!(runs.swap(0, Ordering::Relaxed), 1, "{panics}");
    }
}

#[test]
fn many_who_ask_wait_for_one_check() {
    many_ask(STUCK);
    // Also of those who want what is new.
    many_ask(Duration::ZERO);
}

fn many_ask(fresh: Duration) {
    let (health, gate) = (Arc::new(HealthRegistry::new()), Arc::new(Notify::new()));
    let (runs, waits) = (Arc::new(AtomicUsize::new(0)), Arc::clone(&gate));
    let counted = Arc::clone(&runs);
    health.register_with("slow", fresh_for(fresh), move || {
        counted.fetch_add(1, Ordering::Relaxed);
        let waits = Arc::clone(&waits);
        async move {
            waits.notified().await;
            Ok(None)
        }
    });
    block_on(async {
        let ask = || {
            let health = Arc::clone(&health);
            tokio::spawn(async move { health.report().await.is_ok() })
        };
        // One who leaves does not take the check along.
        let impatient = ask();
        while runs.load(Ordering::Relaxed) == 0 {
            tokio::task::yield_now().await;
        }
        impatient.abort();
        assert!(impatient.await.unwrap_err().is_cancelled());
        let patient = [ask(), ask(), ask()];
        // Until they have asked: on one thread, each in its turn.
        tokio::task::yield_now().await;
        gate.notify_one();
        for asked in patient {
            assert!(asked.await.unwrap());
        }
    });
    assert_eq!(runs.load(Ordering::Relaxed), 1);
}

#[test]
fn who_asks_and_leaves_leaves_nothing() {
    let health = HealthRegistry::new();
    health.register_with("stuck", fresh_for(STUCK), || async {
        std::future::pending::<()>().await;
        Ok(None)
    });
    block_on(async {
        for _ in 0..1000 {
            tokio::select! {
                biased;
                _ = health.report() => unreachable!(),
                () = std::future::ready(()) => {}
            }
        }
        // The check itself.
        let tasks = tokio::runtime::Handle::current().metrics();
        assert_eq!(tasks.num_alive_tasks(), 1);
    });
}

#[test]
fn what_is_informative_fails_alone() {
    let check = |importance, status| {
        let health = HealthRegistry::new();
        let settings = CheckSettings {
            importance,
            ..fresh_for(STUCK)
        };
        health.register("fine", STUCK, || async { Ok(None) });
        health.register_with("broken", settings, || async { Err("gone".to_owned()) });
        let report = block_on(health.report());
        assert_eq!(report.status, status);
        assert_eq!(report.checks["broken"].status, Status::Failed);
    };
    check(Importance::Informative, Status::Ok);
    check(Importance::Required, Status::Failed);
}

#[test]
fn time_outs_are_each_checks_own() {
    let health = HealthRegistry::new();
    health.register("stuck", SHORT, std::future::pending);
    // Waits for longer than the other may take.
    health.register("patient", STUCK, || async {
        tokio::time::sleep(SHORT * 2).await;
        Ok(None)
    });
    let report = block_on(health.report());
    assert_eq!(report.checks["stuck"].detail.as_deref(), Some("timed out"));
    assert_eq!(report.checks["patient"].status, Status::Ok);
}

#[test]
fn a_check_replaces_its_namesake() {
    let health = HealthRegistry::new();
    health.register("store", STUCK, || async { Err("old".to_owned()) });
    health.register("store", STUCK, || async { Ok(Some("new".to_owned())) });
    let report = block_on(health.report());
    assert!(report.is_ok());
    assert_eq!(report.checks["store"].detail.as_deref(), Some("new"));
}
