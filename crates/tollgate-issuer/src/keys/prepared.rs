//! What requests read of the key ring: unsealed, parsed and written once a change.

use std::sync::Arc;

use arc_swap::ArcSwap;
use tollgate_jose::{Algorithm, Jwk, KeyError, SigningKey, VerifyingKey, encode_header};
use tollgate_protocol::UnixSeconds;
use tollgate_store::{KeyRing, StoredKey};

use super::JwksDocument;
use crate::{
    IssuerError, MasterKey,
    master_key::{Associated, SealError},
};

/// A key that can sign, with what every token signed by it begins with.
pub(crate) struct SigningEntry {
    pub(crate) kid: String,
    pub(crate) algorithm: Algorithm,
    pub(crate) key: SigningKey,
    /// The base64url header of an access token (RFC 9068 §2.1).
    pub(crate) at_jwt_header: String,
    /// The base64url header of an introspection answer (RFC 9701 §5).
    pub(crate) introspection_header: String,
}

impl SigningEntry {
    fn unseal(stored: &StoredKey, master: &MasterKey) -> Result<Self, IssuerError> {
        let algorithm = algorithm(stored)?;
        let associated = Associated {
            kid: &stored.kid,
            algorithm: &stored.algorithm,
            created_at: stored.created_at,
        };
        let pkcs8 = master.open(&stored.sealed, &associated)?;
        let key = SigningKey::from_pkcs8(algorithm, &pkcs8)
            .map_err(corrupt_key)?
            .with_kid(&stored.kid);
        let header = |typ| encode_header(algorithm, &stored.kid, typ);
        Ok(Self {
            kid: stored.kid.clone(),
            algorithm,
            key,
            at_jwt_header: header("at+jwt"),
            introspection_header: header("token-introspection+jwt"),
        })
    }
}

/// A key that tokens are checked with.
pub(crate) struct VerifyingEntry {
    pub(crate) kid: String,
    pub(crate) key: VerifyingKey,
}

/// One unrevoked key of the ring.
#[derive(Clone)]
struct Entry {
    signing: Arc<SigningEntry>,
    verifying: Arc<VerifyingEntry>,
    public: Jwk,
    signs_from: UnixSeconds,
    gone_at: Option<UnixSeconds>,
}

impl Entry {
    fn new(
        stored: &StoredKey,
        known: Option<&Self>,
        master: &MasterKey,
    ) -> Result<Self, IssuerError> {
        let (signs_from, gone_at) = (stored.signs_from, stored.gone_at);
        // The material under an identifier never changes, only the dates do.
        if let Some(known) = known {
            return Ok(Self {
                signing: Arc::clone(&known.signing),
                verifying: Arc::clone(&known.verifying),
                public: known.public.clone(),
                signs_from,
                gone_at,
            });
        }
        let signing = SigningEntry::unseal(stored, master)?;
        let public = public_jwk(stored)?;
        // The public half stands unsealed in the store: whoever can write there could have put
        // their own key under this identifier and then sign as the issuer.
        let own = signing.key.public_jwk();
        if own.is_none_or(|own| own.thumbprint() != public.thumbprint()) {
            return Err(SealError::Rejected.into());
        }
        let key = VerifyingKey::from_jwk(&public).map_err(corrupt_key)?;
        let verifying = VerifyingEntry {
            kid: stored.kid.clone(),
            key,
        };
        Ok(Self {
            signing: Arc::new(signing),
            verifying: Arc::new(verifying),
            public,
            signs_from,
            gone_at,
        })
    }

    fn is_gone(&self, now: UnixSeconds) -> bool {
        self.gone_at.is_some_and(|gone_at| gone_at <= now)
    }
}

/// A ring, prepared.
pub(super) struct Prepared {
    pub(super) ring: KeyRing,
    /// The unrevoked keys in the order of the ring. They are few, so a walk beats a map.
    entries: Vec<Entry>,
    /// Public halves of keys that are being stored.
    announced: Vec<Jwk>,
    jwks: ArcSwap<JwksDocument>,
}

impl Default for Prepared {
    fn default() -> Self {
        Self {
            ring: KeyRing::default(),
            entries: Vec::new(),
            announced: Vec::new(),
            jwks: ArcSwap::from_pointee(document(&[], &[], UnixSeconds::default())),
        }
    }
}

impl Prepared {
    /// Prepares `ring`, taking over from `known` what it has in common.
    pub(super) fn new(
        ring: KeyRing,
        known: &Self,
        master: &MasterKey,
        now: UnixSeconds,
    ) -> Result<Self, IssuerError> {
        let unrevoked = ring.keys.iter().filter(|key| key.revoked_at.is_none());
        let entries: Vec<Entry> = unrevoked
            .map(|stored| Entry::new(stored, known.entry(&stored.kid), master))
            .collect::<Result<_, _>>()?;
        let jwks = ArcSwap::from_pointee(document(&entries, &[], now));
        Ok(Self {
            ring,
            entries,
            announced: Vec::new(),
            jwks,
        })
    }

    /// The same keys, and in the JWKS those too that will sign once `ring` is stored.
    pub(super) fn announcing(&self, ring: &KeyRing, now: UnixSeconds) -> Result<Self, IssuerError> {
        let is_coming = |key: &&StoredKey| {
            key.revoked_at.is_none() && key.signs_from > now && self.entry(&key.kid).is_none()
        };
        let coming = ring.keys.iter().filter(is_coming);
        let announced = coming.map(public_jwk).collect::<Result<Vec<_>, _>>()?;
        let entries = self.entries.clone();
        Ok(Self {
            ring: self.ring.clone(),
            jwks: ArcSwap::from_pointee(document(&entries, &announced, now)),
            entries,
            announced,
        })
    }

    /// Whether these are the keys of `ring` and nothing else is published.
    pub(super) fn is_of(&self, ring: &KeyRing) -> bool {
        self.ring == *ring && self.announced.is_empty()
    }

    fn entry(&self, kid: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.signing.kid == kid)
    }

    /// Of the keys that sign by now the one that began last: its predecessors are retired.
    pub(super) fn signer(
        &self,
        algorithm: Algorithm,
        now: UnixSeconds,
    ) -> Option<Arc<SigningEntry>> {
        let signs = |entry: &&Entry| {
            entry.signing.algorithm == algorithm && entry.signs_from <= now && !entry.is_gone(now)
        };
        let latest = self
            .entries
            .iter()
            .filter(signs)
            .max_by_key(|entry| entry.signs_from)?;
        Some(Arc::clone(&latest.signing))
    }

    pub(super) fn verifier(&self, kid: &str, now: UnixSeconds) -> Option<Arc<VerifyingEntry>> {
        let entry = self.entry(kid).filter(|entry| !entry.is_gone(now))?;
        Some(Arc::clone(&entry.verifying))
    }

    pub(super) fn jwks(&self, now: UnixSeconds) -> Arc<JwksDocument> {
        let jwks = self.jwks.load();
        if jwks.stale_from.is_none_or(|stale_from| now < stale_from) {
            return Arc::clone(&jwks);
        }
        let fresh = Arc::new(document(&self.entries, &self.announced, now));
        self.jwks.store(Arc::clone(&fresh));
        fresh
    }

    /// Whether a token that counted under `self` may not count under `later`.
    pub(super) fn loses_keys_to(&self, later: &Self) -> bool {
        self.entries
            .iter()
            .any(|entry| later.entry(&entry.signing.kid).is_none())
    }
}

fn document(entries: &[Entry], announced: &[Jwk], now: UnixSeconds) -> JwksDocument {
    let there = || entries.iter().filter(|entry| !entry.is_gone(now));
    let stale_from = there().filter_map(|entry| entry.gone_at).min();
    let public = there().map(|entry| &entry.public).chain(announced);
    JwksDocument::new(public.cloned().collect(), stale_from)
}

fn public_jwk(stored: &StoredKey) -> Result<Jwk, IssuerError> {
    Jwk::from_slice(stored.public_jwk.as_bytes()).map_err(corrupt_key)
}

fn corrupt_key(error: KeyError) -> IssuerError {
    IssuerError::Corrupt(error.to_string())
}

pub(super) fn algorithm(stored: &StoredKey) -> Result<Algorithm, IssuerError> {
    stored
        .algorithm
        .parse()
        .map_err(|_| IssuerError::Corrupt(format!("signing key of algorithm {}", stored.algorithm)))
}

#[cfg(test)]
mod tests {
    use tollgate_protocol::{Entropy, entropy::EntropyUnavailable};
    use zeroize::Zeroizing;

    use super::{
        super::generate::{Dates, FreshKey},
        *,
    };

    struct Sevens;

    impl Entropy for Sevens {
        fn fill(&self, bytes: &mut [u8]) -> Result<(), EntropyUnavailable> {
            bytes.fill(7);
            Ok(())
        }
    }

    /// A key that signs from second 10 and is gone from second 20 is of no use before and after.
    #[tokio::test]
    async fn a_key_counts_in_its_time_alone() {
        let master = MasterKey::new(Zeroizing::new([1; 32]));
        let fresh = FreshKey::generate(Algorithm::EdDSA).await.unwrap();
        let dates = Dates {
            created_at: UnixSeconds(5),
            signs_from: UnixSeconds(10),
        };
        let mut key = fresh.seal(&master, dates, &Sevens).unwrap();
        let kid = key.kid.clone();
        key.retired_at = Some(UnixSeconds(15));
        key.gone_at = Some(UnixSeconds(20));
        let ring = KeyRing {
            revision: 1,
            keys: vec![key],
        };
        let prepared = Prepared::new(ring, &Prepared::default(), &master, UnixSeconds(5)).unwrap();
        for (now, signs, verifies) in [
            (5, false, true),
            (10, true, true),
            (19, true, true),
            (20, false, false),
        ] {
            let at = UnixSeconds(now);
            assert_eq!(
                prepared.signer(Algorithm::EdDSA, at).is_some(),
                signs,
                "{now}"
            );
            assert!(prepared.signer(Algorithm::ES256, at).is_none());
            assert_eq!(prepared.verifier(&kid, at).is_some(), verifies, "{now}");
            let body = prepared.jwks(at).body.clone();
            assert_eq!(
                body.windows(kid.len()).any(|text| text == kid.as_bytes()),
                verifies
            );
        }
        assert!(prepared.verifier("another", UnixSeconds(10)).is_none());
    }
}
