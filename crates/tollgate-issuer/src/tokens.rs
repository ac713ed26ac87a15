//! Tokens as administrators see them: listed, counted, revoked by client, by subject, by identifier.

use std::{str::FromStr, time::Duration};

use tollgate_protocol::{ClientId, Subject};
use tollgate_store::{
    Cut, CutScope, Page, Probe, Revocation, Revoked, SignedToken, Store, TokenFilter, TokenKey,
};

use crate::{AdminError, Context, Issuer, clients::ACCESS_TTL_MAX, jti::Jti};

/// The most tokens in one page.
pub const PAGE_MAX: usize = 1000;

/// What names one token without being it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenId {
    /// The key of a stored token, as it is listed: 32 hexadecimal digits.
    Stored(TokenKey),
    /// The `jti` of a JWT made here.
    Signed(Jti),
}

/// The text names no token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a token id is 32 hexadecimal digits, or the jti of a token of this issuer")]
pub struct InvalidTokenId;

impl FromStr for TokenId {
    type Err = InvalidTokenId;

    fn from_str(text: &str) -> Result<Self, InvalidTokenId> {
        // Both have 32 characters. A `jti` has 192 bits; that all its characters are hexadecimal
        // digits happens once in 10¹⁴.
        if let Ok(key) = text.parse() {
            return Ok(Self::Stored(key));
        }
        Jti::parse(text)
            .map(Self::Signed)
            .map_err(|_| InvalidTokenId)
    }
}

impl<S: Store> Issuer<S> {
    /// Up to `limit` live stored tokens ([`PAGE_MAX`] at most), those after `after`.
    ///
    /// # Errors
    ///
    /// When the store does not answer.
    pub async fn tokens(
        &self,
        filter: TokenFilter,
        after: Option<TokenKey>,
        limit: usize,
        context: &Context<'_>,
    ) -> Result<Page, AdminError> {
        let now = context.now.steady.to_seconds();
        Ok(self
            .store
            .tokens(filter, after, limit.min(PAGE_MAX), now)
            .await?)
    }

    /// How many live stored tokens pass `filter`.
    ///
    /// # Errors
    ///
    /// When the store does not answer.
    pub async fn count_tokens(
        &self,
        filter: TokenFilter,
        context: &Context<'_>,
    ) -> Result<u64, AdminError> {
        Ok(self
            .store
            .count(filter, context.now.steady.to_seconds())
            .await?)
    }

    /// Kills every token of a subject, stored or signed, whatever client it was issued to.
    ///
    /// # Errors
    ///
    /// When the store does not answer.
    pub async fn revoke_subject_tokens(
        &self,
        subject: Subject,
        context: &Context<'_>,
    ) -> Result<(), AdminError> {
        let cut = self.cut(subject, context);
        let outcome = self.store.cut(cut).await;
        self.caches.clear();
        Ok(outcome?)
    }

    /// Kills one token.
    ///
    /// # Errors
    ///
    /// [`AdminError::NotFound`] when no live token has this identifier. Signed tokens are not
    /// stored: one that was never issued is taken for one that is alive.
    pub async fn revoke_token_id(
        &self,
        id: TokenId,
        context: &Context<'_>,
    ) -> Result<TokenKey, AdminError> {
        let (key, probe) = match id {
            TokenId::Stored(key) => (key, Probe::Stored(key)),
            TokenId::Signed(jti) => (jti.key, Probe::Signed(self.longest_lived(jti)?)),
        };
        let revocation = Revocation { probe, owner: None };
        let now = context.now.steady.to_seconds();
        let outcome = self.store.revoke(vec![revocation], now).await?;
        match outcome.first() {
            Some(Revoked::Revoked) => Ok(key),
            _ => Err(AdminError::NotFound("live token")),
        }
    }

    /// The token of `jti`, of which nothing else is known: it may live as long as any token can.
    /// Whose it is counts for nothing, since an administrator revokes whatever its owner.
    fn longest_lived(&self, jti: Jti) -> Result<SignedToken, AdminError> {
        let nobody: ClientId = "-"
            .parse()
            .map_err(|_| AdminError::Invalid("no placeholder client".into()))?;
        let issued_at = jti.issued_at();
        Ok(SignedToken {
            key: jti.key,
            subject: Subject::from(&nobody),
            client: nobody,
            epoch: jti.epoch,
            issued_at,
            expires_at: issued_at.to_seconds().plus(self.token_life_max()),
        })
    }

    /// A cut up to now, kept until no token that it covers can be alive.
    fn cut(&self, subject: Subject, context: &Context<'_>) -> Cut {
        let issued_up_to = self.cut_time(context.now);
        // One second for the fraction that the milliseconds lose.
        let life = self.token_life_max().saturating_add(Duration::from_secs(1));
        Cut {
            scope: CutScope::Subject(subject),
            issued_up_to,
            expires_at: issued_up_to.to_seconds().plus(life),
        }
    }

    /// The longest life of any token, also of those that earlier settings or a client of its own
    /// allowed.
    fn token_life_max(&self) -> Duration {
        ACCESS_TTL_MAX
            .max(self.settings.access_ttl)
            .max(self.settings.one_time_ttl)
    }
}
