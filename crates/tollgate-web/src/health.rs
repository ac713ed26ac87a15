//! Readiness: named checks, each with its own time-out and age, in one report.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use serde::Serialize;
use tokio::sync::{Mutex, OwnedMutexGuard};
use tokio::task::JoinHandle;

use crate::unwind::{Panicked, poll_caught};

/// What a check found: a detail for the report, or what is wrong.
pub type CheckOutcome = Result<Option<String>, String>;

type CheckFuture = Pin<Box<dyn Future<Output = CheckOutcome> + Send>>;

/// How a check is run, and what follows from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CheckSettings {
    /// It fails when it takes longer.
    pub timeout: Duration,
    /// How long its result is handed out again: the path is open to anyone, the checks are not
    /// free.
    pub fresh_for: Duration,
    /// Whether the service is ready without it.
    pub importance: Importance,
}

impl Default for CheckSettings {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(2),
            fresh_for: Duration::from_millis(500),
            importance: Importance::Required,
        }
    }
}

/// What a failed check means to the whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Importance {
    /// The service is not ready.
    Required,
    /// The service does without; the report shows it.
    Informative,
}

/// The checks of a process.
#[derive(Default)]
pub struct HealthRegistry {
    checks: RwLock<Vec<Arc<Check>>>,
}

struct Check {
    name: &'static str,
    settings: CheckSettings,
    run: Box<dyn Fn() -> CheckFuture + Send + Sync>,
    /// Held while checking: once at a time, however many ask.
    last: Arc<Mutex<Last>>,
}

/// What a check found last, and when.
type Last = Option<(Instant, CheckReport)>;

/// A check that was asked for.
enum Asked {
    /// Its result is fresh enough.
    Known(CheckReport),
    Running(JoinHandle<CheckReport>),
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
    /// [`Status::Ok`] if every required check passed.
    pub status: Status,
    /// By name.
    pub checks: BTreeMap<&'static str, CheckReport>,
}

impl HealthReport {
    /// Whether every required check passed: 200, else 503.
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

    /// Adds a required check that fails when it takes longer than `timeout`.
    pub fn register<F, C>(&self, name: &'static str, timeout: Duration, check: C)
    where
        F: Future<Output = CheckOutcome> + Send + 'static,
        C: Fn() -> F + Send + Sync + 'static,
    {
        let settings = CheckSettings {
            timeout,
            ..CheckSettings::default()
        };
        self.register_with(name, settings, check);
    }

    /// Adds a check, in place of one with the same name.
    pub fn register_with<F, C>(&self, name: &'static str, settings: CheckSettings, check: C)
    where
        F: Future<Output = CheckOutcome> + Send + 'static,
        C: Fn() -> F + Send + Sync + 'static,
    {
        let check = Arc::new(Check {
            name,
            settings,
            run: Box::new(move || Box::pin(check())),
            last: Arc::default(),
        });
        let mut checks = self.checks.write().unwrap_or_else(PoisonError::into_inner);
        checks.retain(|other| other.name != name);
        checks.push(check);
    }

    /// Runs all checks at once, but those with a result that is fresh enough.
    pub async fn report(&self) -> Arc<HealthReport> {
        let since = Instant::now();
        let checks = self
            .checks
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let asked: Vec<_> = checks.iter().map(Check::ask).collect();
        let mut status = Status::Ok;
        let mut results = BTreeMap::new();
        for (check, asked) in checks.iter().zip(asked) {
            let result = check.result(asked, since).await;
            if check.settings.importance == Importance::Required && result.status != Status::Ok {
                status = Status::Failed;
            }
            results.insert(check.name, result);
        }
        Arc::new(HealthReport {
            status,
            checks: results,
        })
    }
}

impl Check {
    /// `None` while it runs on another's behalf.
    fn ask(self: &Arc<Self>) -> Option<Asked> {
        let last = Arc::clone(&self.last).try_lock_owned().ok()?;
        Some(self.begin(last))
    }

    /// Hands out a fresh result or runs the check in a task of its own, which ends even if the one
    /// who asked does not wait: else whoever asks and leaves would keep a slow check from ever
    /// having a result. Those who find it running have no task.
    fn begin(self: &Arc<Self>, mut last: OwnedMutexGuard<Last>) -> Asked {
        if let Some((made, report)) = last.as_ref()
            && made.elapsed() < self.settings.fresh_for
        {
            return Asked::Known(report.clone());
        }
        let check = Arc::clone(self);
        Asked::Running(tokio::spawn(async move {
            let report = check.run().await;
            *last = Some((Instant::now(), report.clone()));
            report
        }))
    }

    async fn result(self: &Arc<Self>, asked: Option<Asked>, since: Instant) -> CheckReport {
        let asked = match asked {
            Some(asked) => asked,
            None => {
                let last = Arc::clone(&self.last).lock_owned().await;
                match last.as_ref() {
                    // What it was waited for counts, however soon it is stale.
                    Some((made, report)) if *made >= since => return report.clone(),
                    _ => self.begin(last),
                }
            }
        };
        match asked {
            Asked::Known(report) => report,
            // A task is lost only when its runtime ends.
            Asked::Running(running) => running.await.unwrap_or_else(|_| CheckReport::unfinished()),
        }
    }

    async fn run(&self) -> CheckReport {
        let started = Instant::now();
        // Making the future may panic as well as running it.
        let checking = async { (self.run)().await };
        let mut checking = std::pin::pin!(tokio::time::timeout(self.settings.timeout, checking));
        let outcome = std::future::poll_fn(|cx| poll_caught(checking.as_mut(), cx)).await;
        let (status, detail) = match outcome {
            Ok(Ok(Ok(detail))) => (Status::Ok, detail),
            Ok(Ok(Err(wrong))) => (Status::Failed, Some(wrong)),
            Ok(Err(_)) => (Status::Failed, Some("timed out".to_owned())),
            Err(Panicked) => return CheckReport::unfinished(),
        };
        CheckReport {
            status,
            latency_ms: started.elapsed().as_secs_f64() * 1e3,
            detail,
        }
    }
}

impl CheckReport {
    fn unfinished() -> Self {
        Self {
            status: Status::Failed,
            latency_ms: 0.0,
            detail: Some("the check did not finish".to_owned()),
        }
    }
}
