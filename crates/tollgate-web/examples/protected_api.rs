//! An API that lets in whoever brings a good token of an OAuth provider, checked by
//! `tollgate-verify` in a tower layer.
//!
//! ```text
//! cargo run --release -- serve --dev          # a provider; prints the demo client's secret
//! cargo run -p tollgate-web --example protected_api --features axum -- \
//!     http://127.0.0.1:8080 http://127.0.0.1:8080
//! curl -H "Authorization: Bearer $TOKEN" http://127.0.0.1:8090/whoami
//! ```

use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};
use tollgate_verify::Verifier;
use tollgate_verify::client::KeySource;
use tollgate_verify::web::{Authenticated, RequireToken};
use tollgate_web::{HttpMetrics, Preset, Server, TowerService, metrics::Registry};

async fn who_am_i(token: Authenticated) -> Json<Value> {
    Json(json!({
        "sub": token.subject(),
        "client_id": token.client_id(),
        "scope": token.scopes().collect::<Vec<_>>(),
    }))
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(issuer), Some(audience)) = (arguments.next(), arguments.next()) else {
        return Err("usage: protected_api ISSUER AUDIENCE".into());
    };
    let verifier = Verifier::builder()
        .issuer(&issuer)
        .audience(&audience)
        .key_source(&KeySource::discovery(&issuer).build())
        .build()?;

    let app = Router::new()
        .route("/whoami", get(who_am_i))
        .route_layer(RequireToken::new(verifier).realm("example"))
        .route("/health", get(async || Json(json!({"status": "ok"}))));

    let metrics = HttpMetrics::register(&Registry::new(), &[])?;
    let config = Preset::LowLatency.server_config();
    let server = Server::bind(config, &["127.0.0.1:8090".parse()?], metrics)?;
    let stop = async { drop(tokio::signal::ctrl_c().await) };
    server.run(TowerService::new(app), stop).await?;
    Ok(())
}
