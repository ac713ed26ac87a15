//! Counters by name: in memory, or shared by several instances.

use std::sync::Arc;

use super::config::{CacheConfig, CacheError, EntryOptions, KEY_BYTES_MAX};
use super::local::LocalCache;
use super::second_level::SecondLevel;
use super::statistics::CacheStatistics;

/// Counters that begin at zero and die at the age of [`CacheConfig::ttl`] or of their first
/// addition. In memory they may also be pushed out by others: count nothing here that must not be
/// forgotten.
#[derive(Clone)]
pub struct Counters(Arc<Inner>);

struct Inner {
    local: LocalCache<i64>,
    shared: Option<Arc<dyn SecondLevel>>,
}

impl Counters {
    /// Counters of this process.
    #[must_use]
    pub fn local(config: CacheConfig) -> Self {
        Self(Arc::new(Inner {
            local: LocalCache::new(config),
            shared: None,
        }))
    }

    /// Counters that stand in `level` alone, so that every instance sees the same.
    #[must_use]
    pub fn shared(config: CacheConfig, level: Arc<dyn SecondLevel>) -> Self {
        Self(Arc::new(Inner {
            local: LocalCache::new(config),
            shared: Some(level),
        }))
    }

    /// Adds `by` in one step and returns the sum. The age in `options` counts for the first addition
    /// alone; tags do nothing here.
    ///
    /// # Errors
    /// [`CacheError::CounterOverflow`], which changes nothing; [`CacheError::Unavailable`], after
    /// which the addition may have happened; [`CacheError::TooLong`].
    pub async fn add(
        &self,
        key: &str,
        by: i64,
        options: EntryOptions<'_>,
    ) -> Result<i64, CacheError> {
        if key.len() > KEY_BYTES_MAX {
            return Err(CacheError::TooLong);
        }
        let local = &self.0.local;
        let Some(level) = &self.0.shared else {
            let life = local.life(&options).ok_or(CacheError::TooLong)?;
            return local.update(key, life, |before| {
                let before = before.copied().unwrap_or(0);
                before.checked_add(by).ok_or(CacheError::CounterOverflow)
            });
        };
        let ttl = options.ttl.unwrap_or(local.ttl());
        let sum = level.add(key, by, ttl).await?;
        sum.ok_or(CacheError::CounterOverflow)
    }

    /// The sum, which is zero for a counter that nothing was added to.
    ///
    /// # Errors
    /// As [`add`](Self::add).
    pub async fn value(&self, key: &str) -> Result<i64, CacheError> {
        match self.0.shared {
            Some(_) => self.add(key, 0, EntryOptions::default()).await,
            None => Ok(self.0.local.get(key).unwrap_or(0)),
        }
    }

    /// What the counters in memory take and how they were used.
    #[must_use]
    pub fn statistics(&self) -> CacheStatistics {
        let mut sum = CacheStatistics::default();
        self.0.local.count(&mut sum);
        sum
    }
}
