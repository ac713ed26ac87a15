//! `GET /admin/limits`: the rate limit rules and what they did.

use std::time::Instant;

use axum::{body::Body, extract::State, http::StatusCode, response::Response};
use serde::Serialize;
use tollgate_store::Store;

use super::AdminState;
use crate::{RuleStatistics, respond};

/// A rule, and what it did so far.
#[derive(Serialize)]
pub(super) struct RuleView {
    #[serde(flatten)]
    statistics: RuleStatistics,
    fill_per_second: f64,
}

impl RuleView {
    pub(super) fn all<S>(state: &AdminState<S>) -> Vec<Self> {
        state
            .api
            .limits
            .statistics(Instant::now())
            .into_iter()
            .map(Self::of)
            .collect()
    }

    fn of(statistics: RuleStatistics) -> Self {
        // An empty bucket is full after one window.
        let window = statistics.window_seconds.max(1) as f64;
        Self {
            fill_per_second: f64::from(statistics.capacity) / window,
            statistics,
        }
    }
}

pub(super) async fn statistics<S: Store>(State(state): State<AdminState<S>>) -> Response {
    #[derive(Serialize)]
    struct Limits {
        rules: Vec<RuleView>,
    }
    respond::json(
        StatusCode::OK,
        &Limits {
            rules: RuleView::all(&state),
        },
    )
    .map(Body::new)
}
