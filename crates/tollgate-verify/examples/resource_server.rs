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
use std::process::ExitCode;
use std::time::Duration;

use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tollgate_verify::client::{FetchError, KeySource};
use tollgate_verify::web::{Authenticated, RequireScope, RequireToken, ResourceMetadata};
use tollgate_verify::{BuildError, Verifier};

#[tokio::main(flavor = "multi_thread")]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<(), Box<dyn Error>> {
    let settings = Settings::read(|name| env::var(name).ok())?;
    let listener = TcpListener::bind(&settings.listen)
        .await
        .map_err(|error| format!("cannot listen on RS_LISTEN={}: {error}", settings.listen))?;
    println!("listening on http://{}", listener.local_addr()?);
    serve(&settings, listener).await
}

/// What the environment says.
pub(crate) struct Settings {
    discovery_url: String,
    issuer: String,
    audience: String,
    scope: String,
    origin: Option<String>,
    listen: String,
}

impl Settings {
    pub(crate) fn read(variable: impl Fn(&str) -> Option<String>) -> Result<Self, String> {
        let optional = |name: &str| variable(name).filter(|value| !value.trim().is_empty());
        let required = |name: &str, example: &str| {
            optional(name).ok_or_else(|| format!("{name} is not set; an example: {name}={example}"))
        };
        let discovery_url = required("RS_DISCOVERY_URL", "http://127.0.0.1:8080")?;
        if !["http://", "https://"]
            .iter()
            .any(|scheme| discovery_url.starts_with(scheme))
        {
            return Err(format!(
                "RS_DISCOVERY_URL={discovery_url} is no http or https URL"
            ));
        }
        let issuer = optional("RS_ISSUER").unwrap_or_else(|| issuer_of(&discovery_url));
        Ok(Self {
            audience: required("RS_AUDIENCE", &issuer)?,
            discovery_url,
            issuer,
            scope: optional("RS_REQUIRE_SCOPE").unwrap_or_default(),
            origin: optional("RS_ORIGIN"),
            listen: optional("RS_LISTEN").unwrap_or_else(|| "127.0.0.1:3000".to_owned()),
        })
    }

    /// The usual places are all tried; an unusual one is taken at its word.
    fn key_source(&self) -> KeySource {
        let is_usual = ["/openid-configuration", "/oauth-authorization-server"]
            .iter()
            .any(|name| self.discovery_url.contains(&format!("/.well-known{name}")));
        if is_usual || !self.discovery_url.contains("/.well-known/") {
            KeySource::discovery(&self.issuer).build()
        } else {
            KeySource::metadata_url(&self.issuer, &self.discovery_url).build()
        }
    }
}

pub(crate) async fn serve(
    settings: &Settings,
    listener: TcpListener,
) -> Result<(), Box<dyn Error>> {
    let verifier = Verifier::builder()
        .issuer(&settings.issuer)
        .audience(&settings.audience)
        .key_source(&settings.key_source())
        .build()?;
    let app = app(settings, verifier.clone())?;
    tokio::spawn(warm_up(verifier));
    axum::serve(listener, app).await?;
    Ok(())
}

/// Gets the keys ahead of the first request, and as soon as a provider is up that was not yet.
async fn warm_up(verifier: Verifier) {
    let mut said = String::new();
    while verifier.warm_up().await.is_err() {
        let why = why(&verifier);
        if why != said {
            eprintln!("warning: no keys yet: {why}");
            said = why;
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    if !said.is_empty() {
        eprintln!("the keys are there now");
    }
}

/// Why there are no keys, and what may help.
fn why(verifier: &Verifier) -> String {
    let sources = verifier.stats().sources;
    match sources.into_iter().find_map(|source| source.last_failure) {
        Some(error @ FetchError::OtherIssuer(_)) => {
            format!("{error}; if that is whom you trust, say so with RS_ISSUER")
        }
        Some(error @ FetchError::AddressRefused) => format!(
            "{error}: it has to be https at a public address, or http at 127.0.0.1, [::1] or localhost"
        ),
        Some(error) => error.to_string(),
        None => "the provider did not answer".to_owned(),
    }
}

fn app(settings: &Settings, verifier: Verifier) -> Result<Router, BuildError> {
    let metadata = ResourceMetadata::new(&settings.audience, &settings.issuer)
        .scopes(settings.scope.split_ascii_whitespace());
    let mut layer = RequireToken::new(verifier.clone())
        .realm("resource server")
        .on_refusal(|error| eprintln!("refused: {error}"));
    if let Some(url) = metadata.url() {
        layer = layer.resource_metadata(&url);
    }
    if let Some(origin) = &settings.origin {
        layer = layer.dpop(origin)?;
    }
    let protected = Router::new()
        .route(
            "/protected",
            get(protected).route_layer(RequireScope::new(&settings.scope)),
        )
        .route("/whoami", get(whoami))
        .route_layer(layer);
    let app = Router::new()
        .route("/health", get(async || Json(json!({"status": "ok"}))))
        .route(
            "/metrics",
            get(async |State(v): State<Verifier>| v.stats().to_prometheus()),
        )
        .route(&metadata.path(), get(async || Json(metadata)))
        .merge(protected)
        .with_state(verifier);
    Ok(app)
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
        // A host alone is often written with a slash, and its issuer seldom.
        let is_host = url.matches('/').count() == 3;
        return if is_host {
            url.trim_end_matches('/')
        } else {
            url
        }
        .to_owned();
    };
    // RFC 8414 puts the issuer's path behind the well-known part, OpenID Connect before it.
    let path = rest
        .find('/')
        .and_then(|at| rest.get(at..))
        .unwrap_or_default();
    format!("{host}{path}")
}
