//! An API before a slow source: one question to the source however many ask, and what operators
//! look at: health, metrics, quantiles, memory given back.
//!
//! ```text
//! cargo run -p tollgate-web --example cached_api --features axum,cache
//! curl http://127.0.0.1:8080/users/7
//! curl -X DELETE http://127.0.0.1:8080/users/7
//! curl http://127.0.0.1:8080/ready
//! curl http://127.0.0.1:8080/stats
//! curl -X POST http://127.0.0.1:8080/trim
//! ```

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path, State};
use axum::response::IntoResponse;
use axum::routing::{get, post};
use axum::{Json, Router};
use bytes::Bytes;
use http::StatusCode;
use http::header::CONTENT_TYPE;
use tollgate_web::cache::{Cache, CacheConfig, EntryOptions};
use tollgate_web::memory::MemoryTrimmer;
use tollgate_web::metrics::Registry;
use tollgate_web::{HealthRegistry, HttpMetrics, Server, ServerConfig, TowerService};

const CACHE_BYTES: usize = 64 << 20;
/// What a trim leaves of the cache.
const TRIMMED_BYTES: usize = 16 << 20;
const USER_TTL: Duration = Duration::from_secs(60);
const TRIM_INTERVAL: Duration = Duration::from_secs(600);

#[derive(Clone)]
struct Api {
    users: Cache<Bytes>,
    health: Arc<HealthRegistry>,
    trimmer: Arc<MemoryTrimmer>,
    registry: Registry,
}

/// Stands for a database.
async fn load_user(id: u64) -> Result<Bytes, StatusCode> {
    tokio::time::sleep(Duration::from_millis(200)).await;
    match id {
        0 => Err(StatusCode::NOT_FOUND),
        id => Ok(format!(r#"{{"id":{id},"name":"user {id}"}}"#).into()),
    }
}

async fn user(State(api): State<Api>, Path(id): Path<u64>) -> impl IntoResponse {
    let options = EntryOptions::ttl(USER_TTL);
    let loaded = api
        .users
        .get_or_load(&format!("user:{id}"), options, || load_user(id))
        .await;
    match loaded {
        Ok(user) => ([(CONTENT_TYPE, "application/json")], user).into_response(),
        Err(status) => status.into_response(),
    }
}

async fn forget(State(api): State<Api>, Path(id): Path<u64>) -> StatusCode {
    match api.users.delete(&format!("user:{id}")).await {
        Ok(_) => StatusCode::NO_CONTENT,
        Err(_) => StatusCode::SERVICE_UNAVAILABLE,
    }
}

async fn ready(State(api): State<Api>) -> impl IntoResponse {
    let report = api.health.report().await;
    let status = match report.is_ok() {
        true => StatusCode::OK,
        false => StatusCode::SERVICE_UNAVAILABLE,
    };
    (
        status,
        [(CONTENT_TYPE, "application/json")],
        report.to_json(),
    )
}

async fn trim(State(api): State<Api>) -> Result<impl IntoResponse, StatusCode> {
    // It may block for some milliseconds.
    let report = tokio::task::spawn_blocking(move || api.trimmer.trim()).await;
    report
        .map(Json)
        .map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)
}

fn app(api: Api) -> Router {
    Router::new()
        .route("/users/{id}", get(user).delete(forget))
        .route("/ready", get(ready))
        .route(
            "/metrics",
            get(|State(api): State<Api>| async move { api.registry.render() }),
        )
        .route(
            "/stats",
            get(|State(api): State<Api>| async move { Json(api.registry.quantiles()) }),
        )
        .route("/trim", post(trim))
        .with_state(api)
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let address = std::env::args().nth(1);
    let address = address.as_deref().unwrap_or("127.0.0.1:8080");
    let registry = Registry::new();
    registry.process_metrics()?;

    let users: Cache<Bytes> = Cache::local(CacheConfig::with_capacity_bytes(CACHE_BYTES));
    let trimmer = Arc::new(MemoryTrimmer::register(&registry)?);
    let shrinks = users.clone();
    trimmer.add("users", move || shrinks.shrink_to(TRIMMED_BYTES) as u64);
    tokio::spawn(Arc::clone(&trimmer).trim_every(TRIM_INTERVAL));

    let health = Arc::new(HealthRegistry::new());
    health.register("source", Duration::from_secs(1), || async {
        match load_user(1).await {
            Ok(_) => Ok(None),
            Err(status) => Err(status.to_string()),
        }
    });

    let metrics = HttpMetrics::register(&registry, &[])?;
    let server = Server::bind(ServerConfig::default(), &[address.parse()?], metrics)?;
    let api = Api {
        users,
        health,
        trimmer,
        registry,
    };
    let stop = async { drop(tokio::signal::ctrl_c().await) };
    server.run(TowerService::new(app(api)), stop).await?;
    Ok(())
}
