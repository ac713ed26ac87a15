//! The right to keep one answer, from its request to the end of its body.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use http::{HeaderMap, HeaderName, response};
use tokio::sync::watch;

use super::rules::Kept;
use super::stored::{Node, Stored};
use super::{CacheTags, Inner, variant_key};
use crate::cache::{DependsOn, Join, Life, Outcome, Ticket, tag_numbers};

/// One of several answers at the same address.
#[derive(Clone)]
pub(super) struct Variant {
    /// What all of them stand under.
    pub(super) of: String,
    /// The fields of the request that they differ by.
    pub(super) names: Box<[HeaderName]>,
}

/// A place in the cache that waits for an answer; given up when it is dropped.
pub(super) struct Place {
    inner: Arc<Inner>,
    key: String,
    variant: Option<Variant>,
    ticket: Option<Ticket>,
    asked_millis: u64,
    /// What keeps others from fetching the same; nobody waits for what it brings.
    _lead: Option<watch::Sender<Option<Outcome<Arc<Node>>>>>,
}

impl Place {
    pub(super) fn new(inner: &Arc<Inner>, key: String, variant: Option<Variant>) -> Self {
        let ticket = inner.local.ticket(&key, DependsOn::Unknown);
        Self {
            inner: Arc::clone(inner),
            key,
            variant,
            ticket: Some(ticket),
            asked_millis: inner.local.now_millis(),
            _lead: None,
        }
    }

    /// The one place for a newer answer; `None` while another has it.
    pub(super) fn refreshing(
        inner: &Arc<Inner>,
        key: String,
        variant: Option<Variant>,
    ) -> Option<Self> {
        // What is stored is stale, so it does not count here.
        match inner.local.join(&key, DependsOn::Unknown, false) {
            Join::Lead(ticket, lead) => Some(Self {
                inner: Arc::clone(inner),
                key,
                variant,
                ticket: Some(ticket),
                asked_millis: inner.local.now_millis(),
                _lead: Some(lead),
            }),
            Join::Hit(_) | Join::Wait(_) => None,
        }
    }

    fn fill(&mut self, key: &str, node: Node, life: Life) -> bool {
        let ticket = self.ticket.take();
        ticket.is_some_and(|ticket| {
            self.inner
                .local
                .fill(&ticket, key, Arc::new(node), Some(life))
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(ticket) = &self.ticket {
            self.inner.local.leave(ticket);
        }
    }
}

/// An answer that is to be kept, but for its body.
pub(super) struct Fill {
    place: Place,
    head: response::Parts,
    kept: Kept,
    request: HeaderMap,
}

impl Fill {
    /// `request` are the fields that the answer may vary by.
    pub(super) fn new(place: Place, head: response::Parts, kept: Kept, request: HeaderMap) -> Self {
        Self {
            place,
            head,
            kept,
            request,
        }
    }

    pub(super) fn bytes_max(&self) -> usize {
        self.place.inner.config.body_bytes_max
    }

    /// Keeps the answer, unless it was purged since it was asked for.
    pub(super) fn keep(mut self, body: &[u8]) {
        let inner = Arc::clone(&self.place.inner);
        let counter = match self.store(&inner, body) {
            true => &inner.counts.stored,
            false => &inner.counts.not_stored,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    fn store(&mut self, inner: &Arc<Inner>, body: &[u8]) -> bool {
        let tags = self.head.extensions.get::<CacheTags>();
        let tags: Vec<&str> = tags
            .iter()
            .flat_map(|CacheTags(tags)| tags.iter().map(String::as_str))
            .collect();
        // More than can be kept, so it could not be purged.
        let Some(tags) = tag_numbers(&tags) else {
            return false;
        };
        let stored = Stored::new(&self.head, body, &self.kept, self.place.asked_millis);
        let life = Life {
            expires_millis: stored.expires_millis(),
            tags,
        };
        let answer = Node::Answer(stored);
        let key = self.place.key.clone();
        match &self.place.variant {
            None if self.kept.vary.is_empty() => self.place.fill(&key, answer, life),
            None => self.store_first_variant(inner, &key, answer, life),
            Some(variant) if variant.names == self.kept.vary => self.place.fill(&key, answer, life),
            // It varies by other fields now; the next request learns which they are.
            Some(variant) => {
                inner.local.remove(&variant.of);
                false
            }
        }
    }

    fn store_first_variant(
        &mut self,
        inner: &Arc<Inner>,
        key: &str,
        answer: Node,
        life: Life,
    ) -> bool {
        let number = inner.numbers.fetch_add(1, Ordering::Relaxed);
        let names = self.kept.vary.clone();
        let variant = variant_key(key, number, &names, &self.request);
        // Before the fields are known to others, so that no purge falls in between.
        let mut place = Place::new(inner, variant.clone(), None);
        let varies = Life {
            expires_millis: u64::MAX,
            tags: Box::default(),
        };
        self.place.fill(key, Node::Varies(number, names), varies)
            && place.fill(&variant, answer, life)
    }
}
