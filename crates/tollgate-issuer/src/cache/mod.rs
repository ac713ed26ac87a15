//! The near caches: clients, standings of tokens, verified signatures. None outlives a revocation.
//!
//! What a store said is cached under a *ticket* taken before the store was asked. A change that
//! comes in between voids the ticket, so a late answer cannot bring back what was revoked.

mod near;

use std::sync::Arc;

use tollgate_protocol::ClientId;
use tollgate_store::{Store, TokenKey, TokenRecord};

pub use near::CacheStatistics;
pub(crate) use near::{Lookup, NearCache, Ticket};

use crate::{Issuer, Settings, authenticate::Client, check::VerifiedJwt};

/// The caches of one issuer.
pub(crate) struct Caches {
    /// Clients by their identifiers.
    pub(crate) clients: NearCache<ClientId, Arc<Client>>,
    /// Tokens that counted when the store was last asked, by their keys.
    pub(crate) standing: NearCache<TokenKey, Arc<TokenRecord>>,
    /// JWTs whose signature was verified, by the hash of the whole token. The signature alone: the
    /// clock and the standing are looked at each time.
    pub(crate) verified: NearCache<[u8; 32], Arc<VerifiedJwt>>,
}

impl Caches {
    pub(crate) fn new(settings: &Settings) -> Self {
        let (entries_max, ttl) = (settings.cache_entries_max, settings.cache_ttl);
        Self {
            clients: NearCache::new("clients", entries_max, ttl),
            standing: NearCache::new("tokens", entries_max, ttl),
            verified: NearCache::new("signatures", entries_max, ttl),
        }
    }

    /// Forgets what depends on a client that was changed: the client, and every standing, since a
    /// changed epoch kills tokens that cannot be named.
    pub(crate) fn client_changed(&self, id: &ClientId) {
        self.clients.remove(id);
        self.standing.clear();
    }

    /// Forgets tokens that were revoked or consumed. The store calls this, for it knows of every
    /// commit; a request that is cancelled learns nothing of its own.
    pub(crate) fn tokens_ended(&self, keys: &[TokenKey]) {
        for key in keys {
            self.standing.remove(key);
        }
    }

    /// Forgets verified signatures, after a key was revoked.
    pub(crate) fn keys_changed(&self) {
        self.verified.clear();
    }

    /// Forgets everything.
    pub(crate) fn clear(&self) -> usize {
        self.clients.clear() + self.standing.clear() + self.verified.clear()
    }
}

/// What of the caches an administrator wants forgotten. It costs look-ups, never correctness.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Forget<'a> {
    /// The client of this identifier, or the token of this id.
    Key(&'a str),
    /// Clients and tokens whose identifiers begin so.
    Prefix(&'a str),
    /// The client of this identifier and its tokens.
    Tag(&'a str),
    /// Everything.
    All,
}

impl<S: Store> Issuer<S> {
    /// Forgets what `what` names; how many entries that were.
    pub fn forget(&self, what: Forget<'_>) -> usize {
        let Caches {
            clients,
            standing,
            verified,
        } = &*self.caches;
        match what {
            Forget::Key(key) => {
                let client = key.parse::<ClientId>().is_ok_and(|id| clients.remove(&id));
                let token = key
                    .parse::<TokenKey>()
                    .is_ok_and(|key| standing.remove(&key));
                usize::from(client) + usize::from(token)
            }
            Forget::Prefix(prefix) => {
                clients.remove_where(|id, _| id.as_str().starts_with(prefix))
                    + standing.remove_where(|key, _| key.to_string().starts_with(prefix))
            }
            Forget::Tag(tag) => {
                clients.remove_where(|id, _| id.as_str() == tag)
                    + standing.remove_where(|_, record| record.client.as_str() == tag)
                    + verified.remove_where(|_, jwt| jwt.record.client.as_str() == tag)
            }
            Forget::All => self.caches.clear(),
        }
    }

    /// What each cache holds and how it was used.
    pub fn cache_statistics(&self) -> Vec<CacheStatistics> {
        let Caches {
            clients,
            standing,
            verified,
        } = &*self.caches;
        vec![
            clients.statistics(),
            standing.statistics(),
            verified.statistics(),
        ]
    }
}
