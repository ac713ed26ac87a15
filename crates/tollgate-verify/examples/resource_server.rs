//! A resource server that lets in whoever brings a good token.
//!
//! Configured by the environment:
//!
//! | variable | is |
//! |---|---|
//! | `RS_DISCOVERY_URL` | the provider's metadata document, or its issuer |
//! | `RS_ISSUER` | the issuer, where the metadata's place does not tell it |
//! | `RS_AUDIENCE` | what tokens must be meant for |
//! | `RS_REQUIRE_SCOPE` | scope values that `/protected` demands, separated by spaces |
//! | `RS_ORIGIN` | scheme and host that clients see; switches DPoP on |
//! | `RS_LISTEN` | address to listen on, `127.0.0.1:3000` by default |
//!
//! ```text
//! RS_DISCOVERY_URL=http://127.0.0.1:8080/.well-known/oauth-authorization-server \
//! RS_AUDIENCE=https://orders.example RS_REQUIRE_SCOPE=orders:read \
//! cargo run -p tollgate-verify --example resource_server
//! ```
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program for the terminal"
)]

use std::env;
use std::error::Error;

use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tollgate_verify::Verifier;
use tollgate_verify::client::KeySource;
use tollgate_verify::web::{Authenticated, RequireScope, RequireToken, ResourceMetadata};

#[tokio::main(flavor = "multi_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let discovery_url = required("RS_DISCOVERY_URL")?;
    let audience = required("RS_AUDIENCE")?;
    let scope = env::var("RS_REQUIRE_SCOPE").unwrap_or_default();
    let listen = env::var("RS_LISTEN").unwrap_or_else(|_| "127.0.0.1:3000".to_owned());

    let issuer = env::var("RS_ISSUER").unwrap_or_else(|_| issuer_of(&discovery_url));
    // The usual places are all tried; an unusual one is taken at its word.
    let is_usual = ["/openid-configuration", "/oauth-authorization-server"]
        .iter()
        .any(|name| discovery_url.contains(&format!("/.well-known{name}")));
    let source = if is_usual || !discovery_url.contains("/.well-known/") {
        KeySource::discovery(&issuer)
    } else {
        KeySource::metadata_url(&issuer, &discovery_url)
    };
    let verifier = Verifier::builder()
        .issuer(&issuer)
        .audience(&audience)
        .key_source(&source.build())
        .build()?;
    // Ahead of the first request; a provider that is not up yet is asked again then.
    if let Err(error) = verifier.warm_up().await {
        eprintln!("warning: {error}");
    }

    let listener = TcpListener::bind(&listen).await?;
    println!("listening on http://{}", listener.local_addr()?);
    axum::serve(listener, app(verifier, &issuer, &audience, &scope)).await?;
    Ok(())
}

fn app(verifier: Verifier, issuer: &str, audience: &str, scope: &str) -> Router {
    let metadata = ResourceMetadata::new(audience, issuer).scopes(scope.split_ascii_whitespace());
    let mut layer = RequireToken::new(verifier.clone())
        .realm("resource server")
        .on_refusal(|error| eprintln!("refused: {error}"));
    if let Ok(origin) = env::var("RS_ORIGIN") {
        layer = layer.dpop(&origin);
    }
    let protected = Router::new()
        .route(
            "/protected",
            get(protected).route_layer(RequireScope::new(scope)),
        )
        .route("/whoami", get(whoami))
        .route_layer(layer);
    Router::new()
        .route("/health", get(async || Json(json!({"status": "ok"}))))
        .route(
            "/metrics",
            get(async |State(v): State<Verifier>| v.stats().to_prometheus()),
        )
        .route(&metadata.path(), get(async || Json(metadata)))
        .merge(protected)
        .with_state(verifier)
}

async fn protected(token: Authenticated) -> Json<Value> {
    Json(json!({"sub": token.subject(), "scope": scope_of(&token)}))
}

async fn whoami(token: Authenticated) -> Json<Value> {
    Json(json!({
        "iss": token.issuer(),
        "sub": token.subject(),
        "client_id": token.client_id(),
        "aud": token.audiences().collect::<Vec<_>>(),
        "scope": scope_of(&token),
        "exp": token.expires_at(),
    }))
}

fn scope_of(token: &Authenticated) -> String {
    token.scopes().collect::<Vec<_>>().join(" ")
}

/// The issuer whose metadata is at a URL: the URL without its well-known part.
fn issuer_of(url: &str) -> String {
    let Some((host, rest)) = url.split_once("/.well-known/") else {
        return url.to_owned();
    };
    // RFC 8414 puts the issuer's path behind the well-known part, OpenID Connect before it.
    let path = rest
        .find('/')
        .and_then(|at| rest.get(at..))
        .unwrap_or_default();
    format!("{host}{path}")
}

fn required(name: &str) -> Result<String, String> {
    env::var(name).map_err(|_| format!("{name} is not set"))
}
