//! A token whose signature and claims have been verified.

use std::fmt;

use serde::{Deserialize, Deserializer};
use tollgate_jose::Algorithm;
use tollgate_protocol::UnixSeconds;

use crate::claims::{Claims, Text};

/// A verified token: its standard claims, and `C`, the caller's own.
///
/// Only verification makes one, so holding it means that every check of the policy has passed.
#[derive(Clone)]
pub struct VerifiedToken<C = NoClaims> {
    pub(crate) payload: Box<str>,
    pub(crate) claims: Box<Claims>,
    /// None for a token that was introspected.
    pub(crate) alg: Option<Algorithm>,
    pub(crate) custom: C,
}

/// The claims type of callers who need none beyond the standard ones; reading it costs nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct NoClaims;

impl<'de> Deserialize<'de> for NoClaims {
    fn deserialize<D: Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        Ok(Self)
    }
}

impl<C> VerifiedToken<C> {
    /// `iss`.
    #[must_use]
    pub fn issuer(&self) -> Option<&str> {
        self.text(self.claims.iss.as_ref())
    }

    /// `sub`.
    #[must_use]
    pub fn subject(&self) -> Option<&str> {
        self.text(self.claims.sub.as_ref())
    }

    /// `aud`, one or several.
    pub fn audiences(&self) -> impl Iterator<Item = &str> {
        let texts = self
            .claims
            .aud
            .iter()
            .flat_map(|audiences| audiences.iter());
        texts.map(|text| text.in_payload(&self.payload))
    }

    /// `exp`.
    #[must_use]
    pub fn expires_at(&self) -> Option<UnixSeconds> {
        self.claims.exp
    }

    /// `iat`.
    #[must_use]
    pub fn issued_at(&self) -> Option<UnixSeconds> {
        self.claims.iat
    }

    /// `nbf`.
    #[must_use]
    pub fn not_before(&self) -> Option<UnixSeconds> {
        self.claims.nbf
    }

    /// `jti`.
    #[must_use]
    pub fn jwt_id(&self) -> Option<&str> {
        self.text(self.claims.jti.as_ref())
    }

    /// `client_id`.
    #[must_use]
    pub fn client_id(&self) -> Option<&str> {
        self.text(self.claims.client_id.as_ref())
    }

    /// The scope values of `scope`, or of `scp` where a provider uses that; either may be one
    /// string with spaces or an array.
    pub fn scopes(&self) -> impl Iterator<Item = &str> {
        let texts = self.claims.scope.iter().flat_map(|scopes| scopes.iter());
        texts
            .flat_map(|text| text.in_payload(&self.payload).split(' '))
            .filter(|s| !s.is_empty())
    }

    /// Whether the token carries this scope value.
    #[must_use]
    pub fn has_scope(&self, scope: &str) -> bool {
        self.scopes().any(|own| own == scope)
    }

    /// Whether the token carries every one of these scope values.
    #[must_use]
    pub fn has_scopes<'s>(&self, scopes: impl IntoIterator<Item = &'s str>) -> bool {
        scopes.into_iter().all(|scope| self.has_scope(scope))
    }

    /// Whether the token carries at least one of these scope values.
    #[must_use]
    pub fn has_any_scope<'s>(&self, scopes: impl IntoIterator<Item = &'s str>) -> bool {
        scopes.into_iter().any(|scope| self.has_scope(scope))
    }

    /// The algorithm that it was signed with; `None` for an opaque token.
    #[must_use]
    pub fn algorithm(&self) -> Option<Algorithm> {
        self.alg
    }

    /// The caller's own claims.
    #[must_use]
    pub fn claims(&self) -> &C {
        &self.custom
    }

    /// The caller's own claims, owned.
    #[must_use]
    pub fn into_claims(self) -> C {
        self.custom
    }

    /// All claims, as the JSON object that was signed.
    #[must_use]
    pub fn claims_json(&self) -> &str {
        &self.payload
    }

    fn text<'t>(&'t self, text: Option<&'t Text>) -> Option<&'t str> {
        text.map(|text| text.in_payload(&self.payload))
    }
}

#[cfg(feature = "tower")]
impl VerifiedToken {
    /// The same token with claims of the caller's own.
    pub(crate) fn with_custom<C: serde::de::DeserializeOwned>(
        self,
    ) -> Result<VerifiedToken<C>, crate::error::Error> {
        let Self {
            payload,
            claims,
            alg,
            ..
        } = self;
        let custom = C::deserialize(&mut serde_json::Deserializer::from_str(&payload));
        let custom = custom.map_err(|error| crate::error::from_own_claims(&error))?;
        Ok(VerifiedToken {
            payload,
            claims,
            alg,
            custom,
        })
    }
}

impl<C> fmt::Debug for VerifiedToken<C> {
    /// Shows whose token it is, not what else it says.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerifiedToken")
            .field("issuer", &self.issuer())
            .field("client_id", &self.client_id())
            .field("expires_at", &self.claims.exp)
            .finish_non_exhaustive()
    }
}
