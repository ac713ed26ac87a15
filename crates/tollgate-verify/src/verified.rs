//! Which tokens have had their signature verified: spares the same work for the same token.
//!
//! What is remembered is that these very bytes carried a good signature under these very keys, and
//! nothing else. Claims, clock, proof of possession and validators are judged anew each time.

use std::sync::atomic::{AtomicU64, Ordering};

use aws_lc_rs::digest::{SHA256, digest};
use quick_cache::sync::Cache;

use crate::client::VerifiedCacheStats;

/// A SHA-256.
pub(crate) type Hash = [u8; 32];

/// The hash of anything.
pub(crate) fn hash(bytes: &[u8]) -> Hash {
    let mut hash = Hash::default();
    hash.copy_from_slice(digest(&SHA256, bytes).as_ref());
    hash
}

/// The tokens whose signature was good, each with the identity of the key set that said so.
///
/// It belongs to one verifier, and so to one policy. When the keys change, in whatever way, no
/// entry counts any more: a withdrawn key takes its tokens along.
pub(crate) struct VerifiedCache {
    key_set_by_token: Cache<Hash, Hash>,
    hits: AtomicU64,
    misses: AtomicU64,
}

impl VerifiedCache {
    /// A cache; `None` for no entries.
    pub(crate) fn new(entries_max: usize) -> Option<Self> {
        let (hits, misses) = (AtomicU64::new(0), AtomicU64::new(0));
        (entries_max > 0).then(|| Self {
            key_set_by_token: Cache::new(entries_max),
            hits,
            misses,
        })
    }

    /// Whether the token of this hash was signed by a key of this set.
    pub(crate) fn knows(&self, token: &Hash, key_set: &Hash) -> bool {
        let known = self.key_set_by_token.get(token);
        let is_known = known.is_some_and(|known| known == *key_set);
        let counter = if is_known { &self.hits } else { &self.misses };
        counter.fetch_add(1, Ordering::Relaxed);
        is_known
    }

    /// Remembers a token that was accepted: nobody fills the cache with anything else.
    pub(crate) fn remember(&self, token: Hash, key_set: Hash) {
        self.key_set_by_token.insert(token, key_set);
    }

    pub(crate) fn clear(&self) {
        self.key_set_by_token.clear();
    }

    pub(crate) fn stats(&self) -> VerifiedCacheStats {
        VerifiedCacheStats {
            hits: self.hits.load(Ordering::Relaxed),
            misses: self.misses.load(Ordering::Relaxed),
            entries: self.key_set_by_token.len(),
        }
    }
}
