//! Signing a JWT: at once where it costs microseconds, in the signing lane where it costs more.

use std::sync::Arc;

use tollgate_jose::compact;
use tollgate_store::Store;
use zeroize::Zeroizing;

use crate::{Issuer, IssuerError, keys::SigningEntry};

impl<S: Store> Issuer<S> {
    /// The JWT of `header` (encoded already) and `claims`, signed with `key`.
    pub(crate) async fn sign(
        &self,
        key: &Arc<SigningEntry>,
        header: &str,
        claims: &[u8],
    ) -> Result<Zeroizing<String>, IssuerError> {
        if key.algorithm.is_rsa() {
            return self.keys.lane().sign(Arc::clone(key), header, claims).await;
        }
        // Header, claims in base64, the longest signature that is made here, and two dots.
        let capacity = header.len() + claims.len() * 4 / 3 + 140;
        let mut token = Zeroizing::new(String::with_capacity(capacity));
        compact(header, claims, &key.key, &mut token)
            .map_err(|error| IssuerError::Sign(error.to_string()))?;
        Ok(token)
    }
}
