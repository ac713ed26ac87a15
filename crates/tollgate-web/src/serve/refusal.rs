//! Requests that are refused whoever serves: they do not say clearly for whom, for what or how long
//! they are, or ask for what no service here can do. Judges their heads alone.

use http::header::TRANSFER_ENCODING;
use http::uri::Scheme;
use http::{Method, Request, StatusCode};
use http_body::Body;

use crate::head::members;
use crate::host::names_one_host;

/// The status of a request that is not passed on.
///
/// # Security
/// What is refused here a proxy in front may have read otherwise, with rules of its own for what it
/// believes to have seen.
pub(super) fn refusal<B: Body>(request: &Request<B>) -> Option<StatusCode> {
    if *request.method() == Method::CONNECT {
        // A success would tell the client that from here on it speaks to somebody else.
        return Some(StatusCode::NOT_IMPLEMENTED);
    }
    if !names_one_host(request) || !is_for_path(request) {
        return Some(StatusCode::BAD_REQUEST);
    }
    // Without a body there is none that is coded.
    match request.body().is_end_stream() {
        true => None,
        false => coding_refusal(request),
    }
}

/// Whether the target has a path, or is the `*` of OPTIONS (RFC 9112 §3.2, RFC 9113 §8.3.1): a host
/// alone is for CONNECT. In the absolute form it is of HTTP, not of another scheme, nor of none
/// (`://host/`).
fn is_for_path<B>(request: &Request<B>) -> bool {
    let uri = request.uri();
    let is_http = |scheme: &Scheme| *scheme == Scheme::HTTP || *scheme == Scheme::HTTPS;
    let path = uri.path();
    uri.scheme().is_none_or(is_http)
        && (path.starts_with('/') || (path == "*" && *request.method() == Method::OPTIONS))
}

/// Why the body's codings are not those of which it was freed: `chunked`, once. Whoever looks at the
/// first one only, or at the last, may see its end elsewhere (RFC 9112 §6.1).
fn coding_refusal<B>(request: &Request<B>) -> Option<StatusCode> {
    let mut lines = request.headers().get_all(TRANSFER_ENCODING).iter();
    let first = lines.next()?;
    let is_chunked = |coding: &[u8]| coding.eq_ignore_ascii_case(b"chunked");
    if is_chunked(first.as_bytes()) && lines.next().is_none() {
        return None;
    }
    let mut codings = members(request.headers(), TRANSFER_ENCODING);
    match codings.all(|coding| coding.is_empty() || is_chunked(coding)) {
        true => Some(StatusCode::BAD_REQUEST),
        false => Some(StatusCode::NOT_IMPLEMENTED),
    }
}
