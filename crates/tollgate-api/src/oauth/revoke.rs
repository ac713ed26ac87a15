//! `POST /oauth/revoke`: a token dies (RFC 7009).

use bytes::Bytes;
use http::{Response, StatusCode};
use tollgate_issuer::{authenticate::Client, check::Revoker};
use tollgate_protocol::ErrorCode;
use tollgate_store::{Revoked, Store};
use tollgate_web::ResponseBody;

use super::presented::token_and_client;
use crate::{
    Api,
    call::Call,
    deed::{Deed, Ended, Pending, Tokens},
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

    let outcomes = revoke(api, call, &client, &[&token]).await?;
    api.metrics.operation(Operation::Revoke, call.started);
    match outcomes.first() {
        Some(Revoked::Revoked | Revoked::AlreadyDead) | None => {
            Ok(respond::json(StatusCode::OK, &Empty {}))
        }
        Some(Revoked::NotYours) => Err(Refusal::bad_request(
            ErrorCode::InvalidRequest,
            "the token belongs to another client",
        )),
    }
}

/// `{}`: RFC 7009 §2.2 has clients ignore the body.
#[derive(serde::Serialize)]
struct Empty {}

/// Kills those of `tokens` that are `client`'s, counts them and tells the audit log; what became of
/// each, in order.
pub(super) async fn revoke<S: Store>(
    api: &Api<S>,
    call: &Call<'_>,
    client: &Client,
    tokens: &[&str],
) -> Result<Vec<Revoked>, Refusal> {
    let client_id = &client.record().id;
    let revoker = Revoker::Client(client_id.clone());
    let deed = Deed {
        event: "token.revoked",
        client_id: Some(client_id.as_str()),
        tokens: Tokens::Presented(tokens),
    };
    let pending = Pending::new(api, call, deed);
    let outcomes = match api.issuer.revoke(tokens, &revoker, &call.context).await {
        Ok(outcomes) => outcomes,
        Err(error) => {
            pending.end(Ended::failed);
            return Err(error.into());
        }
    };
    pending.end_each(outcomes.iter().map(|(key, outcome)| Ended {
        outcome: match outcome {
            Revoked::Revoked => "ok",
            Revoked::AlreadyDead => "already_dead",
            Revoked::NotYours => "not_yours",
        },
        token: *key,
    }));
    let outcomes = outcomes.into_iter().map(|(_, outcome)| outcome);
    Ok(outcomes
        .inspect(|outcome| {
            if *outcome == Revoked::Revoked {
                api.metrics.revoked();
            }
        })
        .collect())
}
