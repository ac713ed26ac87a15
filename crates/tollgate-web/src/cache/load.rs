//! Cache-aside with one loader a key, and writing through to the source.

use std::sync::Arc;

use tokio::sync::watch;

use super::config::{CacheError, EntryOptions};
use super::local::Join;
use super::pending::{Awaited, DependsOn, Outcome};
use super::second_level::{FillKind, Invalidation, SharedTicket};
use super::tags;
use super::tiered::{Cache, Inner, Place, count};
use crate::weigh::Weigh;

/// Why a write did not go through.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WriteError<E> {
    /// The source refused it. What the cache held is gone.
    #[error("the source refused the write")]
    Source(E),
    /// The source took it, but the second level may hold the former value until it is back.
    #[error("the write went through, but {0}")]
    Cache(CacheError),
    /// The writer panicked or its runtime ended; the source may or may not have it.
    #[error("the writer was lost")]
    Lost,
}

impl<V: Clone + Weigh + Send + Sync + 'static> Cache<V> {
    /// The value of `key`, loaded if the cache has none. However many ask, one loader runs; the
    /// others wait for what it brings, its error included. When the one who runs it is dropped or
    /// panics, one of those who wait runs its own.
    ///
    /// What was loaded is kept, unless its key, a prefix of it or one of its tags was invalidated
    /// after the load began: then those who asked before still get it, and nobody later.
    ///
    /// # Errors
    /// The loader's own. Errors are never kept.
    pub async fn get_or_load<E, F>(
        &self,
        key: &str,
        options: EntryOptions<'_>,
        load: impl FnOnce() -> F,
    ) -> Result<V, E>
    where
        E: Clone + Send + Sync + 'static,
        F: Future<Output = Result<V, E>>,
    {
        let inner = &*self.0;
        let memory = inner.memory_counts();
        if memory && let Some(value) = inner.local.get(key) {
            return Ok(value);
        }
        loop {
            match inner.local.join(key, inner.depends_on(&options), memory) {
                Join::Hit(value) => return Ok(value),
                Join::Wait(awaited) => {
                    count(&inner.counts.loads_shared);
                    if let Some(result) = outcome(awaited).await {
                        return result;
                    }
                }
                Join::Lead(ticket, sender) => {
                    let lead = Lead {
                        place: Place::new(inner, key, ticket),
                        sender,
                    };
                    return inner.lead(lead, key, &options, load).await;
                }
            }
        }
    }

    /// Writes `value` to its source by `write`, then to the cache. Runs to its end even when the
    /// caller is dropped. Of two writes at once neither stays in the cache, since nobody knows
    /// which the source took last.
    ///
    /// # Errors
    /// See [`WriteError`].
    pub async fn write_through<E, F>(
        &self,
        key: &str,
        value: V,
        options: EntryOptions<'_>,
        write: F,
    ) -> Result<(), WriteError<E>>
    where
        E: Send + 'static,
        F: Future<Output = Result<(), E>> + Send + 'static,
    {
        let (inner, key) = (Arc::clone(&self.0), key.to_owned());
        let ttl = options.ttl;
        let tags: Vec<String> = options.tags.iter().map(|tag| (*tag).to_owned()).collect();
        let task = tokio::spawn(async move {
            let tags: Vec<&str> = tags.iter().map(String::as_str).collect();
            let options = EntryOptions { ttl, tags: &tags };
            inner.write_through(&key, value, options, write).await
        });
        task.await.unwrap_or(Err(WriteError::Lost))
    }
}

/// A load that others may wait for. Dropped without an outcome, it sends them on their way.
struct Lead<'a, V: Clone + Weigh> {
    place: Place<'a, V>,
    sender: watch::Sender<Option<Outcome<V>>>,
}

/// What a load of another brought; `None` when it brought nothing for us.
async fn outcome<V: Clone, E: Clone + 'static>(mut awaited: Awaited<V>) -> Option<Result<V, E>> {
    let outcome = match awaited.wait_for(Option::is_some).await {
        Ok(outcome) => outcome.clone()?,
        Err(_) => return None,
    };
    match outcome {
        Outcome::Loaded(value) => Some(Ok(value)),
        // Another caller's loader may fail in another type.
        Outcome::Failed(error) => error.downcast_ref::<E>().map(|error| Err(error.clone())),
    }
}

impl<V: Clone + Weigh + Send + Sync + 'static> Inner<V> {
    /// The tags that a load's value will have. From the second level it may come with others.
    fn depends_on(&self, options: &EntryOptions<'_>) -> DependsOn {
        match (&self.second, tags::numbers(options.tags)) {
            (None, Some(tags)) => DependsOn::Known(tags),
            _ => DependsOn::Unknown,
        }
    }

    async fn lead<E, F>(
        &self,
        lead: Lead<'_, V>,
        key: &str,
        options: &EntryOptions<'_>,
        load: impl FnOnce() -> F,
    ) -> Result<V, E>
    where
        E: Clone + Send + Sync + 'static,
        F: Future<Output = Result<V, E>>,
    {
        // The place goes first, so that those whom the sender wakes do not find it.
        let Lead { sender, place } = lead;
        let mut ticket = None;
        if let Some(second) = &self.second
            && let Some(read) = second.read(key).await
        {
            ticket = Some(read.ticket);
            if let Some((value, life)) = self.open(second, read.entry) {
                place.fill(value.clone(), Some(life));
                sender.send_replace(Some(Outcome::Loaded(value.clone())));
                return Ok(value);
            }
        }
        count(&self.counts.loads);
        match load().await {
            Ok(value) => {
                let unspoilt = self.fill_second(key, &value, options, ticket).await;
                let life = self.local.life(options).filter(|_| unspoilt);
                place.fill(value.clone(), life);
                sender.send_replace(Some(Outcome::Loaded(value.clone())));
                Ok(value)
            }
            Err(error) => {
                count(&self.counts.load_failures);
                // Those who come from now on load anew.
                drop(place);
                sender.send_replace(Some(Outcome::Failed(Arc::new(error.clone()))));
                Err(error)
            }
        }
    }

    /// Keeps a loaded value in the second level; whether nothing spoke against it.
    async fn fill_second(
        &self,
        key: &str,
        value: &V,
        options: &EntryOptions<'_>,
        ticket: Option<SharedTicket>,
    ) -> bool {
        let (Some(second), Some(ticket)) = (&self.second, ticket) else {
            return true;
        };
        match second.entry(value, options, self.local.ttl()) {
            // A level that does not answer knows of no reason against it. Memory has its own.
            Some(entry) => second
                .fill(key, &ticket, &entry, FillKind::Loaded)
                .await
                .unwrap_or(true),
            None => false,
        }
    }

    async fn write_through<E: Send + 'static>(
        &self,
        key: &str,
        value: V,
        options: EntryOptions<'_>,
        write: impl Future<Output = Result<(), E>> + Send + 'static,
    ) -> Result<(), WriteError<E>> {
        let this_key = Invalidation::Keys(vec![key.to_owned()]);
        // Voids the writes that are under way, as they will void this one when they end.
        let begun = self.invalidate(&this_key).await;
        let place = Place::new(self, key, self.local.ticket(key, DependsOn::Unknown));
        let ticket = match &self.second {
            Some(second) => second.read(key).await.map(|read| read.ticket),
            None => None,
        };
        // Its own task, so that a panic does not pass by the invalidation.
        let written = match tokio::spawn(write).await {
            Ok(written) => written.map_err(WriteError::Source),
            Err(_) => Err(WriteError::Lost),
        };
        if let Err(error) = written {
            drop(place);
            // Refused or half done: what was loaded meanwhile may be either value.
            let _ = self.invalidate(&this_key).await;
            return Err(error);
        }
        let Some(second) = &self.second else {
            place.replace(value, self.local.life(&options));
            return Ok(());
        };
        drop(place);
        let entry = second.entry(&value, &options, self.local.ttl());
        let filled = match (ticket, entry) {
            (Some(ticket), Some(entry)) => {
                second.fill(key, &ticket, &entry, FillKind::Written).await
            }
            _ => Ok(false),
        };
        self.forget(&this_key);
        if filled != Ok(true) {
            self.invalidate(&this_key)
                .await
                .map_err(WriteError::Cache)?;
        }
        begun.map(drop).map_err(WriteError::Cache)
    }
}
