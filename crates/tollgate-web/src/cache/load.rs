//! Cache-aside with one loader a key, and writing through to the source.

use std::sync::Arc;

use tokio::sync::watch;

use super::clock::millis_of;
use super::config::{CacheError, EntryOptions};
use super::local::Join;
use super::pending::{Awaited, DependsOn, Outcome};
use super::second_level::{FILL_WITHIN, FillKind, Invalidation, SharedTicket};
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
    /// after the load began: then those who asked before still get it, and nobody later. Before a
    /// second level, one that took longer than five minutes is not kept either.
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

/// A state of the second level that a load or a write began from, and when.
struct Begun {
    ticket: SharedTicket,
    at_millis: u64,
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
        let mut begun = None;
        let at_millis = self.local.now_millis();
        if let Some(second) = &self.second
            && let Some(read) = second.read(key).await
        {
            begun = Some(Begun {
                ticket: read.ticket,
                at_millis,
            });
            if let Some((value, life)) = self.open(second, read.entry) {
                place.fill(value.clone(), Some(life));
                sender.send_replace(Some(Outcome::Loaded(value.clone())));
                return Ok(value);
            }
        }
        count(&self.counts.loads);
        match load().await {
            Ok(value) => {
                let unspoilt = self.fill_second(key, &value, options, begun).await;
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
        begun: Option<Begun>,
    ) -> bool {
        let (Some(second), Some(begun)) = (&self.second, begun) else {
            return true;
        };
        match second.entry(value, options, self.local.ttl()) {
            // A level that does not answer knows of no reason against it. Memory has its own.
            Some(entry) if self.is_known_still(&begun) => second
                .fill(key, &begun.ticket, &entry, FillKind::Loaded)
                .await
                .unwrap_or(true),
            Some(_) | None => false,
        }
    }

    /// Whether the second level can still know of what was invalidated since.
    fn is_known_still(&self, begun: &Begun) -> bool {
        let took_millis = self.local.now_millis().saturating_sub(begun.at_millis);
        took_millis < millis_of(FILL_WITHIN)
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
        let at_millis = self.local.now_millis();
        let begun_from = match &self.second {
            Some(second) => second.read(key).await.map(|read| Begun {
                ticket: read.ticket,
                at_millis,
            }),
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
        let filled = match (begun_from, entry) {
            (Some(from), Some(entry)) if self.is_known_still(&from) => {
                let kind = FillKind::Written;
                second.fill(key, &from.ticket, &entry, kind).await
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
