//! The keys of one issuer as they stand at a moment.

use tollgate_jose::{Algorithm, JwkSet, KeyError, KeySet, VerifyingKey};

use crate::error::{Error, from_lookup};

/// Keys that may be used, and the ids of those that were refused as weak.
#[derive(Debug, Default)]
pub(crate) struct KeyRing {
    /// The hash of the document that the keys came in; all zeros for keys that never change.
    #[cfg(feature = "client")]
    pub(crate) identity: crate::verified::Hash,
    set: KeySet,
    weak: Vec<Option<String>>,
}

impl KeyRing {
    pub(crate) fn from_jwk_set(set: &JwkSet) -> Self {
        let (set, refused) = KeySet::from_jwk_set(set);
        let weak = refused.into_iter().filter_map(|(kid, cause)| match cause {
            KeyError::Weak(_) => Some(kid),
            _ => None,
        });
        let mut ring = Self::from_keys([]);
        ring.set = set;
        ring.weak = weak.collect();
        ring
    }

    pub(crate) fn from_keys(keys: impl IntoIterator<Item = VerifyingKey>) -> Self {
        Self {
            set: keys.into_iter().collect(),
            ..Self::default()
        }
    }

    /// How many keys may be used.
    #[cfg(feature = "client")]
    pub(crate) fn len(&self) -> usize {
        self.set.keys().len()
    }

    pub(crate) fn find(&self, alg: Algorithm, kid: Option<&str>) -> Result<&VerifyingKey, Error> {
        self.set
            .find(alg, kid)
            .map_err(|cause| match from_lookup(cause, alg) {
                Error::KeyNotFound if self.is_weak(kid) => Error::WeakKey,
                other => other,
            })
    }

    fn is_weak(&self, kid: Option<&str>) -> bool {
        self.weak
            .iter()
            .any(|weak| kid.is_none() || weak.as_deref() == kid)
    }
}
