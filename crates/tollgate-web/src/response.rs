//! Response bodies, and the constant answers that the server gives on its own.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderValue, Response, StatusCode};
use http_body::{Body, Frame, SizeHint};

/// Why a streamed body broke off; the client sees a connection closed early.
pub type StreamError = Box<dyn std::error::Error + Send + Sync>;

type Stream = dyn Body<Data = Bytes, Error = StreamError> + Send;

/// The body of an answer: all of it at once, or a stream.
pub struct ResponseBody(Kind);

enum Kind {
    Full(Bytes),
    Stream(Pin<Box<Stream>>),
}

impl ResponseBody {
    /// No bytes.
    #[must_use]
    pub const fn empty() -> Self {
        Self(Kind::Full(Bytes::new()))
    }

    /// A body produced piece by piece, with back-pressure.
    pub fn stream<B>(body: B) -> Self
    where
        B: Body<Data = Bytes, Error = StreamError> + Send + 'static,
    {
        Self(Kind::Stream(Box::pin(body)))
    }

    /// The bytes, unless the body is a stream.
    #[must_use]
    pub fn as_bytes(&self) -> Option<&[u8]> {
        match &self.0 {
            Kind::Full(bytes) => Some(bytes),
            Kind::Stream(_) => None,
        }
    }
}

impl<B: Into<Bytes>> From<B> for ResponseBody {
    fn from(bytes: B) -> Self {
        Self(Kind::Full(bytes.into()))
    }
}

impl fmt::Debug for ResponseBody {
    /// Never the bytes: they may hold a token.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Full(bytes) => write!(f, "ResponseBody({} bytes)", bytes.len()),
            Kind::Stream(_) => f.write_str("ResponseBody(stream)"),
        }
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = StreamError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, StreamError>>> {
        match &mut self.0 {
            Kind::Full(bytes) if bytes.is_empty() => Poll::Ready(None),
            Kind::Full(bytes) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
            Kind::Stream(stream) => stream.as_mut().poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Kind::Full(bytes) => bytes.is_empty(),
            Kind::Stream(stream) => stream.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Kind::Full(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Kind::Stream(stream) => stream.size_hint(),
        }
    }
}

/// Seconds after which a client that met a passing fault may try again.
const RETRY_AFTER_SECONDS: HeaderValue = HeaderValue::from_static("1");

/// The constant answer for a status that the server gives on its own: a JSON object with `error`
/// and `error_description`, with `Retry-After` on 503.
#[must_use]
pub fn error_response(status: StatusCode) -> Response<ResponseBody> {
    let body: &'static str = error_json(status);
    let mut response = Response::new(ResponseBody::from(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if status == StatusCode::SERVICE_UNAVAILABLE {
        headers.insert(RETRY_AFTER, RETRY_AFTER_SECONDS);
    }
    response
}

/// The body of [`error_response`].
pub(crate) fn error_json(status: StatusCode) -> &'static str {
    match status.as_u16() {
        400 => r#"{"error":"invalid_request","error_description":"the request is malformed"}"#,
        408 => {
            r#"{"error":"invalid_request","error_description":"the request took too long to arrive"}"#
        }
        413 => r#"{"error":"invalid_request","error_description":"the request body is too large"}"#,
        414 => {
            r#"{"error":"invalid_request","error_description":"the request target is too long"}"#
        }
        431 => r#"{"error":"invalid_request","error_description":"the request head is too large"}"#,
        501 => {
            r#"{"error":"invalid_request","error_description":"the request asks for what is not implemented"}"#
        }
        503 => r#"{"error":"temporarily_unavailable","error_description":"try again later"}"#,
        status if status < 500 => {
            r#"{"error":"invalid_request","error_description":"the request cannot be served"}"#
        }
        _ => r#"{"error":"server_error","error_description":"internal error"}"#,
    }
}
