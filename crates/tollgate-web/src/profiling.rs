//! CPU and heap profiles that `go tool pprof` and `pprof` open. Taking one costs the process a few
//! percent while it lasts, so one at a time.

use std::time::Duration;

use pprof::protos::Message;
use tokio::sync::{Mutex, TryLockError};

/// Samples a second: a prime, so that nothing periodic hides between two of them.
const SAMPLES_PER_SECOND: i32 = 99;
const SECONDS_MAX: u64 = 120;

static RUNNING: Mutex<()> = Mutex::const_new(());

/// Why there is no profile.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProfileError {
    /// Another profile is being taken.
    #[error("a profile is being taken already")]
    Busy(#[from] TryLockError),
    /// Zero seconds, or more than two minutes.
    #[error("a CPU profile lasts 1 to {SECONDS_MAX} seconds")]
    Duration,
    /// The process's allocator is not jemalloc with profiling switched on (`prof:true`).
    #[error("the heap is not profiled in this process")]
    HeapNotProfiled,
    /// The profiler failed.
    #[error("failed to take the profile: {0}")]
    Failed(String),
}

fn failed(error: &impl ToString) -> ProfileError {
    ProfileError::Failed(error.to_string())
}

/// Samples where the process spends its time, for `seconds`; returns a pprof protobuf.
///
/// # Errors
/// See [`ProfileError`].
pub async fn cpu_profile(seconds: u64) -> Result<Vec<u8>, ProfileError> {
    if !(1..=SECONDS_MAX).contains(&seconds) {
        return Err(ProfileError::Duration);
    }
    let _running = RUNNING.try_lock()?;
    let guard = pprof::ProfilerGuardBuilder::default()
        .frequency(SAMPLES_PER_SECOND)
        // The unwinder is not safe to run inside these.
        .blocklist(&["libc", "libgcc", "pthread", "vdso"])
        .build()
        .map_err(|error| failed(&error))?;
    tokio::time::sleep(Duration::from_secs(seconds)).await;
    // Looking up symbols takes long and must not hold up a serving thread.
    tokio::task::spawn_blocking(move || {
        let profile = guard
            .report()
            .build()
            .and_then(|report| report.pprof())
            .map_err(|error| failed(&error))?;
        Ok(profile.encode_to_vec())
    })
    .await
    .map_err(|error| failed(&error))?
}

/// What lives on the heap and who allocated it, since profiling was switched on; returns a
/// gzipped pprof protobuf.
///
/// # Errors
/// See [`ProfileError`].
pub async fn heap_profile() -> Result<Vec<u8>, ProfileError> {
    let _running = RUNNING.try_lock()?;
    // It panics in a process whose jemalloc was built without profiling.
    let control = std::panic::catch_unwind(|| jemalloc_pprof::PROF_CTL.as_ref());
    let control = control
        .ok()
        .flatten()
        .ok_or(ProfileError::HeapNotProfiled)?;
    let control = std::sync::Arc::clone(control);
    tokio::task::spawn_blocking(move || {
        let mut control = control.blocking_lock();
        if !control.activated() {
            return Err(ProfileError::HeapNotProfiled);
        }
        control.dump_pprof().map_err(|error| failed(&error))
    })
    .await
    .map_err(|error| failed(&error))?
}
