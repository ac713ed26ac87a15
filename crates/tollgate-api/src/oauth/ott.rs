//! `POST /oauth/ott`: one-time tokens are issued.

use bytes::Bytes;
use std::{sync::Arc, time::Duration};

use http::Response;
use serde::Serialize;
use serde_json::value::RawValue;
use tollgate_issuer::{
    grant::GrantError,
    one_time::{IssuedOneTimeToken, OneTimeError, OneTimeRequest},
};
use tollgate_protocol::{ErrorCode, Form, Subject, TokenFormat, TokenKind, UnixSeconds};
use tollgate_store::Store;
use tollgate_web::ResponseBody;

use super::parameters;
use crate::{
    Api,
    call::{Call, form},
    client_authentication::BodyCredentials,
    deed::{Deed, Ended, Pending, Tokens},
    limits::Known,
    metrics::Operation,
    refusal::Refusal,
    respond,
    router::Route,
};

/// A one-time token.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct OneTimeResponse<'a> {
    /// The token.
    token: &'a str,
    /// Always `one_time`.
    token_type: &'static str,
    /// How long it can be redeemed, in seconds.
    expires_in: u64,
    /// From when on it cannot be redeemed, in seconds since the Unix epoch.
    #[schema(value_type = u64)]
    expires_at: UnixSeconds,
}

impl<'a> From<&'a IssuedOneTimeToken> for OneTimeResponse<'a> {
    fn from(issued: &'a IssuedOneTimeToken) -> Self {
        Self {
            token: &issued.token,
            token_type: "one_time",
            expires_in: issued.expires_in.as_secs(),
            expires_at: issued.expires_at,
        }
    }
}

/// Issues a token that exactly one call can redeem.
#[utoipa::path(
    post,
    path = "/oauth/ott",
    operation_id = "issue_one_time",
    tag = "one-time tokens",
    request_body(content = crate::openapi::OneTimeForm, content_type = "application/x-www-form-urlencoded"),
    responses(
        (status = 200, description = "The token", body = OneTimeResponse<'static>),
        crate::openapi::ClientErrors,
    ),
    security(("client_basic" = []), ()),
)]
pub(crate) async fn answer<S: Store>(
    api: &Api<S>,
    body: &Bytes,
    call: &mut Call<'_>,
) -> Result<Response<ResponseBody>, Refusal> {
    let form = form(body, &["resource"])?;
    let credentials = BodyCredentials::of_form(&form)?;
    let client = api.authenticate(Route::OneTime, &credentials, call).await?;
    let request = request(&form)?;
    let client_id = client.record().id.as_str();
    let subject = request.subject.as_ref().map_or(client_id, Subject::as_str);
    api.limits
        .check(Route::OneTime, Known::Subject(subject), &mut call.metered)?;

    let deed = Deed {
        event: "one_time_token.issued",
        client_id: Some(client_id),
        tokens: Tokens::New,
    };
    let pending = Pending::new(api, call, deed);
    let outcome = api
        .issuer
        .issue_one_time(&client, request, &call.context)
        .await;
    match &outcome {
        Ok(issued) => pending.end(|| Ended::ok(issued.key)),
        Err(OneTimeError::Grant(GrantError::Broken(_))) => pending.end(Ended::failed),
        Err(_) => pending.refused(),
    }
    let issued = outcome?;
    api.metrics.issued(TokenKind::OneTime, TokenFormat::Opaque);
    api.metrics.operation(Operation::IssueOneTime, call.started);
    Ok(respond::token(&OneTimeResponse::from(&issued)))
}

fn request(form: &Form<'_>) -> Result<OneTimeRequest, Refusal> {
    let invalid = |description| Refusal::bad_request(ErrorCode::InvalidRequest, description);
    let subject = form
        .value("subject")?
        .map(|subject| subject.parse())
        .transpose();
    let expires_in = form
        .value("expires_in")?
        // `parse` would take a plus sign, too.
        .map(|seconds| {
            let digits = seconds.strip_prefix('+').map_or(&*seconds, |_| "");
            digits.parse()
        })
        .transpose();
    Ok(OneTimeRequest {
        scope: parameters::scope(form)?,
        resources: parameters::resources(form)?,
        subject: subject
            .map_err(|_| invalid("subject must be 1 to 255 bytes without control characters"))?,
        expires_in: expires_in
            .map_err(|_| invalid("expires_in must be a whole number of seconds"))?
            .map(Duration::from_secs),
        data: form.value("data")?.map(|data| json(&data)).transpose()?,
    })
}

/// `data`, if it is JSON; it is handed back as it came.
fn json(data: &str) -> Result<Arc<str>, Refusal> {
    // Whoever redeems it has to read it: half a character, a number without bound or a tower of
    // brackets would be lost with the token.
    let readable = serde_json::from_str::<serde_json::Value>(data).is_ok();
    match serde_json::from_str::<&RawValue>(data) {
        Ok(value) if readable => Ok(value.get().into()),
        _ => Err(Refusal::bad_request(
            ErrorCode::InvalidRequest,
            "data must be JSON that everybody can read",
        )),
    }
}
