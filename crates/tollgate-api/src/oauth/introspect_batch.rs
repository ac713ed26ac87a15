//! `POST /oauth/introspect/batch`: up to 100 tokens in one round trip to the store.

use bytes::Bytes;
use http::{Response, StatusCode};
use serde::Serialize;
use tollgate_store::Store;
use tollgate_web::ResponseBody;

use super::{batch::BatchRequest, claims::Introspection};
use crate::{Api, call::Call, metrics::Operation, refusal::Refusal, respond, router::Route};

/// One answer a token, in the order asked.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct BatchIntrospection<'a> {
    results: Vec<Introspection<'a>>,
}

/// Tells what each of several tokens stands for.
#[utoipa::path(
    post,
    path = "/oauth/introspect/batch",
    operation_id = "introspect_batch",
    tag = "oauth",
    request_body(content = crate::openapi::TokensJson, content_type = "application/json"),
    responses(
        (status = 200, description = "One answer a token, in order", body = BatchIntrospection<'static>),
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
        .authenticate(Route::IntrospectBatch, &batch.credentials(), call)
        .await?;
    let live = api.issuer.check(&batch.tokens(), &call.context).await?;
    let issuer = &api.issuer.settings().issuer;
    let results = live
        .iter()
        .map(|live| live.as_ref().filter(|live| live.is_visible_to(&client)))
        .map(|visible| Introspection::new(visible, issuer))
        .collect();
    api.metrics.operation(Operation::Introspect, call.started);
    Ok(respond::json(
        StatusCode::OK,
        &BatchIntrospection { results },
    ))
}
