//! Whether a token counts, for introspection, validation and revocation.

use std::sync::Arc;

use aws_lc_rs::digest;
use tollgate_jose::{Compact, Limits};
use tollgate_protocol::{ClientId, OpaqueToken, Resources, TokenFormat, UnixMillis};
use tollgate_store::{
    Probe, Revocation, Revoked, SignedToken, Standing, Store, TokenKey, TokenRecord, TokenUse,
};

use crate::{
    Context, Issuer, IssuerError,
    authenticate::Client,
    cache::{Lookup, Ticket},
    grant::claims::AccessClaims,
    jti::Jti,
};

/// A JWT access token of this issuer whose signature was verified, and nothing else.
pub(crate) struct VerifiedJwt {
    kid: String,
    key: TokenKey,
    jti: Arc<str>,
    pub(crate) record: Arc<TokenRecord>,
}

/// A token that counts.
#[derive(Clone, Debug)]
pub struct LiveToken {
    /// Its public handle.
    pub key: TokenKey,
    /// What it looks like.
    pub format: TokenFormat,
    /// What it stands for.
    pub record: Arc<TokenRecord>,
    /// Its `jti`, if it is a JWT.
    pub jti: Option<Arc<str>>,
}

impl LiveToken {
    /// Whether `client` may learn of it: the token was issued to it or names a resource that it
    /// is.
    #[must_use]
    pub fn is_visible_to(&self, client: &Client) -> bool {
        self.record.client == client.record.id
            || self.record.audience.intersects(&client.record.serves)
    }
}

/// A token that was presented and is at least well-formed; whether it counts is not known yet.
enum Presented {
    Opaque(TokenKey),
    Jwt(Arc<VerifiedJwt>),
}

impl Presented {
    fn key(&self) -> TokenKey {
        match self {
            Self::Opaque(key) => *key,
            Self::Jwt(jwt) => jwt.key,
        }
    }

    fn probe(&self) -> Probe {
        match self {
            Self::Opaque(key) => Probe::Stored(*key),
            Self::Jwt(jwt) => Probe::Signed(SignedToken {
                key: jwt.key,
                client: jwt.record.client.clone(),
                epoch: jwt.record.epoch,
                subject: jwt.record.subject.clone(),
                issued_at: jwt.record.issued_at,
                expires_at: jwt.record.expires_at,
            }),
        }
    }

    /// The record, if the token `stands`.
    fn live(&self, stands: Standing) -> Option<Arc<TokenRecord>> {
        match (self, stands) {
            (Self::Opaque(_), Standing::Stored(record)) => Some(record),
            (Self::Jwt(jwt), Standing::Signed) => Some(Arc::clone(&jwt.record)),
            _ => None,
        }
    }

    fn into_live_token(self, record: Arc<TokenRecord>) -> LiveToken {
        match self {
            Self::Opaque(key) => LiveToken {
                key,
                format: TokenFormat::Opaque,
                record,
                jti: None,
            },
            Self::Jwt(jwt) => LiveToken {
                key: jwt.key,
                format: TokenFormat::Jwt,
                record,
                jti: Some(Arc::clone(&jwt.jti)),
            },
        }
    }
}

/// Who asks for a revocation.
#[derive(Clone, Debug)]
pub enum Revoker {
    /// A client, of its own tokens alone (RFC 7009 §2.1).
    Client(ClientId),
    /// An administrator, of any token.
    Administrator,
}

impl<S: Store> Issuer<S> {
    /// The tokens among `tokens` that count, in order, in at most one round trip to the store.
    ///
    /// # Errors
    ///
    /// When the store does not answer: never a guess.
    pub async fn check(
        &self,
        tokens: &[&str],
        context: &Context<'_>,
    ) -> Result<Vec<Option<LiveToken>>, IssuerError> {
        let now = context.now.steady;
        let mut answers: Vec<Option<LiveToken>> = Vec::with_capacity(tokens.len());
        let mut asked: Vec<(usize, Presented, Ticket)> = Vec::new();
        for (position, token) in tokens.iter().enumerate() {
            let presented = self.recognise(token, context);
            answers.push(match presented {
                None => None,
                Some(presented) => match self.caches.standing.get(&presented.key(), now) {
                    Lookup::Hit(record) if record.expires_at > now.to_seconds() => {
                        Some(presented.into_live_token(record))
                    }
                    Lookup::Hit(_) => None,
                    Lookup::Miss(ticket) => {
                        asked.push((position, presented, ticket));
                        None
                    }
                },
            });
        }
        if !asked.is_empty() {
            Box::pin(self.ask(asked, &mut answers, now)).await?;
        }
        Ok(answers)
    }

    /// Asks the store for what no cache knew, and fills it in.
    async fn ask(
        &self,
        asked: Vec<(usize, Presented, Ticket)>,
        answers: &mut [Option<LiveToken>],
        now: UnixMillis,
    ) -> Result<(), IssuerError> {
        let probes: Vec<Probe> = asked
            .iter()
            .map(|(_, presented, _)| presented.probe())
            .collect();
        let standings = self.store.standing(&probes, now.to_seconds()).await?;
        for ((position, presented, ticket), stands) in asked.into_iter().zip(standings) {
            let Some(record) = presented.live(stands) else {
                continue;
            };
            self.caches
                .standing
                .insert(ticket, presented.key(), Arc::clone(&record), now);
            if let Some(answer) = answers.get_mut(position) {
                *answer = Some(presented.into_live_token(record));
            }
        }
        Ok(())
    }

    /// The token, if it counts.
    ///
    /// # Errors
    ///
    /// When the store does not answer: never a guess.
    pub async fn check_one(
        &self,
        token: &str,
        context: &Context<'_>,
    ) -> Result<Option<LiveToken>, IssuerError> {
        Ok(self.check(&[token], context).await?.pop().flatten())
    }

    /// What the opaque token under `key` stands for, if it counts; asked of the store itself.
    pub(crate) async fn standing_of_key(
        &self,
        key: TokenKey,
        context: &Context<'_>,
    ) -> Result<Option<Arc<TokenRecord>>, IssuerError> {
        let now = context.now.steady.to_seconds();
        let standing = self.store.standing(&[Probe::Stored(key)], now).await?;
        Ok(match standing.into_iter().next() {
            Some(Standing::Stored(record)) => Some(record),
            _ => None,
        })
    }

    /// Revokes those of `tokens` that are alive and `revoker`'s, in one round trip to the store.
    ///
    /// # Errors
    ///
    /// When the store does not answer; then nothing is known of any of them.
    pub async fn revoke(
        &self,
        tokens: &[&str],
        revoker: &Revoker,
        context: &Context<'_>,
    ) -> Result<Vec<(Option<TokenKey>, Revoked)>, IssuerError> {
        let mut outcomes = vec![(None, Revoked::AlreadyDead); tokens.len()];
        let owner = match revoker {
            Revoker::Client(client) => Some(client.clone()),
            Revoker::Administrator => None,
        };
        let mut asked = Vec::new();
        let mut revocations = Vec::new();
        for (token, outcome) in tokens.iter().zip(&mut outcomes) {
            let Some(presented) = self.recognise(token, context) else {
                continue;
            };
            revocations.push(Revocation {
                probe: presented.probe(),
                owner: owner.clone(),
            });
            asked.push((presented.key(), outcome));
        }
        if asked.is_empty() {
            return Ok(outcomes);
        }
        let now = context.now.steady.to_seconds();
        let answers = self.store.revoke(revocations, now).await?;
        for ((key, outcome), revoked) in asked.into_iter().zip(answers) {
            *outcome = (Some(key), revoked);
        }
        Ok(outcomes)
    }

    /// The public handle of `token`, if it is one of this issuer's, alive or not; the store is not
    /// asked.
    pub fn key_of(&self, token: &str, context: &Context<'_>) -> Option<TokenKey> {
        let presented = self.recognise(token, context)?;
        Some(presented.key())
    }

    /// What `token` is, from its shape, its signature and the clock alone.
    fn recognise(&self, token: &str, context: &Context<'_>) -> Option<Presented> {
        if OpaqueToken::has_prefix(token) {
            let token: OpaqueToken = token.parse().ok()?;
            return Some(Presented::Opaque(self.hasher.token(&token)));
        }
        let jwt = self.verified_jwt(token, context)?;
        let now = context.now.steady.to_seconds();
        (now < jwt.record.expires_at).then_some(Presented::Jwt(jwt))
    }

    /// The JWT whose signature was verified, now or before, with a key that still counts.
    fn verified_jwt(&self, token: &str, context: &Context<'_>) -> Option<Arc<VerifiedJwt>> {
        let now = context.now.steady;
        if token.len() > Limits::default().token_bytes_max {
            return None;
        }
        let mut digest = [0; 32];
        digest.copy_from_slice(digest::digest(&digest::SHA256, token.as_bytes()).as_ref());
        match self.caches.verified.get(&digest, now) {
            Lookup::Hit(jwt) => self
                .keys
                .verifier(&jwt.kid, context.now.steady.to_seconds())
                .map(|_| jwt),
            Lookup::Miss(ticket) => {
                let jwt = Arc::new(self.verify_jwt(token, context)?);
                self.caches
                    .verified
                    .insert(ticket, digest, Arc::clone(&jwt), now);
                Some(jwt)
            }
        }
    }

    fn verify_jwt(&self, token: &str, context: &Context<'_>) -> Option<VerifiedJwt> {
        let unverified = Compact::parse(token, &Limits::default()).ok()?;
        let header = unverified.header();
        if !header.is_typ("at+jwt") {
            return None;
        }
        let key = self
            .keys
            .verifier(header.kid()?, context.now.steady.to_seconds())?;
        let payload = unverified.verify(&key.key).ok()?;
        let claims: AccessClaims = serde_json::from_slice(payload.as_bytes()).ok()?;
        if claims.iss != self.settings.issuer {
            return None;
        }
        let jti = Jti::parse(&claims.jti).ok()?;
        // By the clock that never runs back, which the jti was dated by: `iat` and `exp` are of the
        // wall clock, which may have been set back when the token was issued.
        let life = claims.exp.since(claims.iat);
        let expires_at = jti.issued_at().to_seconds().plus(life);
        Some(VerifiedJwt {
            kid: key.kid.clone(),
            key: jti.key,
            jti: claims.jti.into(),
            record: Arc::new(TokenRecord {
                usage: TokenUse::Access,
                client: claims.client_id,
                epoch: jti.epoch,
                subject: claims.sub,
                scope: claims.scope,
                audience: Resources::from(claims.aud),
                issued_at: jti.issued_at(),
                expires_at,
                data: None,
            }),
        })
    }
}
