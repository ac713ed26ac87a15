//! Answers to requests that never became one: hyper's own, with the body and the headers that
//! every other error here has.

use bytes::Bytes;
use http::StatusCode;

use super::date;
use crate::RequestId;
use crate::response::error_json;

/// The same status as the head that hyper has written for a request that it could not parse;
/// `None` if that is not what was written.
pub(super) fn rewrite(written: &[u8]) -> Option<Bytes> {
    let status = written
        .strip_prefix(b"HTTP/1.1 ")
        .or(written.strip_prefix(b"HTTP/1.0 "))?;
    let status = StatusCode::from_bytes(status.get(..3)?).ok()?;
    status.is_client_error().then(|| message(status))
}

/// A whole HTTP/1.1 message that ends its connection.
pub(super) fn message(status: StatusCode) -> Bytes {
    let body = error_json(status);
    let length = body.len();
    let id = RequestId::make();
    let date = date::now();
    let date = date.to_str().unwrap_or_default();
    let retry = if status == StatusCode::SERVICE_UNAVAILABLE {
        "retry-after: 1\r\n"
    } else {
        ""
    };
    let head = format!(
        "HTTP/1.1 {status}\r\ndate: {date}\r\ncontent-type: application/json\r\n\
         cache-control: no-store\r\nx-request-id: {id}\r\n{retry}connection: close\r\ncontent-length: {length}\r\n\r\n"
    );
    (head + body).into()
}
