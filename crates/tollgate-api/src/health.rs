//! `GET /health` and `GET /ready`.

use http::{HeaderValue, Response, StatusCode};
use tollgate_store::Store;
use tollgate_web::ResponseBody;

use crate::{Api, limits::retry_after, respond};

const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// The process runs and takes requests; nothing behind it is asked.
pub(crate) fn alive() -> Response<ResponseBody> {
    respond::no_store(StatusCode::OK, JSON, r#"{"status":"ok"}"#)
}

/// Whether the service can do its work, with a report of every check.
pub(crate) async fn ready<S: Store>(api: &Api<S>) -> Response<ResponseBody> {
    let report = api.health.report().await;
    let status = if report.is_ok() {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    let mut response = respond::no_store(status, JSON, report.to_json());
    if !report.is_ok() {
        retry_after(1, response.headers_mut());
    }
    response
}
