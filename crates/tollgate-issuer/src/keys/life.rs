//! The life of the keys, as the clock and administrators drive it.

use std::{sync::Arc, time::Duration};

use tollgate_jose::Algorithm;
use tollgate_protocol::UnixSeconds;
use tollgate_store::Store;

use super::{
    JwksDocument, KeyView,
    change::{Outcome, Wish},
};
use crate::{AdminError, Context, Issuer, IssuerError};

/// How often the store is asked for changes by other instances.
const POLL: Duration = Duration::from_secs(30);

impl<S: Store> Issuer<S> {
    /// Does what the clock demands of the signing keys and learns what other instances did to
    /// them; how long until this should be called again. Meant for a task of its own.
    ///
    /// # Errors
    ///
    /// When the store does not answer; requests go on with the keys known so far.
    pub async fn tick_keys(&self, context: &Context<'_>) -> Result<Duration, IssuerError> {
        let outcome = self.keys.fulfil(&self.store, &Wish::Tick, context).await?;
        self.forget_verified(&outcome);
        self.keys.make_spares(&outcome.plan.spares).await?;
        let until = |next: UnixSeconds| next.to_millis().since(context.now.steady);
        Ok(outcome.plan.next.map_or(POLL, |next| until(next).min(POLL)))
    }

    /// Makes the material of the next key of `algorithm` (the default one unless given), which may
    /// take seconds; [`rotate_key`](Self::rotate_key) then takes none.
    ///
    /// # Errors
    ///
    /// [`AdminError::Invalid`] for algorithms that no JWT is signed with here,
    /// [`AdminError::Broken`] when the generator does not answer.
    pub async fn prepare_key(&self, algorithm: Option<Algorithm>) -> Result<(), AdminError> {
        let algorithm = algorithm.unwrap_or(self.settings.keys.signing_alg);
        require_asymmetric(algorithm)?;
        Ok(self.keys.make_spares(&[algorithm]).await?)
    }

    /// Makes the successor of the key that signs with `algorithm` (the default one unless given):
    /// published now, signing once validators had time to learn it. Their time begins with that of
    /// `context`, so the material is better there by then.
    ///
    /// # Errors
    ///
    /// [`AdminError::Invalid`] for algorithms that no JWT is signed with here and when there are
    /// too many keys, [`AdminError::Broken`] when the store or the generator does not answer.
    pub async fn rotate_key(
        &self,
        algorithm: Option<Algorithm>,
        context: &Context<'_>,
    ) -> Result<KeyView, AdminError> {
        let algorithm = algorithm.unwrap_or(self.settings.keys.signing_alg);
        require_asymmetric(algorithm)?;
        self.change_key(Wish::Rotate(algorithm), context).await
    }

    /// Withdraws a key in an emergency: at once it is out of the JWKS, verifies nothing and signs
    /// nothing, and its successor signs. Where none is ready and one takes long to make, nothing is
    /// signed with that algorithm until then.
    ///
    /// # Errors
    ///
    /// [`AdminError::NotFound`] for unknown keys, [`AdminError::Broken`] when the store or the
    /// generator does not answer. Whether the key is withdrawn is not known then; try again.
    ///
    /// # Security
    ///
    /// Every token that the key signed is dead here from now on; resource servers that hold an
    /// older JWKS accept them until they fetch the new one.
    pub async fn revoke_key(
        &self,
        kid: &str,
        context: &Context<'_>,
    ) -> Result<KeyView, AdminError> {
        let revoked = self
            .change_key(Wish::Revoke(kid.to_owned()), context)
            .await?;
        let algorithm = revoked.alg.parse();
        let algorithm = algorithm.map_err(|_| IssuerError::Corrupt(revoked.alg.clone()))?;
        self.ensure_algorithm(algorithm, context).await?;
        Ok(revoked)
    }

    /// The ids of the signing keys, oldest first.
    pub fn key_ids(&self) -> Vec<String> {
        let keys = &self.keys.prepared.load().ring.keys;
        keys.iter().map(|key| key.kid.clone()).collect()
    }

    /// The signing keys, oldest first.
    pub fn keys(&self, context: &Context<'_>) -> Vec<KeyView> {
        let now = context.now.steady.to_seconds();
        let prepared = self.keys.prepared.load();
        prepared
            .ring
            .keys
            .iter()
            .map(|key| KeyView::of(key, now))
            .collect()
    }

    /// The algorithms that go on signing with a key that should have been followed by another:
    /// as many are published as cautious validators read, and each stays until the last token that
    /// it signed has expired. Rotate less often, or give tokens a shorter life.
    ///
    /// # Errors
    ///
    /// When the ring has an algorithm that does not exist.
    pub fn rotations_held_back(
        &self,
        context: &Context<'_>,
    ) -> Result<Vec<Algorithm>, IssuerError> {
        self.keys.held_back(context.now.steady.to_seconds())
    }

    /// The JWKS (RFC 7517 §5) as it stands at this time.
    pub fn jwks(&self, context: &Context<'_>) -> Arc<JwksDocument> {
        self.keys.jwks(context.now.steady.to_seconds())
    }

    /// Makes sure that there is a key which signs with `algorithm`; the first one signs at once.
    pub(crate) async fn ensure_algorithm(
        &self,
        algorithm: Algorithm,
        context: &Context<'_>,
    ) -> Result<(), AdminError> {
        require_asymmetric(algorithm)?;
        if self
            .keys
            .signer(algorithm, context.now.steady.to_seconds())
            .is_some()
        {
            return Ok(());
        }
        let outcome = self
            .keys
            .try_fulfil(&self.store, &Wish::Line(algorithm), context)
            .await?;
        self.forget_verified(&outcome);
        Ok(())
    }

    async fn change_key(&self, wish: Wish, context: &Context<'_>) -> Result<KeyView, AdminError> {
        let outcome = self.keys.try_fulfil(&self.store, &wish, context).await?;
        self.forget_verified(&outcome);
        let now = context.now.steady.to_seconds();
        let view = outcome.kid.and_then(|kid| self.keys.view(&kid, now));
        view.ok_or(AdminError::NotFound("key"))
    }

    /// A token verified under a key that left must not be found in a cache.
    fn forget_verified(&self, outcome: &Outcome) {
        if outcome.keys_left {
            self.caches.keys_changed();
        }
    }
}

fn require_asymmetric(algorithm: Algorithm) -> Result<(), AdminError> {
    if algorithm.is_symmetric() {
        let message = format!("{algorithm} has no public key that others could verify with");
        return Err(AdminError::Invalid(message));
    }
    Ok(())
}
