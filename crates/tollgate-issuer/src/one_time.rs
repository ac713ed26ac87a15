//! One-time tokens: issued to a client, redeemed by exactly one call, ever.

use std::{sync::Arc, time::Duration};

use tollgate_protocol::{OpaqueToken, Resources, Scope, Subject, TokenKind, UnixSeconds};
use tollgate_store::{Redeemed, Redemption, Store, TokenKey, TokenRecord, TokenUse};
use zeroize::Zeroizing;

use crate::{
    Context, Issuer, IssuerError, authenticate::Client, check::LiveToken, grant::GrantError,
};

/// The longest `data`, in bytes of JSON text.
pub const DATA_BYTES_MAX: usize = 1024;

/// A request for a one-time token, parsed.
#[derive(Clone, Debug, Default)]
pub struct OneTimeRequest {
    /// The scope asked for; none for all that the client may have.
    pub scope: Option<Scope>,
    /// The resources asked for (RFC 8707); none for all that the client may name.
    pub resources: Resources,
    /// Whom the token speaks of; none for the client itself.
    pub subject: Option<Subject>,
    /// How long it is valid; none for as long as the server allows.
    pub expires_in: Option<Duration>,
    /// JSON text of at most [`DATA_BYTES_MAX`] that the redeemer gets.
    pub data: Option<Arc<str>>,
}

/// A one-time token on its way to the client.
#[derive(Debug)]
pub struct IssuedOneTimeToken {
    /// Its public handle.
    pub key: TokenKey,
    /// The token, wiped when it is dropped.
    pub token: Zeroizing<String>,
    /// How long it is valid.
    pub expires_in: Duration,
    /// The first second in which it is no longer valid.
    pub expires_at: UnixSeconds,
}

/// Why a one-time token is not issued.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OneTimeError {
    /// The client may not have what it asks for.
    #[error(transparent)]
    Grant(#[from] GrantError),
    /// The life time is zero or longer than the server allows.
    #[error("expires_in is zero or longer than the server allows")]
    Lifetime,
    /// The data is longer than [`DATA_BYTES_MAX`].
    #[error("data is longer than {DATA_BYTES_MAX} bytes")]
    DataTooLong,
}

/// Why a one-time token is not redeemed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RedeemError {
    /// Another call redeemed it before.
    #[error("the one-time token was redeemed before")]
    AlreadyConsumed(TokenKey),
    /// The caller neither asked for it nor serves its audience; it can still be redeemed.
    #[error("the one-time token is another client's")]
    NotYours(TokenKey),
    /// It is malformed, unknown, expired or revoked.
    #[error("the one-time token is not valid")]
    Dead,
    /// Something broke.
    #[error(transparent)]
    Broken(#[from] IssuerError),
}

/// A redeemed one-time token.
#[derive(Clone, Debug)]
pub struct RedeemedToken {
    /// Under what it was kept.
    pub key: TokenKey,
    /// What it stood for.
    pub record: Arc<TokenRecord>,
}

impl<S: Store> Issuer<S> {
    /// Issues a one-time token to `client`.
    ///
    /// # Errors
    ///
    /// When the client may not have what it asks for, or something broke.
    pub async fn issue_one_time(
        &self,
        client: &Client,
        request: OneTimeRequest,
        context: &Context<'_>,
    ) -> Result<IssuedOneTimeToken, OneTimeError> {
        let longest = self.settings.one_time_ttl;
        let expires_in = request.expires_in.unwrap_or(longest);
        if expires_in < Duration::from_secs(1) || expires_in > longest {
            return Err(OneTimeError::Lifetime);
        }
        if request
            .data
            .as_ref()
            .is_some_and(|data| data.len() > DATA_BYTES_MAX)
        {
            return Err(OneTimeError::DataTooLong);
        }
        let issued_at = self.issue_time(context.now);
        let expires_at = issued_at.to_seconds().plus(expires_in);
        let record = TokenRecord {
            usage: TokenUse::OneTime,
            client: client.record.id.clone(),
            epoch: client.record.epoch,
            subject: request.subject.unwrap_or_else(|| client.subject.clone()),
            scope: client.allow_scope(request.scope)?,
            audience: client.allow_resources(request.resources)?,
            issued_at,
            expires_at,
            data: request.data,
        };
        let (key, token) = self
            .keep(TokenKind::OneTime, record, context)
            .await
            .map_err(GrantError::Broken)?;
        Ok(IssuedOneTimeToken {
            key,
            token,
            expires_in,
            expires_at,
        })
    }

    /// Redeems the one-time token `token` for `client`.
    ///
    /// # Errors
    ///
    /// When it cannot be redeemed by this client, now or ever, or something broke.
    pub async fn redeem(
        &self,
        client: &Client,
        token: &str,
        context: &Context<'_>,
    ) -> Result<RedeemedToken, RedeemError> {
        let key = self.one_time_key(token)?;
        self.redeem_key(
            key,
            client.record.id.clone(),
            client.record.serves.clone(),
            context,
        )
        .await
    }

    /// Redeems `token` for an administrator, who has no client, on the authority of the client that
    /// asked for it.
    ///
    /// # Errors
    ///
    /// When it cannot be redeemed any more, or something broke.
    pub async fn redeem_as_bearer(
        &self,
        token: &str,
        context: &Context<'_>,
    ) -> Result<RedeemedToken, RedeemError> {
        let key = self.one_time_key(token)?;
        let live = self
            .standing_of_key(key, context)
            .await?
            .ok_or(RedeemError::Dead)?;
        self.redeem_key(key, live.client.clone(), Resources::default(), context)
            .await
    }

    /// Redeems the one-time token that was found to be `live`, for whoever bears it, on the
    /// authority of the client that asked for it: for gateways, who have no client of their own.
    ///
    /// # Errors
    ///
    /// When it cannot be redeemed any more: another call may have won since it was looked at. When
    /// it is no one-time token, or something broke.
    pub async fn redeem_live(
        &self,
        live: &LiveToken,
        context: &Context<'_>,
    ) -> Result<RedeemedToken, RedeemError> {
        let client = live.record.client.clone();
        self.redeem_key(live.key, client, Resources::default(), context)
            .await
    }

    fn one_time_key(&self, token: &str) -> Result<TokenKey, RedeemError> {
        match token.parse::<OpaqueToken>() {
            Ok(token) if token.kind() == TokenKind::OneTime => Ok(self.hasher.token(&token)),
            _ => Err(RedeemError::Dead),
        }
    }

    async fn redeem_key(
        &self,
        key: TokenKey,
        client: tollgate_protocol::ClientId,
        serves: Resources,
        context: &Context<'_>,
    ) -> Result<RedeemedToken, RedeemError> {
        let redemption = Redemption {
            key,
            client,
            serves,
        };
        let now = context.now.steady.to_seconds();
        let outcome = self
            .store
            .redeem(vec![redemption], now)
            .await
            .map_err(IssuerError::from)?;
        match outcome.into_iter().next() {
            Some(Redeemed::Consumed(record)) => Ok(RedeemedToken { key, record }),
            Some(Redeemed::AlreadyConsumed) => Err(RedeemError::AlreadyConsumed(key)),
            Some(Redeemed::NotYours) => Err(RedeemError::NotYours(key)),
            Some(Redeemed::Dead) | None => Err(RedeemError::Dead),
        }
    }
}
