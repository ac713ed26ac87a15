//! `POST /oauth/introspect`: what a token stands for (RFC 7662), signed on demand (RFC 9701).

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header::ACCEPT};
use tollgate_issuer::authenticate::Client;
use tollgate_store::Store;
use tollgate_web::ResponseBody;

use super::{claims::Introspection, presented::token_and_client};
use crate::{Api, call::Call, metrics::Operation, refusal::Refusal, respond, router::Route};

/// The media type of a signed answer (RFC 9701 §4).
const SIGNED: &str = "application/token-introspection+jwt";

/// Tells what a token stands for to those it was issued to and those it names.
#[utoipa::path(
    post,
    path = "/oauth/introspect",
    operation_id = "introspect",
    tag = "oauth",
    request_body(content = crate::openapi::TokenParameterForm, content_type = "application/x-www-form-urlencoded"),
    responses(
        (status = 200, description = "What is known of the token", content(
            (Introspection<'static> = "application/json"),
            (String = "application/token-introspection+jwt"),
        )),
        crate::openapi::ClientErrors,
    ),
    security(("client_basic" = []), ()),
)]
pub(crate) async fn answer<S: Store>(
    api: &Api<S>,
    body: &Bytes,
    call: &mut Call<'_>,
) -> Result<Response<ResponseBody>, Refusal> {
    let (token, client) = token_and_client(api, Route::Introspect, body, call).await?;

    let live = api.issuer.check_one(&token, &call.context).await?;
    let visible = live.as_ref().filter(|live| live.is_visible_to(&client));
    let introspection = Introspection::new(visible, &api.issuer.settings().issuer);
    api.metrics.operation(Operation::Introspect, call.started);
    if wants_signed(call) {
        return Box::pin(signed(api, &client, &introspection, call)).await;
    }
    Ok(respond::json(StatusCode::OK, &introspection))
}

fn wants_signed(call: &Call<'_>) -> bool {
    let accepted = call.parts.headers.get_all(ACCEPT).iter();
    accepted
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b','))
        .any(|range| {
            let mut parts = range.split(|byte| *byte == b';').map(<[u8]>::trim_ascii);
            let is_signed = parts
                .next()
                .is_some_and(|it| it.eq_ignore_ascii_case(SIGNED.as_bytes()));
            // A weight of zero means: anything but this (RFC 9110 §12.4.2).
            is_signed
                && !parts.any(|part| matches!(part, b"q=0" | b"q=0.0" | b"q=0.00" | b"q=0.000"))
        })
}

async fn signed<S: Store>(
    api: &Api<S>,
    client: &Client,
    introspection: &Introspection<'_>,
    call: &Call<'_>,
) -> Result<Response<ResponseBody>, Refusal> {
    let Ok(introspection) = serde_json::to_string(introspection) else {
        return Ok(tollgate_web::error_response(
            StatusCode::INTERNAL_SERVER_ERROR,
        ));
    };
    let jwt = api
        .issuer
        .sign_introspection(client, &introspection, &call.context)
        .await?;
    let body = jwt.as_bytes().to_vec();
    Ok(respond::no_store(
        StatusCode::OK,
        HeaderValue::from_static(SIGNED),
        body,
    ))
}
