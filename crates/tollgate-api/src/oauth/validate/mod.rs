//! `/oauth/validate`: forward authentication for gateways. The gateway passes on the caller's
//! `Authorization` header; the status says whether to let the request through (RFC 6750 §3.1).

mod demand;
mod target;
mod template;

use http::{HeaderName, HeaderValue, Response, StatusCode, header::AUTHORIZATION};
use serde::Serialize;
use tollgate_issuer::{check::LiveToken, one_time::RedeemError};
use tollgate_protocol::{
    BearerToken, Challenge, ClientId, ErrorCode, Resources, Scope, Subject, UnixSeconds,
    bearer::BearerError,
};
use tollgate_store::{Store, TokenRecord, TokenUse};
use tollgate_web::ResponseBody;

pub(crate) use target::Targets;
pub use template::{InvalidPathTemplate, PathTemplate};

use self::demand::{Demand, Unmet};
use super::{claims::one_or_many, ott_redeem};
use crate::{
    Api,
    call::Call,
    deed::{Deed, Pending, Tokens},
    limits::Known,
    metrics::{Operation, Validation},
    refusal::Refusal,
    respond,
    router::Route,
};

/// A token that counts and reaches far enough.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct Validated<'a> {
    /// Always true.
    valid: bool,
    /// The client that the token was issued to.
    #[schema(value_type = String)]
    client_id: &'a ClientId,
    /// Whom it speaks of.
    #[schema(value_type = String)]
    sub: &'a Subject,
    /// What it allows.
    #[schema(value_type = String)]
    scope: &'a Scope,
    /// Where it counts: one resource, or a list of them.
    #[serde(serialize_with = "one_or_many")]
    #[schema(schema_with = crate::openapi::one_or_many)]
    aud: &'a Resources,
    /// From when on it is not valid, in seconds since the Unix epoch.
    #[schema(value_type = u64)]
    expires_at: UnixSeconds,
}

/// Whether to let a request through that bears this token.
#[utoipa::path(
    get,
    path = "/oauth/validate",
    operation_id = "validate",
    tag = "gateways",
    params(
        ("scope" = Option<String>, Query, description = "The scope that the token must have"),
        ("audience" = Option<String>, Query, description = "The resource that the token must name"),
    ),
    responses(
        (status = 200, description = "Let it through", body = Validated<'static>),
        (status = 400, description = "No usable Authorization header", body = crate::openapi::ErrorResponse),
        (status = 401, description = "The token does not count", body = crate::openapi::ErrorResponse),
        (status = 403, description = "The token does not reach as far", body = crate::openapi::ErrorResponse),
        (status = 429, description = "Too many requests", body = crate::openapi::ErrorResponse),
        (status = 503, description = "It cannot be found out now", body = crate::openapi::ErrorResponse),
    ),
    security(("bearer" = [])),
)]
pub(crate) async fn answer<S: Store>(
    api: &Api<S>,
    call: &mut Call<'_>,
) -> Result<Response<ResponseBody>, Refusal> {
    let demand = Demand::of(api, call)?;
    let header = match call.only_header(AUTHORIZATION) {
        Ok(header) => header.map(<[u8]>::to_vec),
        Err(_) => return Err(malformed()),
    };
    let token = bearer(header.as_deref())?;
    let outcome = validate(api, token, &demand, call).await;
    let result = match &outcome {
        Ok(_) => Some(Validation::Valid),
        Err(Failure::Unmet(Unmet::Scope(_) | Unmet::Target)) => Some(Validation::Insufficient),
        Err(Failure::Unmet(Unmet::Audience) | Failure::Dead) => Some(Validation::Invalid),
        // Nothing was found out about the token.
        Err(Failure::Refused(_)) => None,
    };
    if let Some(result) = result {
        api.metrics.validated(result, call.started.elapsed());
    }
    api.metrics.operation(Operation::Validate, call.started);
    outcome
        .map(|record| accepted(&record))
        .map_err(Failure::into_refusal)
}

/// Why a token is not let through.
enum Failure {
    Dead,
    Unmet(Unmet),
    Refused(Refusal),
}

impl Failure {
    fn into_refusal(self) -> Refusal {
        let (status, code, description, scope) = match self {
            Self::Dead => (
                StatusCode::UNAUTHORIZED,
                ErrorCode::InvalidToken,
                "the token is malformed, unknown, expired or revoked",
                None,
            ),
            Self::Unmet(Unmet::Audience) => (
                StatusCode::UNAUTHORIZED,
                ErrorCode::InvalidToken,
                "the token is not made out to this resource",
                None,
            ),
            Self::Unmet(Unmet::Scope(needed)) => (
                StatusCode::FORBIDDEN,
                ErrorCode::InsufficientScope,
                "the token does not have the scope that is needed",
                Some(needed),
            ),
            Self::Unmet(Unmet::Target) => (
                StatusCode::FORBIDDEN,
                ErrorCode::InsufficientScope,
                "no route is configured for this target",
                None,
            ),
            Self::Refused(refusal) => return refusal,
        };
        Refusal::bearer(
            status,
            code,
            &Challenge {
                error: Some((code, description)),
                scope,
            },
        )
    }
}

async fn validate<S: Store>(
    api: &Api<S>,
    token: BearerToken<'_>,
    demand: &Demand,
    call: &mut Call<'_>,
) -> Result<std::sync::Arc<TokenRecord>, Failure> {
    let live = api.issuer.check_one(token.expose(), &call.context).await;
    let live = live
        .map_err(|error| Failure::Refused(error.into()))?
        .ok_or(Failure::Dead)?;
    demand.check(&live.record).map_err(Failure::Unmet)?;
    // Before a one-time token is consumed: one that was refused can be presented again.
    limit(api, &live.record, call).map_err(Failure::Refused)?;
    match live.record.usage {
        TokenUse::Access => Ok(live.record),
        TokenUse::OneTime => Box::pin(consume(api, &live, call)).await,
    }
}

/// A one-time token is let through once; it was found to meet the demand, and what it stands for
/// does not change.
async fn consume<S: Store>(
    api: &Api<S>,
    live: &LiveToken,
    call: &Call<'_>,
) -> Result<std::sync::Arc<TokenRecord>, Failure> {
    api.audit
        .check()
        .map_err(|error| Failure::Refused(error.into()))?;
    let deed = Deed {
        event: ott_redeem::EVENT,
        client_id: None,
        tokens: Tokens::Known(live.key),
    };
    let pending = Pending::new(api, call, deed);
    let outcome = api.issuer.redeem_live(live, &call.context).await;
    pending.end(|| ott_redeem::ended(&outcome));
    match outcome {
        Ok(redeemed) => Ok(redeemed.record),
        Err(RedeemError::Broken(error)) => Err(Failure::Refused(error.into())),
        Err(_) => Err(Failure::Dead),
    }
}

fn bearer(header: Option<&[u8]>) -> Result<BearerToken<'_>, Refusal> {
    match header.map(BearerToken::parse) {
        Some(Ok(token)) => Ok(token),
        // RFC 6750 §3.1: a request without any authentication information gets no error code.
        None | Some(Err(BearerError::OtherScheme)) => Err(no_bearer(None)),
        Some(Err(_)) => Err(malformed()),
    }
}

fn malformed() -> Refusal {
    let description = "the Authorization header has no well-formed bearer token";
    no_bearer(Some((ErrorCode::InvalidRequest, description)))
}

fn no_bearer(error: Option<(ErrorCode, &'static str)>) -> Refusal {
    Refusal::bearer(
        StatusCode::BAD_REQUEST,
        ErrorCode::InvalidRequest,
        &Challenge { error, scope: None },
    )
}

fn limit<S: Store>(api: &Api<S>, record: &TokenRecord, call: &mut Call<'_>) -> Result<(), Refusal> {
    for known in [
        Known::Client(record.client.as_str()),
        Known::Subject(record.subject.as_str()),
    ] {
        api.limits
            .check(Route::Validate, known, &mut call.metered)?;
    }
    Ok(())
}

fn accepted(record: &TokenRecord) -> Response<ResponseBody> {
    let mut response = respond::json(
        StatusCode::OK,
        &Validated {
            valid: true,
            client_id: &record.client,
            sub: &record.subject,
            scope: &record.scope,
            aud: &record.audience,
            expires_at: record.expires_at,
        },
    );
    let headers = response.headers_mut();
    headers.reserve(4);
    headers.insert(
        HeaderName::from_static("x-auth-expires-at"),
        HeaderValue::from(record.expires_at.0),
    );
    for (name, value) in [
        ("x-auth-client-id", record.client.as_str()),
        ("x-auth-subject", record.subject.as_str()),
        ("x-auth-scope", record.scope.as_str()),
    ] {
        // None of the three can hold a control character.
        if let Ok(value) = HeaderValue::from_bytes(value.as_bytes()) {
            headers.insert(HeaderName::from_static(name), value);
        }
    }
    response
}
