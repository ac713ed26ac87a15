//! `GET /openapi.json`: the description of the public API, made from the handlers.

use bytes::Bytes;
use http::{HeaderValue, Response};
use tollgate_issuer::Settings;
use tollgate_store::Store;
use tollgate_web::ResponseBody;
use utoipa::{
    IntoResponses, Modify, OpenApi, ToSchema,
    openapi::{
        Array, Object, OneOfBuilder, Schema, Server, Type,
        security::{HttpAuthScheme, HttpBuilder, SecurityScheme},
    },
};

use crate::{Api, oauth, respond};

/// An error (RFC 6749 §5.2).
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what `OAuthError` serialises to")]
pub(crate) struct ErrorResponse {
    /// The code.
    error: String,
    /// What to do about it.
    error_description: String,
}

/// The members of an answer about a token that may not count: all of them, or none.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes `Option<Claims>`, flattened")]
pub(crate) struct OptionalClaims {
    /// The client that the token was issued to.
    client_id: Option<String>,
    /// Whom it speaks of.
    sub: Option<String>,
    /// What it allows.
    scope: Option<String>,
    /// Where it counts: one resource, or a list of them.
    #[schema(schema_with = one_or_many, required = false)]
    aud: Option<String>,
    /// The issuer.
    iss: Option<String>,
    /// When it was issued, in seconds since the Unix epoch.
    iat: Option<u64>,
    /// From when on it is not valid, in seconds since the Unix epoch.
    exp: Option<u64>,
    /// Its identifier.
    jti: Option<String>,
    /// `Bearer`, or `one_time`.
    token_type: Option<String>,
}

/// The members of an error, where there is one.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes `Option<OAuthError>`, flattened")]
pub(crate) struct OptionalError {
    /// The code.
    error: Option<String>,
    /// What to do about it.
    error_description: Option<String>,
}

/// `aud` as RFC 7519 §4.1.3 has it.
pub(crate) fn one_or_many() -> Schema {
    let one = Object::with_type(Type::String);
    OneOfBuilder::new()
        .item(one.clone())
        .item(Array::new(one))
        .description(Some("One resource, or a list of them"))
        .into()
}

/// The errors of every endpoint that authenticates a client.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "describes what `Refusal` answers")]
pub(crate) enum ClientErrors {
    /// The request is malformed or asks for what the client may not have.
    #[response(status = 400)]
    Invalid(#[to_schema] ErrorResponse),
    /// The client did not prove who it is.
    #[response(status = 401)]
    Unauthenticated(#[to_schema] ErrorResponse),
    /// The body is too large.
    #[response(status = 413)]
    TooLarge(#[to_schema] ErrorResponse),
    /// Too many requests; `Retry-After` says when to come back.
    #[response(status = 429)]
    TooMany(#[to_schema] ErrorResponse),
    /// The server cannot answer now; `Retry-After` says when to come back.
    #[response(status = 503)]
    Unavailable(#[to_schema] ErrorResponse),
}

/// The form of a token request.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes a form that is parsed in place")]
pub(crate) struct TokenForm {
    /// The grant.
    #[schema(example = "client_credentials")]
    grant_type: String,
    /// The scope asked for; left out for all that the client may have.
    scope: Option<String>,
    /// The resource asked for; may repeat.
    resource: Option<Vec<String>>,
    /// The client, if not in the `Authorization` header.
    client_id: Option<String>,
    /// Its secret, if not in the `Authorization` header.
    client_secret: Option<String>,
    /// A JWT signed with the client's own key, in place of a secret.
    client_assertion: Option<String>,
    /// `urn:ietf:params:oauth:client-assertion-type:jwt-bearer`.
    client_assertion_type: Option<String>,
}

/// The form of a request about one token.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes a form that is parsed in place")]
pub(crate) struct TokenParameterForm {
    /// The token.
    token: String,
    /// Not needed: every token says what it is.
    token_type_hint: Option<String>,
    /// The client, if not in the `Authorization` header.
    client_id: Option<String>,
    /// Its secret, if not in the `Authorization` header.
    client_secret: Option<String>,
}

/// The form of a request for a one-time token.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes a form that is parsed in place")]
pub(crate) struct OneTimeForm {
    /// The scope asked for; left out for all that the client may have.
    scope: Option<String>,
    /// The resource asked for; may repeat.
    resource: Option<Vec<String>>,
    /// Whom the token speaks of; left out for the client itself.
    subject: Option<String>,
    /// How long it can be redeemed, in seconds; at most what is configured.
    expires_in: Option<u64>,
    /// JSON text of at most 1 KiB that the redeemer gets.
    data: Option<String>,
}

/// A batch of tokens.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes JSON that is parsed in place")]
pub(crate) struct TokensJson {
    /// Up to 100 tokens.
    #[schema(max_items = 100, min_items = 1)]
    tokens: Vec<String>,
}

/// The process runs; nothing behind it is asked.
#[utoipa::path(get, path = "/health", tag = "health", responses((status = 200, description = "It runs")))]
#[expect(dead_code, reason = "describes a constant answer")]
fn health() {}

/// Whether the service can do its work.
#[utoipa::path(get, path = "/ready", tag = "health", responses(
    (status = 200, description = "It can; a report of every check"),
    (status = 503, description = "It cannot; the report says why"),
))]
#[expect(dead_code, reason = "describes an answer of the health registry")]
fn ready() {}

/// The public keys (RFC 7517).
#[utoipa::path(get, path = "/.well-known/jwks.json", tag = "discovery", responses(
    (status = 200, description = "The JWK Set"),
    (status = 304, description = "What the caller has is current"),
    (status = 503, description = "The server is busy", body = ErrorResponse),
))]
#[expect(dead_code, reason = "describes a document made by the issuer")]
fn jwks() {}

/// What the server supports (RFC 8414).
#[utoipa::path(get, path = "/.well-known/oauth-authorization-server", tag = "discovery", responses(
    (status = 200, description = "The metadata"),
    (status = 503, description = "The server is busy", body = ErrorResponse),
))]
#[expect(dead_code, reason = "describes a document made at the start")]
fn metadata() {}

/// This document.
#[utoipa::path(get, path = "/openapi.json", tag = "discovery", responses(
    (status = 200, description = "OpenAPI 3.1"),
    (status = 503, description = "The server is busy", body = ErrorResponse),
))]
#[expect(dead_code, reason = "describes a document made at the start")]
fn openapi() {}

#[derive(OpenApi)]
#[openapi(
    info(title = "Tollgate", description = "Issue, check and revoke OAuth 2 tokens."),
    paths(
        health,
        ready,
        oauth::token::answer,
        oauth::introspect::answer,
        oauth::introspect_batch::answer,
        oauth::revoke::answer,
        oauth::revoke_batch::answer,
        oauth::ott::answer,
        oauth::ott_redeem::answer,
        oauth::validate::answer,
        jwks,
        metadata,
        openapi,
    ),
    modifiers(&Schemes)
)]
struct Description;

struct Schemes;

impl Modify for Schemes {
    fn modify(&self, openapi: &mut utoipa::openapi::OpenApi) {
        let components = openapi.components.get_or_insert_with(Default::default);
        for (name, scheme) in [
            ("client_basic", HttpAuthScheme::Basic),
            ("bearer", HttpAuthScheme::Bearer),
        ] {
            let scheme = HttpBuilder::new().scheme(scheme).build();
            components.add_security_scheme(name, SecurityScheme::Http(scheme));
        }
    }
}

/// The document for a server at the configured issuer.
pub(crate) fn document(settings: &Settings) -> Bytes {
    let mut description = Description::openapi();
    description.servers = Some(vec![Server::new(settings.issuer.trim_end_matches('/'))]);
    description.to_json().unwrap_or_default().into()
}

pub(crate) fn answer<S: Store>(api: &Api<S>) -> Response<ResponseBody> {
    respond::document(
        HeaderValue::from_static("public, max-age=3600"),
        api.openapi.clone(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::router::Route;

    #[test]
    fn every_route_is_described_and_nothing_else() {
        let mut described: Vec<String> = Description::openapi().paths.paths.into_keys().collect();
        let mut routes = Route::ALL.map(|route| route.path().to_owned()).to_vec();
        described.sort();
        routes.sort();
        assert_eq!(described, routes);
    }
}
