//! Taking a lock that somebody may have panicked under.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// The lock, poisoned or not: nothing here leaves the state under one half changed where it can panic.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
