//! Which access token a client gets. One file a grant; what they share is here.

mod allow;
pub(crate) mod claims;
mod client_credentials;

use std::time::Duration;

use tollgate_protocol::{
    GrantType, OpaqueToken, Resources, Scope, Subject, TokenFormat, TokenKind, entropy,
};
use tollgate_store::{InsertOutcome, NewToken, Store, TokenKey, TokenRecord, TokenUse};
use zeroize::Zeroizing;

use crate::{Context, Issuer, IssuerError, authenticate::Client, jti::Jti};

/// A request to the token endpoint, parsed.
#[derive(Clone, Debug, Default)]
pub struct TokenRequest {
    /// The scope asked for; none for all that the client may have.
    pub scope: Option<Scope>,
    /// The resources asked for (RFC 8707); none for all that the client may name.
    pub resources: Resources,
}

/// An access token on its way to the client.
#[derive(Debug)]
pub struct IssuedToken {
    /// Its public handle.
    pub key: TokenKey,
    /// The token, wiped when it is dropped.
    pub token: Zeroizing<String>,
    /// What it looks like.
    pub format: TokenFormat,
    /// How long it is valid.
    pub expires_in: Duration,
    /// What it allows.
    pub scope: Scope,
}

/// Why a client does not get a token.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GrantError {
    /// The client may not use this grant.
    #[error("the client may not use this grant")]
    UnauthorizedClient,
    /// The scope reaches further than the client's.
    #[error("the scope reaches further than the client's")]
    InvalidScope,
    /// A resource is not one that the client may ask tokens for.
    #[error("a resource is not one that the client may ask tokens for")]
    InvalidTarget,
    /// Something broke.
    #[error(transparent)]
    Broken(#[from] IssuerError),
}

/// What a token will say, decided.
pub(crate) struct Allowed {
    pub(crate) subject: Subject,
    pub(crate) scope: Scope,
    pub(crate) audience: Resources,
}

impl<S: Store> Issuer<S> {
    /// Issues an access token to `client` under `grant`.
    ///
    /// # Errors
    ///
    /// When the client may not have what it asks for, or something broke.
    pub async fn grant(
        &self,
        grant: GrantType,
        client: &Client,
        request: TokenRequest,
        context: &Context<'_>,
    ) -> Result<IssuedToken, GrantError> {
        if !client.may_use(grant) {
            return Err(GrantError::UnauthorizedClient);
        }
        match grant {
            GrantType::ClientCredentials => self.client_credentials(client, request, context).await,
        }
    }

    /// Issues an access token that says what was decided, in the client's format.
    async fn issue_access(
        &self,
        client: &Client,
        allowed: Allowed,
        context: &Context<'_>,
    ) -> Result<IssuedToken, IssuerError> {
        let scope = allowed.scope.clone();
        let (key, token) = match client.format {
            TokenFormat::Jwt => self.issue_jwt(client, &allowed, context).await?,
            TokenFormat::Opaque => {
                let issued_at = self.issue_time(context.now);
                let record = TokenRecord {
                    usage: TokenUse::Access,
                    client: client.record.id.clone(),
                    epoch: client.record.epoch,
                    subject: allowed.subject,
                    scope: allowed.scope,
                    audience: allowed.audience,
                    issued_at,
                    expires_at: issued_at.to_seconds().plus(client.access_ttl),
                    data: None,
                };
                self.keep(TokenKind::Access, record, context).await?
            }
        };
        Ok(IssuedToken {
            key,
            token,
            format: client.format,
            expires_in: client.access_ttl,
            scope,
        })
    }

    /// Makes an opaque token that stands for `record`; durable when this returns.
    pub(crate) async fn keep(
        &self,
        kind: TokenKind,
        record: TokenRecord,
        context: &Context<'_>,
    ) -> Result<(TokenKey, Zeroizing<String>), IssuerError> {
        let random = Zeroizing::new(entropy::random::<32>(context.entropy)?);
        let token = OpaqueToken::from_random(kind, &random);
        let key = self.hasher.token(&token);
        let now = context.now.steady.to_seconds();
        match self
            .store
            .insert(
                vec![NewToken { key, record }],
                self.settings.active_max,
                now,
            )
            .await?
        {
            InsertOutcome::Inserted => Ok((key, Zeroizing::new(token.expose().to_owned()))),
            InsertOutcome::Full => Err(IssuerError::TokensFull),
        }
    }

    /// Signs a JWT that says what was decided (RFC 9068); nothing is written.
    async fn issue_jwt(
        &self,
        client: &Client,
        allowed: &Allowed,
        context: &Context<'_>,
    ) -> Result<(TokenKey, Zeroizing<String>), IssuerError> {
        let algorithm = client.signing_alg;
        let wall = context.now.wall.to_seconds();
        let key = self
            .keys
            .signer(algorithm, context.now.steady.to_seconds())
            .ok_or(IssuerError::NoSigningKey(algorithm.name()))?;
        let jti = Jti::new(
            client.record.epoch,
            self.issue_time(context.now),
            context.entropy,
        )?;
        let dates = claims::Dates {
            issued_at: wall,
            expires_at: wall.plus(client.access_ttl),
            jti,
        };
        let usual = *allowed.scope.as_str() == *client.record.scope.as_str()
            && allowed.audience == client.audience;
        let claims = if usual {
            claims::complete(&client.claims, &dates)
        } else {
            let constant = claims::Constant {
                issuer: &self.settings.issuer,
                client: &client.record.id,
                subject: &allowed.subject,
                audience: &allowed.audience,
                scope: &allowed.scope,
            };
            claims::complete(&claims::constant(&constant), &dates)
        };
        let token = self
            .sign(&key, &key.at_jwt_header, claims.as_bytes())
            .await?;
        Ok((jti.key, token))
    }
}
