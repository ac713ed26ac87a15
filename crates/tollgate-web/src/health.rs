//! Readiness: named checks, each with its own time-out, in one report.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use serde::Serialize;
use tokio::sync::Mutex;
use tokio::task::JoinSet;

/// What a check found: a detail for the report, or what is wrong.
pub type CheckOutcome = Result<Option<String>, String>;

type CheckFuture = Pin<Box<dyn Future<Output = CheckOutcome> + Send>>;
type Check = Arc<dyn Fn() -> CheckFuture + Send + Sync>;

/// How long a report is handed out again: the path is open to anyone, the checks are not free.
const REPORT_TTL: Duration = Duration::from_millis(500);

/// The checks of a process.
#[derive(Default)]
pub struct HealthRegistry {
    checks: RwLock<Vec<(&'static str, Duration, Check)>>,
    /// Held while checking: one round at a time, however many ask.
    last: Mutex<Option<(Instant, Arc<HealthReport>)>>,
}

/// Whether something may be relied on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// It works.
    Ok,
    /// It does not.
    Failed,
}

/// One check's result.
#[derive(Clone, Debug, Serialize)]
pub struct CheckReport {
    /// Whether it passed.
    pub status: Status,
    /// How long it took, in milliseconds.
    pub latency_ms: f64,
    /// What it had to say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// All checks' results.
#[derive(Clone, Debug, Serialize)]
pub struct HealthReport {
    /// [`Status::Ok`] if every check passed.
    pub status: Status,
    /// By name.
    pub checks: BTreeMap<&'static str, CheckReport>,
}

impl HealthReport {
    /// Whether every check passed: 200, else 503.
    #[must_use]
    pub fn is_ok(&self) -> bool {
        self.status == Status::Ok
    }

    /// `{"status","checks":{name:{"status","latency_ms","detail"}}}`.
    #[must_use]
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).unwrap_or_else(|_| r#"{"status":"failed"}"#.to_owned())
    }
}

impl HealthRegistry {
    /// No checks: always ready.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a check that fails when it takes longer than `timeout`.
    pub fn register<F, C>(&self, name: &'static str, timeout: Duration, check: C)
    where
        F: Future<Output = CheckOutcome> + Send + 'static,
        C: Fn() -> F + Send + Sync + 'static,
    {
        let check: Check = Arc::new(move || Box::pin(check()));
        self.checks
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .push((name, timeout, check));
    }

    /// Runs all checks at once, or hands out a report less than half a second old.
    pub async fn report(&self) -> Arc<HealthReport> {
        let mut last = self.last.lock().await;
        if let Some((made, report)) = last.as_ref()
            && made.elapsed() < REPORT_TTL
        {
            return Arc::clone(report);
        }
        let report = Arc::new(self.run().await);
        *last = Some((Instant::now(), Arc::clone(&report)));
        report
    }

    async fn run(&self) -> HealthReport {
        let checks = self
            .checks
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let mut running = JoinSet::new();
        let mut results = BTreeMap::new();
        for (name, timeout, check) in checks {
            // Stands unless the check says otherwise, so also if it panics.
            let detail = Some("the check did not finish".to_owned());
            results.insert(
                name,
                CheckReport {
                    status: Status::Failed,
                    latency_ms: 0.0,
                    detail,
                },
            );
            running.spawn(async move { (name, run_one(timeout, check).await) });
        }
        while let Some(joined) = running.join_next().await {
            if let Ok((name, result)) = joined {
                results.insert(name, result);
            }
        }
        let all_ok = results.values().all(|result| result.status == Status::Ok);
        let status = if all_ok { Status::Ok } else { Status::Failed };
        HealthReport {
            status,
            checks: results,
        }
    }
}

async fn run_one(timeout: Duration, check: Check) -> CheckReport {
    let started = Instant::now();
    let outcome = tokio::time::timeout(timeout, check()).await;
    let latency_ms = started.elapsed().as_secs_f64() * 1e3;
    let (status, detail) = match outcome {
        Ok(Ok(detail)) => (Status::Ok, detail),
        Ok(Err(wrong)) => (Status::Failed, Some(wrong)),
        Err(_) => (Status::Failed, Some("timed out".to_owned())),
    };
    CheckReport {
        status,
        latency_ms,
        detail,
    }
}
