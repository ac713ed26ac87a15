//! The DPoP proofs that could still be shown again, so that none counts twice.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use tollgate_protocol::UnixSeconds;

use crate::dpop::{GenuineProof, ProofError};

/// The proofs seen, each until it is too old to be shown again.
pub(crate) struct Replays {
    proofs_max: usize,
    seen: HashMap<Box<str>, Seen>,
    /// How many of them are of one key, by a hash of its thumbprint.
    by_key: HashMap<u64, usize>,
    hasher: RandomState,
    swept_at: UnixSeconds,
    /// The latest `iat` that was forgotten. Where the clock steps back, a proof up to here may have
    /// been seen before; while it goes on, none of them counts any more anyway.
    forgotten: Option<UnixSeconds>,
}

struct Seen {
    iat: UnixSeconds,
    key: u64,
}

impl Replays {
    pub(crate) fn new(proofs_max: usize) -> Self {
        Self {
            proofs_max,
            seen: HashMap::new(),
            by_key: HashMap::new(),
            hasher: RandomState::new(),
            swept_at: UnixSeconds(0),
            forgotten: None,
        }
    }

    /// Remembers a proof whose `iat` is no longer ago than `age_max`.
    pub(crate) fn insert(
        &mut self,
        proof: &GenuineProof,
        now: UnixSeconds,
        age_max: Duration,
    ) -> Result<(), ProofError> {
        let (key, iat) = (self.hasher.hash_one(&proof.thumbprint), proof.iat);
        // All of them are looked at once in their life time, or once a second when they are many.
        if now > self.swept_at.plus(age_max) || (!self.has_room_for(key) && now > self.swept_at) {
            self.sweep(now, age_max);
        }
        // After a step back the next sweep is not put off until the clock is there again.
        self.swept_at = self.swept_at.min(now);
        if self.forgotten.is_some_and(|latest| iat <= latest) {
            return Err(ProofError::Time);
        }
        if self.seen.contains_key(&*proof.id) {
            return Err(ProofError::Replayed);
        }
        if !self.has_room_for(key) {
            return Err(ProofError::StoreFull);
        }
        *self.by_key.entry(key).or_default() += 1;
        self.seen
            .insert(proof.id.as_str().into(), Seen { iat, key });
        Ok(())
    }

    fn has_room_for(&self, key: u64) -> bool {
        let (quarter, own) = (self.proofs_max / 4, self.by_key.get(&key));
        let holds_much = own.is_some_and(|own| *own >= quarter.max(1));
        let reserved = if holds_much { quarter } else { 0 };
        self.seen.len() < self.proofs_max - reserved
    }

    /// Forgets what is too old to be shown again.
    fn sweep(&mut self, now: UnixSeconds, age_max: Duration) {
        let Self {
            seen,
            by_key,
            forgotten,
            ..
        } = self;
        by_key.clear();
        seen.retain(|_, Seen { iat, key }| {
            let still_counts = now <= iat.plus(age_max);
            if still_counts {
                *by_key.entry(*key).or_default() += 1;
            } else {
                *forgotten = (*forgotten).max(Some(*iat));
            }
            still_counts
        });
        self.swept_at = now;
    }
}
