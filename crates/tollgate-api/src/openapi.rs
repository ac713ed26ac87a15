//! `GET /openapi.json`: the description of the public API, made from the handlers.

use std::collections::HashMap;

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

use crate::{Api, oauth, respond, router::Route};

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
    /// A JWT signed with the client's own key, in place of a secret.
    client_assertion: Option<String>,
    /// `urn:ietf:params:oauth:client-assertion-type:jwt-bearer`.
    client_assertion_type: Option<String>,
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
    /// The client, if not in the `Authorization` header.
    client_id: Option<String>,
    /// Its secret, if not in the `Authorization` header.
    client_secret: Option<String>,
    /// A JWT signed with the client's own key, in place of a secret.
    client_assertion: Option<String>,
    /// `urn:ietf:params:oauth:client-assertion-type:jwt-bearer`.
    client_assertion_type: Option<String>,
}

/// A batch of tokens.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes JSON that is parsed in place")]
pub(crate) struct TokensJson {
    /// Up to 100 tokens.
    #[schema(max_items = 100, min_items = 1)]
    tokens: Vec<String>,
    /// The client, if not in the `Authorization` header.
    client_id: Option<String>,
    /// Its secret, if not in the `Authorization` header.
    client_secret: Option<String>,
    /// A JWT signed with the client's own key, in place of a secret.
    client_assertion: Option<String>,
    /// `urn:ietf:params:oauth:client-assertion-type:jwt-bearer`.
    client_assertion_type: Option<String>,
}

/// The process runs.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes a constant answer")]
struct Alive {
    /// Always `ok`.
    status: String,
}

/// A report of every check.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes an answer of the health registry")]
struct Readiness {
    /// `ok`, or how bad the worst check is.
    status: String,
    /// Each check by its name.
    checks: HashMap<String, Check>,
}

/// What one check found.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes an answer of the health registry")]
struct Check {
    /// `ok`, or what else.
    status: String,
    /// How long it took, in milliseconds.
    latency_ms: Option<f64>,
    /// What there is to say of it.
    detail: Option<String>,
}

/// A JWK Set (RFC 7517 §5).
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes a document made by the issuer")]
struct KeySet {
    /// The public keys.
    #[schema(value_type = Vec<Object>)]
    keys: Vec<String>,
}

/// Metadata (RFC 8414 §2), of which these are always there.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes a document made at the start")]
struct Metadata {
    /// The issuer, as tokens name it.
    issuer: String,
    /// Where tokens are asked for.
    token_endpoint: String,
    /// Where the public keys are.
    jwks_uri: String,
}

/// The process runs; nothing behind it is asked.
#[utoipa::path(get, path = "/health", tag = "health", responses(
    (status = 200, description = "It runs", body = Alive),
))]
#[expect(dead_code, reason = "describes a constant answer")]
fn health() {}

/// Whether the service can do its work.
#[utoipa::path(get, path = "/ready", tag = "health", responses(
    (status = 200, description = "It can; a report of every check", body = Readiness),
    (status = 503, description = "It cannot; the report says why", body = Readiness),
))]
#[expect(dead_code, reason = "describes an answer of the health registry")]
fn ready() {}

/// The public keys (RFC 7517).
#[utoipa::path(get, path = "/.well-known/jwks.json", tag = "discovery", responses(
    (status = 200, description = "The JWK Set", body = KeySet),
    (status = 304, description = "What the caller has is current"),
    (status = 429, description = "Too many requests", body = ErrorResponse),
    (status = 503, description = "The server is busy", body = ErrorResponse),
))]
#[expect(dead_code, reason = "describes a document made by the issuer")]
fn jwks() {}

/// What the server supports (RFC 8414).
#[utoipa::path(get, path = "/.well-known/oauth-authorization-server", tag = "discovery", responses(
    (status = 200, description = "The metadata", body = Metadata),
    (status = 429, description = "Too many requests", body = ErrorResponse),
    (status = 503, description = "The server is busy", body = ErrorResponse),
))]
#[expect(dead_code, reason = "describes a document made at the start")]
fn metadata() {}

/// This document.
#[utoipa::path(get, path = "/openapi.json", tag = "discovery", responses(
    (status = 200, description = "OpenAPI 3.1", content_type = "application/json"),
    (status = 429, description = "Too many requests", body = ErrorResponse),
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
    modifiers(&Schemes, &Gateways)
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

/// Gateways ask `/oauth/validate` with the method of their caller; the answer is the same.
struct Gateways;

impl Modify for Gateways {
    fn modify(&self, openapi: &mut utoipa::openapi::OpenApi) {
        let Some(validate) = openapi.paths.paths.get_mut(Route::Validate.path()) else {
            return;
        };
        let asked_by = |method: &str| {
            let mut operation = validate.get.clone()?;
            operation.operation_id = Some(format!("validate_{method}"));
            Some(operation)
        };
        let [post, put, patch, delete] = ["post", "put", "patch", "delete"].map(asked_by);
        validate.post = post;
        validate.put = put;
        validate.patch = patch;
        validate.delete = delete;
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

    #[test]
    fn every_route_is_described_and_nothing_else() {
        let mut described: Vec<String> = Description::openapi().paths.paths.into_keys().collect();
        let mut routes = Route::ALL.map(|route| route.path().to_owned()).to_vec();
        described.sort();
        routes.sort();
        assert_eq!(described, routes);
    }

    /// Generators of clients name their functions after operations, and refuse one name twice.
    #[test]
    fn every_operation_has_a_name_of_its_own() {
        let description = serde_json::to_value(Description::openapi()).unwrap();
        let paths = description["paths"].as_object().unwrap().values();
        let operations = paths.flat_map(|path| path.as_object().unwrap().values());
        let mut names: Vec<&str> = operations
            .map(|operation| operation["operationId"].as_str().unwrap())
            .collect();
        let all = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), all, "{names:?}");
        assert!(names.contains(&"validate_put"), "{names:?}");
    }

    #[test]
    fn every_answer_but_the_empty_ones_has_a_type() {
        let description = serde_json::to_value(Description::openapi()).unwrap();
        for (path, methods) in description["paths"].as_object().unwrap() {
            for (method, operation) in methods.as_object().unwrap() {
                for (status, answer) in operation["responses"].as_object().unwrap() {
                    let empty = status == "304" || path == "/oauth/revoke" && status == "200";
                    let typed = answer["content"].is_object();
                    assert_ne!(typed, empty, "{method} {path} {status}");
                }
            }
        }
    }
}
