//! `POST /oauth/revoke/batch`: up to 100 tokens die in one round trip to the store.

use bytes::Bytes;
use http::{Response, StatusCode};
use serde::Serialize;
use tollgate_protocol::{ErrorCode, OAuthError};
use tollgate_store::{Revoked, Store};
use tollgate_web::ResponseBody;

use super::{batch::BatchRequest, revoke::revoke};
use crate::{Api, call::Call, metrics::Operation, refusal::Refusal, respond, router::Route};

/// One answer a token, in the order asked.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct BatchRevocation {
    results: Vec<Revocation>,
}

/// What became of one token: dead, or an error and left as it was.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct Revocation {
    /// Whether the token is dead now.
    revoked: bool,
    /// Why not.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    #[schema(inline, value_type = crate::openapi::OptionalError)]
    error: Option<OAuthError>,
}

/// Kills several tokens of the caller's.
#[utoipa::path(
    post,
    path = "/oauth/revoke/batch",
    operation_id = "revoke_batch",
    tag = "oauth",
    request_body(content = crate::openapi::TokensJson, content_type = "application/json"),
    responses(
        (status = 200, description = "One answer a token, in order", body = BatchRevocation),
        (status = 415, description = "The body is not JSON", body = crate::openapi::ErrorResponse),
        crate::openapi::ClientErrors,
    ),
    security(("client_basic" = []), ()),
)]
pub(crate) async fn answer<S: Store>(
    api: &Api<S>,
    body: &Bytes,
    call: &mut Call<'_>,
) -> Result<Response<ResponseBody>, Refusal> {
    let batch = BatchRequest::parse(body)?;
    let client = api
        .authenticate(Route::RevokeBatch, &batch.credentials(), call)
        .await?;
    let outcomes = revoke(api, call, &client, &batch.tokens()).await?;
    let results = outcomes.into_iter().map(Revocation::from).collect();
    api.metrics.operation(Operation::Revoke, call.started);
    Ok(respond::json(StatusCode::OK, &BatchRevocation { results }))
}

impl From<Revoked> for Revocation {
    fn from(outcome: Revoked) -> Self {
        match outcome {
            Revoked::Revoked | Revoked::AlreadyDead => Self {
                revoked: true,
                error: None,
            },
            Revoked::NotYours => Self {
                revoked: false,
                error: Some(OAuthError::new(
                    ErrorCode::InvalidRequest,
                    "the token belongs to another client",
                )),
            },
        }
    }
}
