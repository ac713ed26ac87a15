//! Answers: JSON that nobody may keep, written into one buffer.

use http::{
    HeaderValue, Response, StatusCode,
    header::{CACHE_CONTROL, CONTENT_TYPE, PRAGMA},
};
use serde::Serialize;
use tollgate_web::ResponseBody;

const APPLICATION_JSON: HeaderValue = HeaderValue::from_static("application/json");
const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");

/// `value` as JSON.
pub(crate) fn json<T: Serialize>(status: StatusCode, value: &T) -> Response<ResponseBody> {
    let mut body = Vec::with_capacity(512);
    if serde_json::to_writer(&mut body, value).is_err() {
        return tollgate_web::error_response(StatusCode::INTERNAL_SERVER_ERROR);
    }
    no_store(status, APPLICATION_JSON, body)
}

/// An answer that holds a token; RFC 6749 §5.1 has old caches told too.
pub(crate) fn token<T: Serialize>(value: &T) -> Response<ResponseBody> {
    let mut response = json(StatusCode::OK, value);
    response
        .headers_mut()
        .insert(PRAGMA, HeaderValue::from_static("no-cache"));
    response
}

/// A body that nobody may keep.
pub(crate) fn no_store(
    status: StatusCode,
    content_type: HeaderValue,
    body: impl Into<ResponseBody>,
) -> Response<ResponseBody> {
    typed(status, content_type, NO_STORE, body)
}

/// A body that others may keep as `cache_control` says.
pub(crate) fn typed(
    status: StatusCode,
    content_type: HeaderValue,
    cache_control: HeaderValue,
    body: impl Into<ResponseBody>,
) -> Response<ResponseBody> {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, content_type);
    headers.insert(CACHE_CONTROL, cache_control);
    response
}

/// A JSON document that others may keep as `cache_control` says.
pub(crate) fn document(
    cache_control: HeaderValue,
    body: impl Into<ResponseBody>,
) -> Response<ResponseBody> {
    typed(StatusCode::OK, APPLICATION_JSON, cache_control, body)
}
