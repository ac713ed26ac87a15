//! `POST /oauth/ott/redeem`: a one-time token is consumed by exactly one call.

use bytes::Bytes;
use http::{Response, StatusCode};
use tollgate_issuer::one_time::{RedeemError, RedeemedToken};
use tollgate_store::Store;
use tollgate_web::ResponseBody;

use super::{claims::Redemption, presented::token_and_client};
use crate::{
    Api,
    call::Call,
    deed::{Deed, Ended, Pending, Tokens},
    metrics::Operation,
    refusal::Refusal,
    respond,
    router::Route,
};

/// Redeems a one-time token. Of all calls that ever present it, exactly one is answered 200.
#[utoipa::path(
    post,
    path = "/oauth/ott/redeem",
    operation_id = "redeem_one_time",
    tag = "one-time tokens",
    request_body(content = crate::openapi::TokenParameterForm, content_type = "application/x-www-form-urlencoded"),
    responses(
        (status = 200, description = "This call won; what the token stood for", body = Redemption<'static>),
        crate::openapi::ClientErrors,
    ),
    security(("client_basic" = []), ()),
)]
pub(crate) async fn answer<S: Store>(
    api: &Api<S>,
    body: &Bytes,
    call: &mut Call<'_>,
) -> Result<Response<ResponseBody>, Refusal> {
    let (token, client) = token_and_client(api, Route::OneTimeRedeem, body, call).await?;

    let deed = Deed {
        event: EVENT,
        client_id: Some(client.record().id.as_str()),
        tokens: Tokens::Presented(&[&token]),
    };
    let pending = Pending::new(api, call, deed);
    let outcome = api.issuer.redeem(&client, &token, &call.context).await;
    pending.end(|| ended(&outcome));
    api.metrics.operation(Operation::Redeem, call.started);
    let redeemed = outcome?;
    let redemption = Redemption::of(&redeemed, &api.issuer.settings().issuer);
    Ok(respond::json(StatusCode::OK, &redemption))
}

/// How the audit log calls a redemption.
pub(crate) const EVENT: &str = "one_time_token.redeemed";

/// How the audit log is told that one ended.
pub(crate) fn ended(outcome: &Result<RedeemedToken, RedeemError>) -> Ended {
    let (outcome, token) = match outcome {
        Ok(redeemed) => ("ok", Some(redeemed.key)),
        Err(RedeemError::AlreadyConsumed(key)) => ("already_consumed", Some(*key)),
        Err(RedeemError::NotYours(key)) => ("not_yours", Some(*key)),
        Err(RedeemError::Broken(_)) => ("failed", None),
        Err(_) => ("invalid", None),
    };
    Ended { outcome, token }
}
