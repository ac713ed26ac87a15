//! `/metrics`, `/health` and `/ready`: for machines that watch, without a token.

use axum::{
    body::Body,
    extract::State,
    http::{HeaderValue, StatusCode},
    response::Response,
};
use tollgate_store::Store;

use super::AdminState;
use crate::{health as probe, respond};

/// The text format of Prometheus.
const EXPOSITION: HeaderValue =
    HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");

pub(super) async fn metrics<S: Store>(State(state): State<AdminState<S>>) -> Response {
    let text = state.parts.registry.render();
    respond::no_store(StatusCode::OK, EXPOSITION, text).map(Body::new)
}

pub(super) async fn health() -> Response {
    probe::alive().map(Body::new)
}

pub(super) async fn ready<S: Store>(State(state): State<AdminState<S>>) -> Response {
    probe::ready(&state.api).await.map(Body::new)
}
