//! What a token must say, decided without keys, clock or network.

use std::time::Duration;

use serde::de::DeserializeOwned;
use tollgate_jose::{Algorithm, Compact, Header, Limits, VerifyingKey};
use tollgate_protocol::UnixSeconds;

use crate::claimed_issuer;
use crate::claims::Claims;
use crate::error::{Error, from_own_claims};
use crate::token::VerifiedToken;

/// Payloads up to the last of these sizes are decoded on the stack, so that nothing is allocated
/// for a token before its signature has been verified; most fit the first room, which is quicker to
/// clear, and all that the usual limits let through fit the last.
const STACK_BYTES_USUAL: usize = 768;
const STACK_BYTES_MORE: usize = 4096;
const STACK_BYTES_MAX: usize = 12 * 1024 + 3;

/// A claim that is required unless tolerated missing, see [`crate::danger`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Claim {
    /// `iss`.
    Issuer,
    /// `aud`.
    Audience,
    /// `exp`.
    ExpiresAt,
    /// `iat`.
    IssuedAt,
}

impl Claim {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Issuer => "iss",
            Self::Audience => "aud",
            Self::ExpiresAt => "exp",
            Self::IssuedAt => "iat",
        }
    }
}

/// Which `typ` headers are accepted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum TokenType {
    /// `at+jwt` (RFC 9068), and for providers that predate it `JWT` or nothing.
    #[default]
    AccessToken,
    /// `at+jwt` alone, as RFC 9068 §4 demands.
    StrictAccessToken,
    /// `JWT` or nothing, as ID tokens have it.
    IdToken,
    /// This type alone.
    Exactly(Box<str>),
    /// Whatever it says.
    Any,
}

impl TokenType {
    fn accepts(&self, header: &Header) -> bool {
        match self {
            Self::AccessToken => {
                header.typ().is_none() || header.is_typ("at+jwt") || header.is_typ("JWT")
            }
            Self::IdToken => header.typ().is_none() || header.is_typ("JWT"),
            Self::StrictAccessToken => header.is_typ("at+jwt"),
            Self::Exactly(expected) => header.is_typ(expected),
            Self::Any => true,
        }
    }
}

/// How `cnf` is dealt with.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Binding {
    /// A bound token is refused: nothing was presented.
    Absent,
    /// The caller checks what was presented against the claim.
    Presented,
}

/// The rules for tokens, whoever issued them.
#[derive(Debug, Clone)]
pub(crate) struct Policy {
    pub(crate) issuers: Vec<Box<str>>,
    pub(crate) audiences: Vec<Box<str>>,
    pub(crate) algorithms: Vec<Algorithm>,
    pub(crate) leeway: Duration,
    pub(crate) max_age: Option<Duration>,
    pub(crate) required: Vec<Box<str>>,
    pub(crate) tolerated: Vec<Claim>,
    pub(crate) token_type: TokenType,
    pub(crate) limits: Limits,
}

impl Default for Policy {
    fn default() -> Self {
        let algorithms = Algorithm::ALL.into_iter().filter(|alg| !alg.is_symmetric());
        Self {
            issuers: Vec::new(),
            audiences: Vec::new(),
            algorithms: algorithms.collect(),
            leeway: Duration::ZERO,
            max_age: None,
            required: Vec::new(),
            tolerated: Vec::new(),
            token_type: TokenType::default(),
            limits: Limits::default(),
        }
    }
}

impl Policy {
    /// Takes a token apart and refuses what no key could make good.
    pub(crate) fn parse<'t>(&self, token: &'t str) -> Result<Compact<'t>, Error> {
        let parsed = Compact::parse(token, &self.limits)?;
        let alg = parsed.header().algorithm();
        if !self.algorithms.contains(&alg) {
            return Err(Error::AlgorithmNotAllowed(alg));
        }
        Ok(parsed)
    }

    /// The position of the issuer whose keys a token is to be checked with.
    ///
    /// Where several are trusted, the token's own word chooses among them; the signature then has
    /// to match that issuer's keys, and the word itself is checked again afterwards.
    pub(crate) fn issuer_of(&self, parsed: &Compact<'_>) -> Result<usize, Error> {
        if self.issuers.len() == 1 {
            return Ok(0);
        }
        with_room(parsed, |room| {
            let payload = parsed.unverified_payload_in(room)?;
            let payload = std::str::from_utf8(&payload).map_err(|_| Error::Malformed("claims"))?;
            claimed_issuer::position(payload, &self.issuers)
        })
    }

    /// Checks the signature with `key`, then everything the claims say.
    pub(crate) fn judge<C: DeserializeOwned>(
        &self,
        parsed: &Compact<'_>,
        key: &VerifyingKey,
        terms: Terms<'_>,
    ) -> Result<VerifiedToken<C>, Error> {
        with_room(parsed, |room| {
            let verified = parsed.verify_in(key, room)?;
            self.accept(parsed, verified.as_bytes(), terms)
        })
    }

    /// Judges a token whose very bytes are known to carry a good signature.
    #[cfg(feature = "client")]
    pub(crate) fn judge_known<C: DeserializeOwned>(
        &self,
        parsed: &Compact<'_>,
        terms: Terms<'_>,
    ) -> Result<VerifiedToken<C>, Error> {
        with_room(parsed, |room| {
            let payload = parsed.unverified_payload_in(room)?;
            self.accept(parsed, &payload, terms)
        })
    }

    /// Checks everything but the signature.
    fn accept<C: DeserializeOwned>(
        &self,
        parsed: &Compact<'_>,
        payload: &[u8],
        terms: Terms<'_>,
    ) -> Result<VerifiedToken<C>, Error> {
        if !terms.token_type.accepts(parsed.header()) {
            return Err(Error::TokenType);
        }
        let payload =
            std::str::from_utf8(payload).map_err(|_| Error::Malformed("claims are not UTF-8"))?;
        let claims = Claims::parse(payload, &self.required)?;
        self.check(&claims, payload, terms)?;
        // The syntax was checked above; this reads the caller's own members alone.
        let custom = C::deserialize(&mut serde_json::Deserializer::from_str(payload))
            .map_err(|error| from_own_claims(&error))?;
        Ok(VerifiedToken {
            payload: payload.into(),
            claims,
            alg: Some(parsed.header().algorithm()),
            custom,
        })
    }

    /// Checks what a provider says about an opaque token that it calls active; a token bound to a
    /// key passes, for the caller to check what was presented.
    #[cfg(feature = "client")]
    pub(crate) fn accept_introspected(
        &self,
        payload: &str,
        now: UnixSeconds,
    ) -> Result<Box<Claims>, Error> {
        let claims = Claims::parse(payload, &[])?;
        let (token_type, binding) = (&TokenType::Any, Binding::Presented);
        self.check(
            &claims,
            payload,
            Terms {
                issuer: 0,
                token_type,
                now,
                binding,
            },
        )?;
        Ok(claims)
    }

    fn check(&self, claims: &Claims, payload: &str, terms: Terms<'_>) -> Result<(), Error> {
        self.check_present(claims)?;
        self.check_required(claims)?;
        if let Some(iss) = &claims.iss {
            let trusted = self.issuers.get(terms.issuer).ok_or(Error::Issuer)?;
            if iss.in_payload(payload) != &**trusted {
                return Err(Error::Issuer);
            }
        }
        self.check_audience(claims, payload)?;
        self.check_times(claims, terms.now)?;
        if claims.cnf.is_some() && terms.binding == Binding::Absent {
            return Err(Error::KeyBinding);
        }
        Ok(())
    }

    /// Holds what a provider said about an opaque token to this policy too: what it need not say
    /// (RFC 7662 §2.2) may be absent, unless it is required by name.
    #[cfg(feature = "tower")]
    pub(crate) fn check_opaque(&self, payload: &str, now: UnixSeconds) -> Result<(), Error> {
        let claims = Claims::parse(payload, &self.required)?;
        self.check_required(&claims)?;
        if let Some(iss) = &claims.iss {
            let named = iss.in_payload(payload);
            if !self.issuers.iter().any(|trusted| &**trusted == named) {
                return Err(Error::Issuer);
            }
        }
        self.check_audience(&claims, payload)?;
        self.check_times(&claims, now)
    }

    fn check_audience(&self, claims: &Claims, payload: &str) -> Result<(), Error> {
        let Some(aud) = &claims.aud else {
            return Ok(());
        };
        let is_ours = |own: &str| self.audiences.iter().any(|audience| &**audience == own);
        if aud.iter().any(|text| is_ours(text.in_payload(payload))) {
            Ok(())
        } else {
            Err(Error::Audience)
        }
    }

    fn check_present(&self, claims: &Claims) -> Result<(), Error> {
        for (claim, is_there) in [
            (Claim::Issuer, claims.iss.is_some()),
            (Claim::Audience, claims.aud.is_some()),
            (Claim::ExpiresAt, claims.exp.is_some()),
            (Claim::IssuedAt, claims.iat.is_some()),
        ] {
            if !is_there && !self.tolerated.contains(&claim) {
                return Err(missing(claim.name()));
            }
        }
        Ok(())
    }

    fn check_required(&self, claims: &Claims) -> Result<(), Error> {
        for (position, name) in self.required.iter().enumerate() {
            if claims.required_seen >> position & 1 == 0 {
                return Err(missing(name));
            }
        }
        Ok(())
    }

    fn check_times(&self, claims: &Claims, now: UnixSeconds) -> Result<(), Error> {
        // RFC 7519 §4.1.4: on the very second of `exp` the token is no longer accepted.
        if claims.exp.is_some_and(|exp| now >= exp.plus(self.leeway)) {
            return Err(Error::Expired);
        }
        let latest = now.plus(self.leeway);
        if claims.nbf.is_some_and(|nbf| nbf > latest) || claims.iat.is_some_and(|iat| iat > latest)
        {
            return Err(Error::NotYetValid);
        }
        let Some(max_age) = self.max_age else {
            return Ok(());
        };
        let iat = claims.iat.ok_or_else(|| missing("iat"))?;
        if now > iat.plus(max_age).plus(self.leeway) {
            return Err(Error::Expired);
        }
        Ok(())
    }
}

/// Room on the stack for a token's payload, as far as it is not larger than any.
fn with_room<T>(parsed: &Compact<'_>, work: impl FnOnce(&mut [u8]) -> T) -> T {
    let size = parsed.payload_b64().len() / 4 * 3 + 3;
    if size <= STACK_BYTES_USUAL {
        work(&mut [0; STACK_BYTES_USUAL])
    } else if size <= STACK_BYTES_MORE {
        work(&mut [0; STACK_BYTES_MORE])
    } else {
        work(&mut [0; STACK_BYTES_MAX])
    }
}

/// The circumstances of one verification.
#[derive(Clone, Copy)]
pub(crate) struct Terms<'t> {
    pub(crate) issuer: usize,
    pub(crate) token_type: &'t TokenType,
    pub(crate) now: UnixSeconds,
    pub(crate) binding: Binding,
}

pub(crate) fn missing(claim: &str) -> Error {
    Error::MissingClaim(claim.into())
}
