//! `/debug/pprof`: profiles of the running process in the format that `pprof` opens.

use axum::{
    body::Body,
    http::{HeaderValue, StatusCode},
    response::Response,
};
use serde::Deserialize;
use tollgate_web::profiling::{cpu_profile, heap_profile};

use super::{extract::Query, failure::Failure};
use crate::respond;

const SECONDS_DEFAULT: u64 = 30;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CpuQuery {
    seconds: Option<u64>,
}

pub(super) async fn cpu(Query(query): Query<CpuQuery>) -> Result<Response, Failure> {
    Ok(answer(
        cpu_profile(query.seconds.unwrap_or(SECONDS_DEFAULT)).await?,
    ))
}

pub(super) async fn heap() -> Result<Response, Failure> {
    Ok(answer(heap_profile().await?))
}

fn answer(profile: Vec<u8>) -> Response {
    let content_type = HeaderValue::from_static("application/octet-stream");
    respond::no_store(StatusCode::OK, content_type, profile).map(Body::new)
}
