//! `POST /oauth/revoke`: a token dies (RFC 7009).

use bytes::Bytes;
use http::{Response, StatusCode};
use tollgate_issuer::check::Revoker;
use tollgate_protocol::ErrorCode;
use tollgate_store::{Revoked, Store, TokenKey};
use tollgate_web::ResponseBody;

use super::presented::token_and_client;
use crate::{
    Api,
    call::{Audited, Call},
    metrics::Operation,
    refusal::Refusal,
    respond,
    router::Route,
};

/// Kills a token of the caller's. Unknown and dead tokens are answered alike (RFC 7009 §2.2).
#[utoipa::path(
    post,
    path = "/oauth/revoke",
    operation_id = "revoke",
    tag = "oauth",
    request_body(content = crate::openapi::TokenParameterForm, content_type = "application/x-www-form-urlencoded"),
    responses(
        (status = 200, description = "The token is dead"),
        crate::openapi::ClientErrors,
    ),
    security(("client_basic" = []), ()),
)]
pub(crate) async fn answer<S: Store>(
    api: &Api<S>,
    body: &Bytes,
    call: &mut Call<'_>,
) -> Result<Response<ResponseBody>, Refusal> {
    let (token, client) = token_and_client(api, Route::Revoke, body, call).await?;

    let revoker = Revoker::Client(client.record().id.clone());
    let outcomes = api
        .issuer
        .revoke(&[&token], &revoker, &call.context)
        .await?;
    let (key, outcome) = outcomes
        .into_iter()
        .next()
        .unwrap_or((None, Revoked::AlreadyDead));
    note(api, call, client.record().id.as_str(), key, outcome);
    api.metrics.operation(Operation::Revoke, call.started);
    match outcome {
        Revoked::Revoked | Revoked::AlreadyDead => Ok(respond::json(StatusCode::OK, &Empty {})),
        Revoked::NotYours => Err(Refusal::bad_request(
            ErrorCode::InvalidRequest,
            "the token belongs to another client",
        )),
    }
}

/// `{}`: RFC 7009 §2.2 has clients ignore the body.
#[derive(serde::Serialize)]
struct Empty {}

/// Counts a revocation and tells the audit log.
pub(super) fn note<S: Store>(
    api: &Api<S>,
    call: &Call<'_>,
    client_id: &str,
    key: Option<TokenKey>,
    outcome: Revoked,
) {
    if outcome == Revoked::Revoked {
        api.metrics.revoked();
    }
    call.audit(api, || Audited {
        event: "token.revoked",
        outcome: match outcome {
            Revoked::Revoked => "ok",
            Revoked::AlreadyDead => "already_dead",
            Revoked::NotYours => "not_yours",
        },
        client_id: Some(client_id),
        token_id: key.map(|key| key.to_string()),
        ..Audited::default()
    });
}
