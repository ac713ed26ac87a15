//! Sets of keys: as a document (`JwkSet`) and prepared for verification (`KeySet`).

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;

use crate::error::KeyError;
use crate::{Algorithm, Jwk, VerifyingKey};

/// Bounds on a JWK Set document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JwkSetLimits {
    /// Longest document, in bytes.
    pub bytes_max: usize,
    /// Most keys.
    pub keys_max: usize,
}

impl Default for JwkSetLimits {
    /// 256 KiB and 100 keys.
    fn default() -> Self {
        Self {
            bytes_max: 256 * 1024,
            keys_max: 100,
        }
    }
}

/// A JWK Set (RFC 7517 §5).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct JwkSet {
    /// The keys that could be read, in the order of the document.
    pub keys: Vec<Jwk>,
}

impl JwkSet {
    /// Parses a document within the default limits.
    ///
    /// # Errors
    /// As [`JwkSet::from_slice_within`].
    pub fn from_slice(json: &[u8]) -> Result<Self, KeyError> {
        Self::from_slice_within(json, &JwkSetLimits::default())
    }

    /// Parses a document. A key that cannot be read is left out and the rest is kept, as
    /// RFC 7517 §5 advises, so that one exotic key does not cut off all the others.
    ///
    /// # Errors
    /// [`KeyError::TooLarge`] past a limit, [`KeyError::Malformed`] when there is no `keys` array.
    pub fn from_slice_within(json: &[u8], limits: &JwkSetLimits) -> Result<Self, KeyError> {
        #[derive(Deserialize)]
        struct Document<'a> {
            #[serde(borrow)]
            keys: Vec<&'a RawValue>,
        }
        if json.len() > limits.bytes_max {
            return Err(KeyError::TooLarge);
        }
        let document: Document<'_> =
            serde_json::from_slice(json).map_err(|_| KeyError::Malformed)?;
        if document.keys.len() > limits.keys_max {
            return Err(KeyError::TooLarge);
        }
        let (mut keys, mut unreadable) = (Vec::new(), Vec::new());
        for raw in document.keys {
            match Jwk::from_slice(raw.get().as_bytes()) {
                Ok(jwk) => keys.push(jwk),
                Err(_) => unreadable.extend(Name::of(raw)),
            }
        }
        // Which of two namesakes was meant is not for the reader to guess.
        keys.retain(|jwk| !unreadable.iter().any(|name| name.is_namesake(jwk)));
        Ok(Self { keys })
    }
}

/// What an unreadable key calls itself.
#[derive(Deserialize)]
struct Name {
    kid: String,
    kty: String,
}

impl Name {
    fn of(raw: &RawValue) -> Option<Self> {
        serde_json::from_str(raw.get()).ok()
    }

    /// Keys of different types may share an id (RFC 7517 §4.5).
    fn is_namesake(&self, jwk: &Jwk) -> bool {
        jwk.kid() == Some(&self.kid) && jwk.key_type() == self.kty
    }
}

impl<'de> Deserialize<'de> for JwkSet {
    /// Reads a set embedded in a larger JSON document; works with `serde_json` alone.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = Box::<RawValue>::deserialize(deserializer)?;
        Self::from_slice(raw.get().as_bytes()).map_err(serde::de::Error::custom)
    }
}

/// Keys prepared for verification and looked up by what a token's header says.
#[derive(Debug, Clone, Default)]
pub struct KeySet {
    keys: Vec<VerifyingKey>,
}

/// Why a set has no key for a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LookupError {
    /// No key has the id, or the token has none and not exactly one key fits.
    #[error("find key: not found")]
    NotFound,
    /// The key with the id does not answer to the token's algorithm.
    #[error("find key: algorithm does not belong to the key")]
    AlgorithmNotAllowed,
    /// Different keys bear the same id.
    #[error("find key: ambiguous id")]
    Ambiguous,
}

impl KeySet {
    /// Prepares the keys of a set; those that are weak, invalid or not for signatures are left
    /// out and returned with the reason.
    ///
    /// Shared secrets in a set that also has public keys are left out: such a document has been
    /// published by mistake, and everybody who read it could sign.
    #[must_use]
    pub fn from_jwk_set(set: &JwkSet) -> (Self, Vec<(Option<String>, KeyError)>) {
        let is_mixed = set.keys.iter().any(|key| !key.is_symmetric());
        let (mut keys, mut refused) = (Vec::new(), Vec::new());
        for jwk in &set.keys {
            let prepared = match VerifyingKey::from_jwk(jwk) {
                Ok(key) if is_mixed && key.is_symmetric() => Err(KeyError::SecretIsPublic),
                other => other,
            };
            match prepared {
                Ok(key) => keys.push(key),
                Err(cause) => refused.push((jwk.kid().map(str::to_owned), cause)),
            }
        }
        (Self { keys }, refused)
    }

    /// The keys.
    #[must_use]
    pub fn keys(&self) -> &[VerifyingKey] {
        &self.keys
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// The one key for a token: by `kid` when the token has one, else the only key that answers
    /// to `alg`.
    ///
    /// # Errors
    /// [`LookupError`]; more than one candidate is an error too, since trying keys in turn would
    /// let a sender choose.
    pub fn find(&self, alg: Algorithm, kid: Option<&str>) -> Result<&VerifyingKey, LookupError> {
        let mut named = self
            .keys
            .iter()
            .filter(|key| kid.is_none() || key.kid() == kid)
            .peekable();
        if named.peek().is_none() {
            return Err(LookupError::NotFound);
        }
        let mut fitting = named.filter(|key| key.allows(alg));
        let missing = match kid {
            Some(_) => LookupError::AlgorithmNotAllowed,
            None => LookupError::NotFound,
        };
        let first = fitting.next().ok_or(missing)?;
        if fitting.all(|other| other.is_same_material(first)) {
            Ok(first)
        } else if kid.is_some() {
            Err(LookupError::Ambiguous)
        } else {
            Err(LookupError::NotFound)
        }
    }
}

impl FromIterator<VerifyingKey> for KeySet {
    fn from_iter<I: IntoIterator<Item = VerifyingKey>>(keys: I) -> Self {
        Self {
            keys: keys.into_iter().collect(),
        }
    }
}
