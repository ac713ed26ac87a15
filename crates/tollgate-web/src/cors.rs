//! Cross-origin requests from the origins that are named, and no others. Never with credentials.

use std::sync::Arc;

use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD, ORIGIN,
    VARY,
};
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};

use crate::ResponseBody;

/// The origins whose scripts may read answers.
#[derive(Clone, Debug, Default)]
pub struct Cors(Arc<[HeaderValue]>);

/// Not an origin: `scheme://host[:port]`, nothing after it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no origin: it must read scheme://host or scheme://host:port")]
pub struct OriginError(String);

impl Cors {
    /// Allows these origins, compared as they are (RFC 6454 §6.2 spells them in lower case).
    ///
    /// # Errors
    /// When one of them is not an origin. `*` is none: nothing here is meant for everyone.
    pub fn new<O: AsRef<str>>(origins: &[O]) -> Result<Self, OriginError> {
        origins
            .iter()
            .map(|origin| parse_origin(origin.as_ref()))
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// The answer to a preflight request; `None` for any other request.
    #[must_use]
    pub fn preflight(
        &self,
        method: &Method,
        headers: &HeaderMap,
    ) -> Option<Response<ResponseBody>> {
        if self.0.is_empty() || method != Method::OPTIONS {
            return None;
        }
        let wanted = headers.get(ACCESS_CONTROL_REQUEST_METHOD)?;
        let mut response = Response::new(ResponseBody::empty());
        *response.status_mut() = StatusCode::NO_CONTENT;
        let answer = response.headers_mut();
        if self.decorate(headers, answer) {
            answer.insert(ACCESS_CONTROL_ALLOW_METHODS, wanted.clone());
            answer.insert(
                ACCESS_CONTROL_ALLOW_HEADERS,
                HeaderValue::from_static("authorization, content-type, accept"),
            );
            answer.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("3600"));
        }
        Some(response)
    }

    /// Adds what lets an allowed origin read the answer; returns whether the origin is allowed.
    pub fn decorate(&self, request: &HeaderMap, answer: &mut HeaderMap) -> bool {
        if self.0.is_empty() {
            return false;
        }
        // Also without a match: a cache must not hand this answer to an allowed origin.
        answer.append(VARY, HeaderValue::from_static("origin"));
        let Some(origin) = request.get(ORIGIN).filter(|origin| self.0.contains(origin)) else {
            return false;
        };
        answer.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        answer.insert(
            ACCESS_CONTROL_EXPOSE_HEADERS,
            HeaderValue::from_static("x-request-id, retry-after, ratelimit, www-authenticate"),
        );
        true
    }
}

fn parse_origin(origin: &str) -> Result<HeaderValue, OriginError> {
    let is_host = |rest: &str| !rest.is_empty() && !rest.contains(['/', '?', '#', '@', ' ', '*']);
    let valid = origin.split_once("://").is_some_and(|(scheme, rest)| {
        !scheme.is_empty()
            && scheme
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"+-.".contains(&b))
            && is_host(rest)
    });
    let value = HeaderValue::from_str(origin).ok().filter(|_| valid);
    value.ok_or_else(|| OriginError(origin.to_owned()))
}
