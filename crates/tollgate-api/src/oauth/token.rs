//! `POST /oauth/token`: access tokens (RFC 6749 §3.2).

use bytes::Bytes;
use http::Response;
use serde::Serialize;
use tollgate_issuer::grant::{GrantError, IssuedToken, TokenRequest};
use tollgate_protocol::{ErrorCode, Form, GrantType, Scope, TokenKind};
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

/// A successful answer (RFC 6749 §5.1).
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct TokenResponse<'a> {
    /// The access token.
    access_token: &'a str,
    /// Always `Bearer`.
    token_type: &'static str,
    /// How long it is valid, in seconds.
    expires_in: u64,
    /// What it allows; left out when that is nothing.
    #[serde(skip_serializing_if = "Scope::is_empty")]
    #[schema(value_type = String)]
    scope: &'a Scope,
}

impl<'a> From<&'a IssuedToken> for TokenResponse<'a> {
    fn from(issued: &'a IssuedToken) -> Self {
        Self {
            access_token: &issued.token,
            token_type: "Bearer",
            expires_in: issued.expires_in.as_secs(),
            scope: &issued.scope,
        }
    }
}

/// Issues an access token to the client that asks for it.
#[utoipa::path(
    post,
    path = "/oauth/token",
    operation_id = "token",
    tag = "oauth",
    request_body(content = crate::openapi::TokenForm, content_type = "application/x-www-form-urlencoded"),
    responses(
        (status = 200, description = "The token", body = TokenResponse<'static>),
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
    let grant = grant_type(&form)?;
    let credentials = BodyCredentials::of_form(&form)?;
    let client = api.authenticate(Route::Token, &credentials, call).await?;
    let request = TokenRequest {
        scope: parameters::scope(&form)?,
        resources: parameters::resources(&form)?,
    };
    let client_id = client.record().id.as_str();
    api.limits
        .check(Route::Token, Known::Subject(client_id), &mut call.metered)?;

    let deed = Deed {
        event: "token.issued",
        client_id: Some(client_id),
        tokens: Tokens::New,
    };
    let pending = Pending::new(api, call, deed);
    let outcome = api
        .issuer
        .grant(grant, &client, request, &call.context)
        .await;
    match &outcome {
        Ok(issued) => pending.end(|| Ended::ok(issued.key)),
        Err(GrantError::Broken(_)) => pending.end(Ended::failed),
        Err(_) => pending.refused(),
    }
    let issued = outcome?;
    api.metrics.issued(TokenKind::Access, issued.format);
    api.metrics.operation(Operation::Issue, call.started);
    Ok(respond::token(&TokenResponse::from(&issued)))
}

fn grant_type(form: &Form<'_>) -> Result<GrantType, Refusal> {
    let Some(name) = form.value("grant_type")? else {
        return Err(Refusal::bad_request(
            ErrorCode::InvalidRequest,
            "grant_type is missing",
        ));
    };
    name.parse().map_err(|_| {
        Refusal::bad_request(
            ErrorCode::UnsupportedGrantType,
            "this grant_type is not supported; see /.well-known/oauth-authorization-server",
        )
    })
}
