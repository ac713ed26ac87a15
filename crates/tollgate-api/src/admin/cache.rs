//! `/admin/cache`: what the near caches hold, and making them forget.

use axum::{body::Body, extract::State, http::StatusCode, response::Response};
use serde::{Deserialize, Serialize};
use tollgate_issuer::cache::{CacheStatistics, Forget};
use tollgate_store::Store;

use super::{
    AdminState,
    extract::{Origin, Query},
    failure::Failure,
    state::Note,
};
use crate::respond;

/// What a cache holds and how it was used.
#[derive(Serialize)]
pub(super) struct CacheView {
    name: &'static str,
    entries: usize,
    entries_max: usize,
    hits: u64,
    misses: u64,
    hit_ratio: f64,
    invalidations: u64,
}

impl CacheView {
    pub(super) fn of(statistics: &CacheStatistics) -> Self {
        let lookups = statistics.hits.saturating_add(statistics.misses);
        Self {
            name: statistics.name,
            entries: statistics.entries,
            entries_max: statistics.entries_max,
            hits: statistics.hits,
            misses: statistics.misses,
            hit_ratio: if lookups == 0 {
                0.0
            } else {
                statistics.hits as f64 / lookups as f64
            },
            invalidations: statistics.invalidations,
        }
    }
}

pub(super) async fn statistics<S: Store>(State(state): State<AdminState<S>>) -> Response {
    #[derive(Serialize)]
    struct Caches {
        caches: Vec<CacheView>,
    }
    let statistics = state.issuer().cache_statistics();
    let caches = Caches {
        caches: statistics.iter().map(CacheView::of).collect(),
    };
    respond::json(StatusCode::OK, &caches).map(Body::new)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ForgetQuery {
    key: Option<String>,
    prefix: Option<String>,
    tag: Option<String>,
}

pub(super) async fn forget<S: Store>(
    State(state): State<AdminState<S>>,
    origin: Origin,
    Query(query): Query<ForgetQuery>,
) -> Result<Response, Failure> {
    #[derive(Serialize)]
    struct Removed {
        removed: usize,
    }
    let what = match (&query.key, &query.prefix, &query.tag) {
        (None, None, None) => Forget::All,
        (Some(key), None, None) => Forget::Key(key),
        (None, Some(prefix), None) => Forget::Prefix(prefix),
        (None, None, Some(tag)) => Forget::Tag(tag),
        _ => {
            return Err(Failure::invalid(
                "at most one of key, prefix and tag is asked for",
            ));
        }
    };
    let removed = state.issuer().forget(what);
    state.audited(&origin, Note::new("cache.cleared"), Ok::<_, Failure>(()))?;
    Ok(respond::json(StatusCode::OK, &Removed { removed }).map(Body::new))
}
