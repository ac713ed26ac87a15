//! The application cache: the first level, and the second one behind it if there is one.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use bytes::Bytes;

use super::config::{CacheConfig, CacheError, EntryOptions, KEY_BYTES_MAX};
use super::local::{Life, LocalCache, Ticket};
use super::pending::DependsOn;
use super::second_level::{
    Encode, FillKind, Invalidation, InvalidationListener, SecondLevel, SharedEntry, SharedRead,
    SharedTicket, Unavailable,
};
use super::statistics::CacheStatistics;
use super::tags;
use crate::weigh::Weigh;

/// A cache of values by name. Its clones are the same cache.
///
/// Give a value that is large or dear to clone as an `Arc`.
pub struct Cache<V>(pub(super) Arc<Inner<V>>);

pub(super) struct Inner<V> {
    pub(super) local: LocalCache<V>,
    pub(super) second: Option<Second<V>>,
    pub(super) counts: Counts,
}

/// The second level, and how values get there and back.
pub(super) struct Second<V> {
    level: Arc<dyn SecondLevel>,
    encode: fn(&V) -> Bytes,
    decode: fn(&Bytes) -> Option<V>,
}

#[derive(Default)]
pub(super) struct Counts {
    pub(super) loads: AtomicU64,
    pub(super) load_failures: AtomicU64,
    pub(super) loads_shared: AtomicU64,
    second_hits: AtomicU64,
    second_misses: AtomicU64,
    bypasses: AtomicU64,
}

pub(super) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

impl<V> Clone for Cache<V> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<V: Clone + Weigh + Send + Sync + 'static> Cache<V> {
    /// A cache in this process's memory alone.
    #[must_use]
    pub fn local(config: CacheConfig) -> Self {
        Self(Arc::new(Inner {
            local: LocalCache::new(config),
            second: None,
            counts: Counts::default(),
        }))
    }

    /// A cache in front of `level`. Several caches may share a level if their keys do not meet.
    #[must_use]
    pub fn shared(config: CacheConfig, level: Arc<dyn SecondLevel>) -> Self
    where
        V: Encode,
    {
        let inner = Arc::new(Inner {
            local: LocalCache::new(config),
            second: Some(Second {
                level,
                encode: V::encode,
                decode: V::decode,
            }),
            counts: Counts::default(),
        });
        let listener: Weak<Inner<V>> = Arc::downgrade(&inner);
        if let Some(second) = &inner.second {
            second.level.listen(listener);
        }
        Self(inner)
    }

    /// The value of `key`, from memory alone: never from the second level, never waiting.
    #[must_use]
    #[inline]
    pub fn get_local(&self, key: &str) -> Option<V> {
        match self.0.memory_counts() {
            true => self.0.local.get(key),
            false => None,
        }
    }

    /// The value of `key`. A second level that is down is a miss.
    pub async fn get(&self, key: &str) -> Option<V> {
        if let Some(value) = self.get_local(key) {
            return Some(value);
        }
        let second = self.0.second.as_ref()?;
        self.0.read_second(second, &[key]).await.pop().flatten()
    }

    /// The values of many keys, in one exchange with the second level.
    pub async fn get_many(&self, keys: &[&str]) -> Vec<Option<V>> {
        let mut values: Vec<Option<V>> = keys.iter().map(|key| self.get_local(key)).collect();
        let Some(second) = &self.0.second else {
            return values;
        };
        let missing: Vec<&str> = std::iter::zip(keys, &values)
            .filter_map(|(key, value)| value.is_none().then_some(*key))
            .collect();
        if missing.is_empty() {
            return values;
        }
        let found = self.0.read_second(second, &missing).await;
        let gaps = values.iter_mut().filter(|value| value.is_none());
        for (gap, value) in gaps.zip(found) {
            *gap = value;
        }
        values
    }

    /// Whether there is a value of `key`.
    pub async fn exists(&self, key: &str) -> bool {
        if self.0.memory_counts() && self.0.local.contains(key) {
            return true;
        }
        let Some(second) = &self.0.second else {
            return false;
        };
        let found = self.0.read_second(second, &[key]).await;
        found.iter().any(Option::is_some)
    }

    /// Writes one value, past all loads of its key that are under way.
    ///
    /// # Errors
    /// [`CacheError::Unavailable`] when the second level did not take it: then no instance that
    /// hears of it gives the former value, and this one gives none from the second level until
    /// the former value is gone from there.
    pub async fn set(
        &self,
        key: &str,
        value: V,
        options: EntryOptions<'_>,
    ) -> Result<(), CacheError> {
        self.set_many(vec![(key, value)], options).await
    }

    /// Writes many values, in one exchange with the second level.
    ///
    /// # Errors
    /// As [`set`](Self::set).
    pub async fn set_many(
        &self,
        entries: Vec<(&str, V)>,
        options: EntryOptions<'_>,
    ) -> Result<(), CacheError> {
        if entries.iter().any(|(key, _)| key.len() > KEY_BYTES_MAX) {
            return Err(CacheError::TooLong);
        }
        let local = &self.0.local;
        let Some(second) = &self.0.second else {
            for (key, value) in entries {
                let life = local.life(&options).ok_or(CacheError::TooLong)?;
                local.set(key, value, life);
            }
            return Ok(());
        };
        let encoded = entries
            .iter()
            .map(|(key, value)| Some((*key, second.entry(value, &options, local.ttl())?)))
            .collect::<Option<Vec<_>>>()
            .ok_or(CacheError::TooLong)?;
        let written = second.level.write(&encoded).await;
        // Memory is filled by the next reader. Were it filled here, a value that another instance
        // wrote after this one, and told us of before we got here, would be overwritten.
        for (key, _) in &entries {
            local.remove(key);
        }
        Ok(written?)
    }

    /// Removes one value; whether there was one.
    ///
    /// # Errors
    /// As [`set`](Self::set).
    pub async fn delete(&self, key: &str) -> Result<bool, CacheError> {
        Ok(self.delete_many(&[key]).await? > 0)
    }

    /// Removes many values, in one exchange with the second level; how many there were.
    ///
    /// # Errors
    /// As [`set`](Self::set).
    pub async fn delete_many(&self, keys: &[&str]) -> Result<u64, CacheError> {
        let keys = keys.iter().map(|key| (*key).to_owned()).collect();
        self.0.invalidate(&Invalidation::Keys(keys)).await
    }

    /// Removes `user:1`, or all that begins with `user:` when `pattern` is `user:*`; how many
    /// there were. A prefix looks at every entry.
    ///
    /// # Errors
    /// As [`set`](Self::set).
    pub async fn invalidate(&self, pattern: &str) -> Result<u64, CacheError> {
        let what = match pattern.strip_suffix('*') {
            Some(prefix) => Invalidation::Prefix(prefix.to_owned()),
            None => Invalidation::Keys(vec![pattern.to_owned()]),
        };
        self.0.invalidate(&what).await
    }

    /// Removes all that was written with `tag`; how many there were. Looks at every entry.
    ///
    /// # Errors
    /// As [`set`](Self::set).
    pub async fn invalidate_tag(&self, tag: &str) -> Result<u64, CacheError> {
        self.0
            .invalidate(&Invalidation::Tag(tags::number(tag)))
            .await
    }

    /// Removes everything.
    ///
    /// # Errors
    /// As [`set`](Self::set).
    pub async fn clear(&self) -> Result<u64, CacheError> {
        self.0
            .invalidate(&Invalidation::Prefix(String::new()))
            .await
    }

    /// Gives memory of this process back until at most `bytes_max` are taken, the dead entries
    /// first; how many bytes were given back.
    pub fn shrink_to(&self, bytes_max: usize) -> usize {
        self.0.local.shrink_to(bytes_max)
    }

    /// What the cache holds and how it was used.
    #[must_use]
    pub fn statistics(&self) -> CacheStatistics {
        let counts = &self.0.counts;
        let level = self.0.second.as_ref().map(|second| &second.level);
        let level = level.map(|level| level.statistics()).unwrap_or_default();
        let mut sum = CacheStatistics {
            loads: counts.loads.load(Ordering::Relaxed),
            load_failures: counts.load_failures.load(Ordering::Relaxed),
            loads_shared: counts.loads_shared.load(Ordering::Relaxed),
            second_level_hits: counts.second_hits.load(Ordering::Relaxed),
            second_level_misses: counts.second_misses.load(Ordering::Relaxed),
            second_level_failures: level.failures,
            bypasses: counts.bypasses.load(Ordering::Relaxed),
            channel_losses: level.channel_losses,
            invalidations_heard: level.invalidations_heard,
            ..CacheStatistics::default()
        };
        self.0.local.count(&mut sum);
        sum
    }
}

impl<V: Clone + Weigh> Inner<V> {
    /// Whether entries in memory may be believed.
    pub(super) fn memory_counts(&self) -> bool {
        let Some(second) = &self.second else {
            return true;
        };
        let coherent = second.level.is_coherent();
        if !coherent {
            count(&self.counts.bypasses);
        }
        coherent
    }

    /// Asks the second level, and fills memory with what nobody invalidated meanwhile.
    async fn read_second(&self, second: &Second<V>, keys: &[&str]) -> Vec<Option<V>> {
        // Taken before the question is asked, so that whatever changes after the answer counts.
        let places: Vec<Place<'_, V>> = keys
            .iter()
            .map(|key| Place::new(self, key, self.local.ticket(key, DependsOn::Unknown)))
            .collect();
        let Ok(reads) = second.level.read(keys).await else {
            return keys.iter().map(|_| None).collect();
        };
        let found = places.into_iter().zip(reads);
        found
            .map(|(place, read)| {
                let (value, life) = self.open(second, read.entry)?;
                place.fill(value.clone(), Some(life));
                Some(value)
            })
            .collect()
    }

    /// Decodes what the second level had, with the life that it has left.
    pub(super) fn open(&self, second: &Second<V>, entry: Option<SharedEntry>) -> Option<(V, Life)> {
        let opened = entry.and_then(|entry| {
            let value = (second.decode)(&entry.bytes)?;
            let ttl = super::clock::millis_of(entry.ttl.min(self.local.ttl()));
            let expires_millis = self.local.now_millis().saturating_add(ttl);
            let tags = entry.tags;
            Some((
                value,
                Life {
                    expires_millis,
                    tags,
                },
            ))
        });
        count(match opened {
            Some(_) => &self.counts.second_hits,
            None => &self.counts.second_misses,
        });
        opened
    }

    pub(super) async fn invalidate(&self, what: &Invalidation) -> Result<u64, CacheError> {
        let Some(second) = &self.second else {
            return Ok(self.forget(what) as u64);
        };
        let removed = second.level.remove(what).await;
        // Last, so that nobody reads the old value from the second level and keeps it here.
        self.forget(what);
        Ok(removed?)
    }

    pub(super) fn forget(&self, what: &Invalidation) -> usize {
        match what {
            Invalidation::Keys(keys) => {
                let removed = keys.iter().filter(|key| self.local.remove(key));
                removed.count()
            }
            Invalidation::Prefix(prefix) => self.local.remove_prefix(prefix),
            Invalidation::Tag(tag) => self.local.remove_tag(*tag),
        }
    }
}

impl<V: Clone + Weigh + Send + Sync> InvalidationListener for Inner<V> {
    fn invalidated(&self, what: &Invalidation) {
        self.forget(what);
    }
}

impl<V> Second<V> {
    /// `None` when the tags are too many.
    pub(super) fn entry(
        &self,
        value: &V,
        options: &EntryOptions<'_>,
        ttl: Duration,
    ) -> Option<SharedEntry> {
        Some(SharedEntry {
            bytes: (self.encode)(value),
            ttl: options.ttl.unwrap_or(ttl),
            tags: tags::numbers(options.tags)?,
        })
    }

    /// What the second level says of one key; `None` when it does not answer.
    pub(super) async fn read(&self, key: &str) -> Option<SharedRead> {
        self.level.read(&[key]).await.ok()?.pop()
    }

    pub(super) async fn fill(
        &self,
        key: &str,
        ticket: &SharedTicket,
        entry: &SharedEntry,
        kind: FillKind,
    ) -> Result<bool, Unavailable> {
        self.level.fill(key, ticket, entry, kind).await
    }
}

impl From<Unavailable> for CacheError {
    fn from(_: Unavailable) -> Self {
        Self::Unavailable
    }
}

/// A place in memory that waits for its value; given up when it is dropped.
pub(super) struct Place<'a, V: Clone + Weigh> {
    inner: &'a Inner<V>,
    key: &'a str,
    ticket: Option<Ticket>,
}

impl<'a, V: Clone + Weigh> Place<'a, V> {
    pub(super) fn new(inner: &'a Inner<V>, key: &'a str, ticket: Ticket) -> Self {
        Self {
            inner,
            key,
            ticket: Some(ticket),
        }
    }

    /// Keeps `value`, unless its key was touched, or invalidations are not heard.
    pub(super) fn fill(mut self, value: V, life: Option<Life>) {
        let coherent = |second: &Second<V>| second.level.is_coherent();
        if self.inner.second.as_ref().is_none_or(coherent)
            && let Some(ticket) = self.ticket.take()
        {
            self.inner.local.fill(&ticket, self.key, value, life);
        }
    }

    /// Keeps `value` past the loads that began meanwhile, or, if another write touched the key,
    /// keeps nothing.
    pub(super) fn replace(mut self, value: V, life: Option<Life>) {
        if let Some(ticket) = self.ticket.take() {
            self.inner.local.replace(&ticket, self.key, value, life);
        }
    }
}

impl<V: Clone + Weigh> Drop for Place<'_, V> {
    fn drop(&mut self) {
        if let Some(ticket) = &self.ticket {
            self.inner.local.leave(ticket);
        }
    }
}
