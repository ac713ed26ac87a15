//! The tokens that the provider has lately called active, where that may be used again.
//!
//! What is not active is not kept: strangers have any number of such tokens, and what is not active
//! yet may be in a second.

use std::time::Duration;

use quick_cache::sync::Cache;

use super::clock::Clock;
use super::introspection::IntrospectionSettings;
use crate::token::VerifiedToken;
use crate::verified::Hash;

/// Active tokens, each with the moment until which it may be used again.
pub(super) struct ActiveTokens {
    /// By hash of the token, so that the cache holds no credentials.
    tokens: Option<Cache<Hash, (VerifiedToken, Duration)>>,
    ttl: Duration,
}

impl ActiveTokens {
    pub(super) fn new(settings: &IntrospectionSettings) -> Self {
        let (ttl, entries_max) = (settings.cache_ttl, settings.cache_entries_max);
        let is_on = !ttl.is_zero() && entries_max > 0;
        Self {
            tokens: is_on.then(|| Cache::new(entries_max)),
            ttl,
        }
    }

    /// What is kept of a token, unless it has run out by either clock.
    pub(super) fn find(&self, hash: &Hash, clock: &dyn Clock) -> Option<VerifiedToken> {
        let (token, until) = self.tokens.as_ref()?.get(hash)?;
        let has_expired = token.expires_at().is_some_and(|exp| clock.now() >= exp);
        (clock.elapsed() < until && !has_expired).then_some(token)
    }

    pub(super) fn keep(&self, hash: Hash, token: &VerifiedToken, clock: &dyn Clock) {
        if let Some(tokens) = &self.tokens {
            tokens.insert(
                hash,
                (token.clone(), clock.elapsed().saturating_add(self.ttl)),
            );
        }
    }
}
