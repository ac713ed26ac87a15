//! Answers sent piece by piece, by an axum service: an export of any size in constant memory, and
//! server-sent events that go on where a client left off and end at a shutdown.
//!
//! ```text
//! cargo run -p tollgate-web --example streaming_export --features axum,stream
//! curl -s 'http://127.0.0.1:8080/export?rows=1000000' | tail -1
//! curl -N -H 'Last-Event-ID: 41' http://127.0.0.1:8080/events
//! ```

use std::time::Duration;

use axum::Router;
use axum::extract::{Query, State};
use axum::routing::get;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, Response};
use tokio::sync::watch;
use tollgate_web::stream::{Event, EventOptions, LastEventId, events, produce};
use tollgate_web::{HttpMetrics, Preset, ResponseBody, Server, TowerService, metrics::Registry};

/// Chunks of one export that may wait for its client.
const CHUNKS_MAX: usize = 16;

#[derive(serde::Deserialize)]
struct Export {
    rows: u64,
}

/// The producer goes on as the client reads, and is dropped when it leaves.
async fn export(Query(export): Query<Export>) -> Response<ResponseBody> {
    let body = produce(CHUNKS_MAX, move |chunks| async move {
        chunks.send("row,square\n").await?;
        for row in 0..export.rows {
            chunks
                .send(format!("{row},{}\n", u128::from(row).pow(2)))
                .await?;
        }
        Ok(())
    });
    let mut response = Response::new(body);
    let csv = HeaderValue::from_static("text/csv");
    response.headers_mut().insert(CONTENT_TYPE, csv);
    response
}

/// Counts from the event after the client's last, once a second, until the server shuts down.
async fn ticks(
    State(mut stopping): State<watch::Receiver<bool>>,
    headers: HeaderMap,
) -> Response<ResponseBody> {
    let seen = LastEventId::from_headers(&headers);
    let seen = seen.and_then(|id| id.as_str().parse::<u64>().ok());
    events(EventOptions::default(), move |client| async move {
        for number in seen.map_or(0, |seen| seen.saturating_add(1)).. {
            let event = Event::data("tick").id(&number.to_string())?;
            client.send(event).await?;
            tokio::select! {
                () = tokio::time::sleep(Duration::from_secs(1)) => {}
                _ = stopping.wait_for(|stopping| *stopping) => break,
            }
        }
        Ok(())
    })
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let address = std::env::args().nth(1);
    let address = address.as_deref().unwrap_or("127.0.0.1:8080");
    let (stop, stopping) = watch::channel(false);
    let app = Router::new()
        .route("/export", get(export))
        .route("/events", get(ticks))
        .with_state(stopping);

    let metrics = HttpMetrics::register(&Registry::new(), &[])?;
    let config = Preset::Balanced.server_config();
    let server = Server::bind(config, &[address.parse()?], metrics)?;
    let interrupted = async {
        drop(tokio::signal::ctrl_c().await);
        stop.send_replace(true);
    };
    server.run(TowerService::new(app), interrupted).await?;
    Ok(())
}
