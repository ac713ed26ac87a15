//! `GET /admin/stats` and `GET /admin/config`: the service at a glance, and its configuration.

use std::collections::BTreeMap;

use axum::{body::Body, extract::State, http::StatusCode, response::Response};
use serde::Serialize;
use tollgate_issuer::keys::KeyView;
use tollgate_protocol::UnixSeconds;
use tollgate_store::{Health, Store};

use super::{AdminState, cache::CacheView, limits::RuleView};
use crate::respond;

#[derive(Serialize)]
struct Stats<'a> {
    version: &'static str,
    issuer: &'a str,
    started_at: UnixSeconds,
    uptime_seconds: u64,
    clock_set_back_by_seconds: u64,
    tokens_active: u64,
    tokens_active_max: u64,
    keys: Vec<KeyView>,
    caches: Vec<CacheView>,
    limits: Vec<RuleView>,
    store: StoreView,
    http: HttpView,
}

#[derive(Serialize)]
struct StoreView {
    kind: &'static str,
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
}

#[derive(Serialize)]
struct HttpView {
    in_flight: usize,
    queued: usize,
    connections_open: u64,
    requests_total: u64,
    /// The same by the first digit of the status: `2xx`.
    requests_by_status: BTreeMap<String, u64>,
}

impl HttpView {
    /// From what `/metrics` says of all listeners.
    fn new((in_flight, queued): (usize, usize), metrics: &str) -> Self {
        let mut requests_by_status = BTreeMap::new();
        let mut connections_open = 0;
        for (series, value) in metrics.lines().filter_map(|line| line.rsplit_once(' ')) {
            let value = value.parse().unwrap_or_default();
            if series == "http_connections_open" {
                connections_open = value;
            } else if let Some(labels) = series.strip_prefix("http_requests_total{")
                && let Some((_, status)) = labels.split_once("status=\"")
                && let Some((status, _)) = status.split_once('"')
            {
                *requests_by_status.entry(status.to_owned()).or_default() += value;
            }
        }
        Self {
            in_flight,
            queued,
            connections_open,
            requests_total: requests_by_status.values().sum(),
            requests_by_status,
        }
    }
}

pub(super) async fn show<S: Store>(State(state): State<AdminState<S>>) -> Response {
    let (issuer, context) = (state.issuer(), state.context());
    let (status, detail) = match issuer.store().health().await {
        Health::Ok => ("ok", None),
        Health::ReadOnly(detail) => ("read_only", Some(detail)),
        Health::Down(detail) => ("down", Some(detail)),
    };
    let stats = Stats {
        version: state.parts.version,
        issuer: &issuer.settings().issuer,
        started_at: state.started_at.to_seconds(),
        uptime_seconds: state.started.elapsed().as_secs(),
        clock_set_back_by_seconds: state.api.clock.set_back_by().as_secs(),
        tokens_active: issuer.store().active(context.now.steady.to_seconds()),
        tokens_active_max: issuer.settings().active_max,
        keys: issuer.keys(&context),
        caches: issuer
            .cache_statistics()
            .iter()
            .map(CacheView::of)
            .collect(),
        limits: RuleView::all(&state),
        store: StoreView {
            kind: state.parts.store,
            status,
            detail,
        },
        http: HttpView::new(state.api.overload.load(), &state.parts.registry.render()),
    };
    respond::json(StatusCode::OK, &stats).map(Body::new)
}

pub(super) async fn config<S: Store>(State(state): State<AdminState<S>>) -> Response {
    respond::json(StatusCode::OK, &state.parts.config).map(Body::new)
}
