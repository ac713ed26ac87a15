//! `POST /oauth/ott/redeem`: a one-time token is consumed by exactly one call.

use bytes::Bytes;
use http::{Response, StatusCode};
use serde_json::value::RawValue;
use tollgate_issuer::one_time::{RedeemError, RedeemedToken};
use tollgate_store::{Store, TokenKey};
use tollgate_web::ResponseBody;

use super::{
    claims::{Claims, Redemption},
    presented::token_and_client,
};
use crate::{
    Api,
    call::{Audited, Call},
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

    let outcome = api.issuer.redeem(&client, &token, &call.context).await;
    api.metrics.operation(Operation::Redeem, call.started);
    note(api, call, Some(client.record().id.as_str()), &outcome);
    let redeemed = outcome?;
    let data = redeemed
        .record
        .data
        .as_deref()
        .map(serde_json::from_str::<&RawValue>);
    let redemption = Redemption {
        claims: Claims::of_record(
            redeemed.key,
            &redeemed.record,
            &api.issuer.settings().issuer,
        ),
        data: data.transpose().unwrap_or_default(),
    };
    Ok(respond::json(StatusCode::OK, &redemption))
}

/// Tells the audit log how a redemption ended.
pub(super) fn note<S: Store>(
    api: &Api<S>,
    call: &Call<'_>,
    client_id: Option<&str>,
    outcome: &Result<RedeemedToken, RedeemError>,
) {
    let (outcome, key): (_, Option<TokenKey>) = match outcome {
        Ok(redeemed) => ("ok", Some(redeemed.key)),
        Err(RedeemError::AlreadyConsumed(key)) => ("already_consumed", Some(*key)),
        Err(RedeemError::NotYours(key)) => ("not_yours", Some(*key)),
        Err(RedeemError::Broken(_)) => ("failed", None),
        Err(_) => ("invalid", None),
    };
    call.audit(api, || Audited {
        event: "one_time_token.redeemed",
        outcome,
        client_id,
        token_id: key.map(|key| key.to_string()),
        ..Audited::default()
    });
}
