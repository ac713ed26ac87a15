//! New keys, made on a thread of their own: an RSA key takes hundreds of milliseconds.

use tokio::sync::oneshot;
use tollgate_jose::{Algorithm, Pkcs8, SigningKey};
use tollgate_protocol::{Entropy, UnixSeconds};
use tollgate_store::StoredKey;

use crate::{IssuerError, MasterKey, master_key::Associated};

/// A key that is not in the ring yet.
pub(super) struct FreshKey {
    pkcs8: Pkcs8,
    key: SigningKey,
}

impl FreshKey {
    pub(super) async fn generate(algorithm: Algorithm) -> Result<Self, IssuerError> {
        let (done, made) = oneshot::channel();
        std::thread::Builder::new()
            .name("key-generation".into())
            .spawn(move || {
                super::lane::yield_to_others();
                // Nobody waits any more when the caller gave up; the key is dropped then.
                let _ = done.send(SigningKey::generate(algorithm));
            })
            .map_err(|error| IssuerError::Sign(error.to_string()))?;
        let made = made
            .await
            .map_err(|error| IssuerError::Sign(error.to_string()))?;
        let (pkcs8, key) = made.map_err(|error| IssuerError::Sign(error.to_string()))?;
        Ok(Self { pkcs8, key })
    }

    pub(super) fn algorithm(&self) -> Algorithm {
        self.key.algorithm()
    }

    /// The key as it is kept.
    pub(super) fn seal(
        &self,
        master: &MasterKey,
        dates: Dates,
        entropy: &dyn Entropy,
    ) -> Result<StoredKey, IssuerError> {
        let algorithm = self.algorithm().name();
        let public = self
            .key
            .public_jwk()
            .ok_or(IssuerError::NoSigningKey(algorithm))?;
        let associated = Associated {
            kid: self.key.kid(),
            algorithm,
            created_at: dates.created_at,
        };
        Ok(StoredKey {
            kid: self.key.kid().to_owned(),
            algorithm: algorithm.to_owned(),
            public_jwk: serde_json::to_string(&public)
                .map_err(|error| IssuerError::Corrupt(error.to_string()))?,
            sealed: master.seal(self.pkcs8.as_bytes(), &associated, entropy)?,
            created_at: dates.created_at,
            signs_from: dates.signs_from,
            retired_at: None,
            gone_at: None,
            revoked_at: None,
        })
    }
}

/// The dates that a new key has from the start.
#[derive(Clone, Copy)]
pub(super) struct Dates {
    pub(super) created_at: UnixSeconds,
    pub(super) signs_from: UnixSeconds,
}
