//! What a live token says, as introspection, redemption and validation answer it.

use serde::{Serialize, Serializer, ser::SerializeSeq};
use serde_json::value::RawValue;
use tollgate_issuer::{check::LiveToken, one_time::RedeemedToken};
use tollgate_protocol::{ClientId, Resources, Scope, Subject, UnixSeconds};
use tollgate_store::{TokenKey, TokenRecord, TokenUse};

/// The members of RFC 7662 §2.2 that are known of every live token.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct Claims<'a> {
    /// The client that the token was issued to.
    #[schema(value_type = String)]
    client_id: &'a ClientId,
    /// Whom it speaks of.
    #[schema(value_type = String)]
    sub: &'a Subject,
    /// What it allows.
    #[serde(skip_serializing_if = "Scope::is_empty")]
    #[schema(value_type = String)]
    scope: &'a Scope,
    /// Where it counts: one resource, or a list of them.
    #[serde(serialize_with = "one_or_many")]
    #[schema(schema_with = crate::openapi::one_or_many)]
    aud: &'a Resources,
    /// The issuer.
    iss: &'a str,
    /// When it was issued, in seconds since the Unix epoch.
    #[schema(value_type = u64)]
    iat: UnixSeconds,
    /// From when on it is not valid, in seconds since the Unix epoch.
    #[schema(value_type = u64)]
    exp: UnixSeconds,
    /// Its identifier.
    jti: String,
    /// `Bearer`, or `one_time`.
    token_type: &'static str,
}

impl<'a> Claims<'a> {
    pub(crate) fn of_live(token: &'a LiveToken, issuer: &'a str) -> Self {
        let jti = token
            .jti
            .as_deref()
            .map_or_else(|| token.key.to_string(), str::to_owned);
        Self::new(&token.record, jti, issuer)
    }

    fn of_record(key: TokenKey, record: &'a TokenRecord, issuer: &'a str) -> Self {
        Self::new(record, key.to_string(), issuer)
    }

    fn new(record: &'a TokenRecord, jti: String, issuer: &'a str) -> Self {
        Self {
            client_id: &record.client,
            sub: &record.subject,
            scope: &record.scope,
            aud: &record.audience,
            iss: issuer,
            iat: record.issued_at.to_seconds(),
            exp: record.expires_at,
            jti,
            token_type: match record.usage {
                TokenUse::Access => "Bearer",
                TokenUse::OneTime => "one_time",
            },
        }
    }
}

/// The answer to an introspection (RFC 7662 §2.2).
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct Introspection<'a> {
    /// Whether the token counts and the caller may know of it.
    active: bool,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    #[schema(inline, value_type = crate::openapi::OptionalClaims)]
    claims: Option<Claims<'a>>,
}

impl<'a> Introspection<'a> {
    pub(crate) fn new(token: Option<&'a LiveToken>, issuer: &'a str) -> Self {
        let claims = token.map(|token| Claims::of_live(token, issuer));
        Self {
            active: claims.is_some(),
            claims,
        }
    }
}

/// The answer to a redemption.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct Redemption<'a> {
    #[serde(flatten)]
    #[schema(inline)]
    claims: Claims<'a>,
    /// What was given when the token was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Value)]
    data: Option<&'a RawValue>,
}

impl<'a> Redemption<'a> {
    pub(crate) fn of(redeemed: &'a RedeemedToken, issuer: &'a str) -> Self {
        let RedeemedToken { key, record } = redeemed;
        let data = record.data.as_deref().map(serde_json::from_str);
        let data = data.transpose().unwrap_or_else(|error| {
            // It was JSON when it was stored, and the token is consumed: there is no later call
            // that could have it.
            tracing::error!(%error, token_id = %key, "the data of a one-time token is lost");
            None
        });
        Self {
            claims: Claims::of_record(*key, record, issuer),
            data,
        }
    }
}

/// `aud` as RFC 7519 §4.1.3 has it.
pub(crate) fn one_or_many<S: Serializer>(
    resources: &&Resources,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    if let [one] = &***resources {
        return serializer.serialize_str(one.as_str());
    }
    let mut list = serializer.serialize_seq(Some(resources.len()))?;
    for resource in resources.iter() {
        list.serialize_element(resource.as_str())?;
    }
    list.end()
}
